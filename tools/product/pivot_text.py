"""A PIVOT or UNPIVOT with an order or a limit, written so that sqlglot reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import Token, TokenType
from sqlglot.errors import SqlglotError

_PIVOTS = frozenset({TokenType.PIVOT, TokenType.UNPIVOT})
_TAIL = frozenset({TokenType.ORDER_BY, TokenType.LIMIT, TokenType.OFFSET})
_Span = tuple[int, int]
"""Where a PIVOT begins in the text and where its order or limit does."""


def as_subquery(sql: str) -> str | None:
    """Return `PIVOT … ORDER BY …` as `FROM (PIVOT …) ORDER BY …`, which means the same.

    In brackets and common table expressions, too. None for what has no such statement.
    """
    try:
        tokens = list(sqlglot.tokenize(sql, dialect="duckdb"))
    except SqlglotError:
        return None
    spans = [span for level in _levels(tokens) if (span := _statement(level)) is not None]
    if not spans:
        return None
    marks = {at: mark for start, end in spans for at, mark in ((start, "FROM ("), (end, ") "))}
    edges = sorted(marks)
    pieces = (marks[at] + sql[at:end] for at, end in zip(edges, [*edges[1:], None], strict=True))
    return sql[: edges[0]] + "".join(pieces)


def _levels(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Yield the tokens outside of all brackets, and those of each pair without what is deeper."""
    open_levels: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type is TokenType.L_PAREN:
            open_levels.append([])
        elif token.token_type is TokenType.R_PAREN and len(open_levels) > 1:
            yield open_levels.pop()
        else:
            open_levels[-1].append(token)
    yield open_levels[0]


def _statement(level: Sequence[Token]) -> _Span | None:
    """Return the span of a PIVOT that begins the level, or follows its WITH."""
    pivot = next((at for at, t in enumerate(level) if t.token_type in _PIVOTS), None)
    if pivot is None or (pivot and level[0].token_type is not TokenType.WITH):
        return None
    tail = next((t for t in level[pivot:] if t.token_type in _TAIL), None)
    return None if tail is None else (level[pivot].start, tail.start)
