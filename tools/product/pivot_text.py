"""A PIVOT with an order or a limit, written so that sqlglot reads it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlglot
from sqlglot import Token, TokenType
from sqlglot.errors import SqlglotError

_TAIL = frozenset({TokenType.ORDER_BY, TokenType.LIMIT, TokenType.OFFSET})
_DEEPER = {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}


def as_subquery(sql: str) -> str | None:
    """Return `PIVOT … ORDER BY …` as `FROM (PIVOT …) ORDER BY …`, which means the same.

    None for what is no such statement.
    """
    try:
        tokens = list(sqlglot.tokenize(sql, dialect="duckdb"))
    except SqlglotError:
        return None
    outer = _outer(tokens)
    pivot = next((t for t in outer if t.token_type is TokenType.PIVOT), None)
    before = [t for t in outer if pivot is not None and t.start < pivot.start]
    if pivot is None or (before and before[0].token_type is not TokenType.WITH):
        return None
    tail = next((t for t in outer if t.start > pivot.start and t.token_type in _TAIL), None)
    if tail is None:
        return None
    start, end = pivot.start, tail.start
    return f"{sql[:start]}FROM ({sql[start:end]}) {sql[end:]}"


def _outer(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens outside of all parentheses."""
    found, depth = [], 0
    for token in tokens:
        step = _DEEPER.get(token.token_type, 0)
        if depth == 0 and step == 0:
            found.append(token)
        depth += step
    return found
