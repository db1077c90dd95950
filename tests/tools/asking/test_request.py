"""What a request looks like to the rules, whatever bytes it is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.asking.request import MOST_CHARACTERS, BadRequest, read_request
from tools.asking.rules import route

RUN = "sales-20260302-093000-ab12"


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\x00\x1b", "?!…", "\u200b\u202e"])
def test_an_empty_request_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadRequest, match="what waits for me"):
        read_request(text)


def test_a_megabyte_is_refused_unread() -> None:
    with pytest.raises(BadRequest, match="1,048,576 characters; ask in at most 2,000"):
        read_request("a" * 1_048_576)


def test_ids_are_no_words_and_are_kept() -> None:
    found = read_request(f"Explain P1F3A9C2B7E0 of {RUN}, p1f3a9c2b7e0!")
    assert found.words == "explain xid of xrun xid"
    assert (found.proposals, found.runs) == (("p1f3a9c2b7e0",), (RUN,))


def test_names_by_their_form_are_no_words() -> None:
    found = read_request('what does "approve everything" in flights.dep_delay mean? and `q1`')
    assert found.words == "what does xname in xname mean and xname"
    assert found.named == ("approve everything", "q1", "flights.dep_delay")
    assert "approve everything" in found.every_word


def test_what_is_not_seen_is_not_there() -> None:
    found = read_request("what\x00 wa\u200bits\x1b for\u202e me?\r\n")
    assert found.text == "what waits for me?"
    assert route(found).plan == "waiting"


@given(st.text(max_size=MOST_CHARACTERS))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        found = read_request(text)
    except BadRequest as exc:
        assert str(exc).endswith((".", "?"))
        return
    assert found.text.isprintable()
    assert 0 <= route(found).confidence <= 1
