"""Names of a product in a request, and what a request is about."""

from __future__ import annotations

import pytest

from tools.asking.names import mentioned, shared, stem, subject
from tools.asking.request import read_request


@pytest.mark.parametrize(
    ("text", "names", "found"),
    [
        ("what does DEP_DELAY mean?", ["dep_delay", "delay"], ("dep_delay",)),
        ("describe flights.month", ["flights.month", "flights"], ("flights.month", "flights")),
        ("what is `order total`?", ["order total", "total"], ("order total", "total")),
        ("what is in salesforce?", ["sales"], ()),
        ("what is a+b?", ["a+b", ".*"], ("a+b",)),
    ],
)  # fmt: skip
def test_names_are_found_as_whole_words(text: str, names: list[str], found: tuple[str]) -> None:
    assert mentioned(read_request(text), names) == found


def test_the_subject_is_what_is_left_of_a_request() -> None:
    assert subject(read_request("why is the delays dashboard slow?")) == ("delay", "dashboard")
    assert subject(read_request("which queries are the slowest")) == ()
    assert subject(read_request('why is "arr_delay" slow')) == ("arr", "delay")


def test_words_are_shared_without_their_plural() -> None:
    assert shared(("delay", "carrier"), ["flights.dep_delays"]) == 1
    assert [stem(w) for w in ("queries", "class", "months", "is")] == [
        "query", "class", "month", "is",
    ]  # fmt: skip
