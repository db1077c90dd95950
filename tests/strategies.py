"""Hypothesis strategies for messages, derived from their annotations."""

from __future__ import annotations

import types
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import AwareDatetime

from tools.messages import Message

PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    float: st.floats(allow_nan=False, allow_infinity=False),
    AwareDatetime: st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    str: st.text(max_size=12),
}


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for any type a message may hold."""
    arguments = get_args(kind)
    match get_origin(kind):
        case _ if kind in PLAIN:
            return PLAIN[kind]
        case origin if origin is Annotated:
            return of(arguments[0])
        case origin if origin in (Union, types.UnionType):
            return st.one_of(*map(of, arguments))
        case origin if origin is Literal:
            return st.sampled_from(arguments)
        case origin if origin is tuple and arguments[-1] is ...:
            return st.lists(of(arguments[0]), max_size=2).map(tuple)
        case origin if origin is tuple:
            return st.tuples(*map(of, arguments))
    if isinstance(kind, type) and issubclass(kind, Message):
        fields = kind.model_fields.items()
        return st.builds(kind, **{name: of(field.annotation) for name, field in fields})
    return st.from_type(kind)
