"""Whether a syntax tree keeps the intervals of a text: of '30 days ago' it keeps '30 days'."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import Token, TokenType
from sqlglot.errors import SqlglotError

_ALONE = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?")
_WITH_UNIT = re.compile(
    r"-?[0-9]{1,9} "
    r"(microsecond|millisecond|second|minute|hour|day|week|month|quarter|year|decade)s?",
    re.IGNORECASE,
)
_GOES_ON = frozenset(
    "AS FROM AND OR THEN ELSE END WHEN WHERE GROUP ORDER HAVING LIMIT ASC DESC".split()
)
"""Words behind an interval that are no name."""


def intervals_kept(sql: str) -> bool:
    """Whether each interval of a statement is written in a way that its tree gives back."""
    try:
        tokens = sqlglot.tokenize(sql, dialect="duckdb")
    except SqlglotError:
        return False
    places = (i for i, token in enumerate(tokens) if token.token_type is TokenType.INTERVAL)
    return all(_kept(tokens[place + 1 : place + 3]) for place in places)


def _kept(after: list[Token]) -> bool:
    if not after or after[0].token_type is not TokenType.STRING:
        return not after or after[0].token_type in (TokenType.NUMBER, TokenType.L_PAREN)
    if _ALONE.fullmatch(after[0].text):
        return True
    # Behind a text with its unit, a name is an alias; the tree would take it for the unit.
    named = len(after) > 1 and after[1].text[:1].isalpha() and not _word(after[1])
    return not named and _WITH_UNIT.fullmatch(after[0].text) is not None


def _word(token: Token) -> bool:
    return token.text.upper().split()[0] in _GOES_ON
