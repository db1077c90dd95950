"""Numbers that a contract allows and that a narrower type has no room for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from open_data_contract_standard.model import SchemaProperty

from tools.messages import ChangeType
from tools.product.contract_facts import valid_values
from tools.product.logical_types import INTEGERS, normal_type
from tools.product.number_types import room

BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_FORMAT = re.compile(r"([iu])(8|16|32|64|128)")
_WHOLE = re.compile(r"-?[0-9]+")
_FRACTION = re.compile(r"-?[0-9]+\.[0-9]+")


class Stated(NamedTuple):
    """A number that a contract states, and where."""

    field: str
    shown: Any
    number: Decimal


def without_room(prop: SchemaProperty, change: ChangeType) -> Iterator[tuple[str, str]]:
    """Yield what the contract states and the new type cannot hold, though the old one can."""
    told = set[str]()
    for field, shown, number in _stated(prop):
        lost = _holds(change.from_type, number) and not _holds(change.to_type, number)
        if lost and field not in told:
            told.add(field)
            yield field, f"allows {shown}, which {change.to_type} does not hold"


def _holds(kind: str, number: Decimal) -> bool:
    name = normal_type(kind)
    if name in INTEGERS and number != number.to_integral_value():
        return False
    limits = room(name)
    return limits is None or limits[0] <= number <= limits[1]


def _stated(prop: SchemaProperty) -> Iterator[Stated]:
    options = prop.logicalTypeOptions or {}
    for option in BOUNDS:
        number = _number(options.get(option))
        if number is not None:
            # Where a bound lies does not say that values have a fraction.
            whole = number.to_integral_value()
            yield Stated(f"logicalTypeOptions.{option}", options[option], whole)
    found = _FORMAT.fullmatch(str(options.get("format") or ""))
    if found:
        bits = int(found[2]) - (found[1] == "i")
        for limit in (2**bits - 1, -(2**bits) if found[1] == "i" else 0):
            yield Stated("logicalTypeOptions.format", options["format"], Decimal(limit))
    samples = [("examples", list(prop.examples or ()))]
    for field, values in (*samples, *(("enum", values) for values in valid_values(prop))):
        for value in values:
            number = _number(value)
            if number is not None:
                yield Stated(field, value, number)


def _number(value: Any) -> Decimal | None:
    """Return a number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value)
    return Decimal(text) if _WHOLE.fullmatch(text) or _FRACTION.fullmatch(text) else None
