"""Times and durations of a query log, as programs and spreadsheets write them."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.product.log_values import LONGEST, duration, moment
from tools.product.workload_store import UNDATED

APRIL = datetime(2024, 4, 1, 10, tzinfo=UTC)
SECONDS = round(APRIL.timestamp())


@pytest.mark.parametrize("text", [
    "2024-04-01 10:00:00", "2024-04-01T10:00:00Z", "2024-04-01 10:00:00 UTC",
    "2024-04-01 10:00:00 Z", "2024-04-01 10:00:00 utc", "2024-04-01 12:00:00 +0200",
    "2024-04-01 12:00:00 +02:00", "2024-04-01 12:00:00+02", "2024-04-01 03:00:00 -07",
    "2024-04-01 12:00:00 +0200 UTC", "2024-04-01 10:00 GMT", "2024-04-01T10:00:00,000",
    "2024-04-01 10:00:00.000000000+00", "20240401T100000Z", "20240401100000",
    f" {SECONDS} ", f"{SECONDS}.0", f"{SECONDS},0", f"{SECONDS}000", f"{SECONDS}000000",
    f"{SECONDS}000000000",
])  # fmt: skip
def test_a_time_is_read_however_it_is_written(text: str) -> None:
    assert moment(text) == (APRIL, "")


@pytest.mark.parametrize(("text", "day"), [("2024-04-01", 1), ("20240402", 2), ("2024-04-03 ", 3)])
def test_a_day_is_a_time(text: str, day: int) -> None:
    assert moment(text).at == datetime(2024, 4, day, tzinfo=UTC)


def test_no_epoch_becomes_a_day_of_another_century() -> None:
    rng = random.Random(7)
    for unit in (1, 1_000, 1_000_000, 1_000_000_000):
        for _ in range(500):
            seconds = rng.uniform(1_577_836_800, 1_790_000_000)
            at, flaw = moment(str(round(seconds * unit)))
            assert not flaw and abs(at.timestamp() - seconds) <= 1


@pytest.mark.parametrize("text", [None, "", " ", "-", "NULL", "\\N", "None", "NaN"])
def test_what_is_not_said_is_no_flaw(text: str | None) -> None:
    assert (moment(text), duration(text, 1.0, ",")) == ((UNDATED, ""), (None, ""))


@pytest.mark.parametrize("text", [
    "0", "-1", "45383.5", "17120115301", "171201153012", "202404011", "inf", "1e300", "Monday",
    "2024-04-01 10:00:00 CEST", "2024-13-01", "2024-04-01 10:00:00 +9900", "1" * 1000,
    "0001-01-01 00:00:00+05:00", ":00" * 9_999,
])  # fmt: skip
def test_a_time_that_cannot_be_read_is_said_to_be(text: str) -> None:
    assert moment(text) == (UNDATED, "it counts without its time, which cannot be read")


def test_a_time_that_is_yet_to_come_is_said_to_be() -> None:
    for text in ("2099-12-31", "4000000000"):
        assert moment(text) == (UNDATED, "it counts without its time, which is yet to come")


@pytest.mark.parametrize(("text", "mark", "ms"), [
    ("12,5", ";", 12.5), ("12,5", "\t", 12.5), ("1,234", ";", 1.234), ("12.5", ";", 12.5),
    ("12.5", ",", 12.5), ("1e3", ",", 1000.0), ("0", ",", 0.0),
])  # fmt: skip
def test_a_decimal_comma_is_one_where_no_comma_parts_the_fields(
    text: str, mark: str, ms: float
) -> None:
    assert duration(text, 1.0, mark) == (ms, "")
    assert duration(text, 1000.0, mark).ms == ms * 1000


@pytest.mark.parametrize(("text", "mark"), [
    ("12,5", ","), ("1,234", "\t"), ("1.234,5", ";"), ("1,234,567", ";"), ("-1", ","),
    ("inf", ","), ("12ms", ","), ("00:00:01.5", ","), ("9" * (LONGEST + 1), ","),
])  # fmt: skip
def test_a_duration_that_cannot_be_read_is_said_to_be(text: str, mark: str) -> None:
    flaw = "it counts without its duration, which cannot be read"
    assert duration(text, 1.0, mark) == (None, flaw)


@given(st.text(max_size=80), st.sampled_from([",", ";", "\t"]))
def test_any_text_is_read_or_named(text: str, mark: str) -> None:
    assert moment(text).at.tzinfo is UTC
    ms, flaw = duration(text, 1.0, mark)
    assert ms is None or (ms >= 0 and not flaw)
