"""When a run of a query log was and how long it took, however the log writes that."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tools.product.workload_store import UNDATED

CLOCKS_APART = timedelta(days=1)
"""How far ahead a log's clock may be; a time beyond it is a mistake that would outdate the rest."""
MISSING = frozenset({"", "-", "na", "nan", "none", "null", "\\n"})
"""How programs write that there is no value, in lower case."""
LONGEST = 64
"""Most characters of a time or a duration; a field may hold megabytes."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""What a number has to lie between to be a time; in no two units it does."""
_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
_ZONED = re.compile(
    r"(.*?:\d\d(?:[.,]\d+)?)\s*([+-]\d\d(?::?\d\d)?)?\s*(Z|UTC|GMT)?", re.IGNORECASE | re.ASCII
)
_THOUSANDS = re.compile(r"\d{1,3},\d{3}", re.ASCII)


class Moment(NamedTuple):
    """When a run was: `UNDATED` where that is not said, or not so that it can be believed."""

    at: datetime
    flaw: str = ""


class Duration(NamedTuple):
    """How many milliseconds a run took: None where that is not said, or cannot be read."""

    ms: float | None
    flaw: str = ""


def moment(text: object) -> Moment:
    """Read a time: ISO 8601 with or without a zone, or an epoch in s, ms, µs or ns."""
    said = _said(text)
    if said is None:
        return Moment(UNDATED)
    found = (_epoch(said) or _calendar(said)) if len(said) <= LONGEST else None
    if found is None:
        return Moment(UNDATED, "it counts without its time, which cannot be read")
    if found >= datetime.now(UTC) + CLOCKS_APART:
        return Moment(UNDATED, "it counts without its time, which is yet to come")
    return Moment(found)


def duration(text: object, factor: float, mark: str) -> Duration:
    """Read a duration; a decimal comma is one where `mark`, which parts the fields, is another."""
    said = _said(text)
    if said is None:
        return Duration(None)
    # Beside tabs a comma may part thousands too; spreadsheets that write semicolons never do.
    if mark == ";" or (mark == "\t" and not _THOUSANDS.fullmatch(said)):
        said = said.replace(",", ".")
    with suppress(ValueError):
        ms = float(said) * factor if len(said) <= LONGEST else math.nan
        if math.isfinite(ms) and ms >= 0:
            return Duration(ms)
    return Duration(None, "it counts without its duration, which cannot be read")


def _said(text: object) -> str | None:
    said = text.strip() if isinstance(text, str) else ""
    return None if said.lower() in MISSING else said


def _epoch(text: str) -> datetime | None:
    if ":" in text:
        return None
    with suppress(ValueError):
        number = float(text.replace(",", "."))
        for unit in _UNITS:
            if _EARLIEST.timestamp() <= number / unit < _LATEST.timestamp():
                return _EPOCH + timedelta(seconds=number / unit)
    return None


def _calendar(text: str) -> datetime | None:
    if text.isdigit() and len(text) == len("20240131235959"):
        return _iso(f"{text[:8]}T{text[8:]}")
    if text.isdigit() and len(text) != len("20240131"):
        # Python takes any digit for what parts the day from the time.
        return None
    return _iso(text) or _iso(_joined(text))


def _joined(text: str) -> str:
    """Return a time with its zone as ISO 8601 writes it."""
    zoned = _ZONED.fullmatch(text)
    if zoned is None:
        return ""
    time, offset, name = zoned.groups()
    return time + (offset or ("+00:00" if name else ""))


def _iso(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
