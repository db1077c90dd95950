"""A text taken apart: quotations, numbers with their units, words, and what belongs in none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Literal, NamedTuple

from tools.words.facts import Topic

Kind = Literal["quotation", "number", "word", "name", "mark", "stray"]
_TOKEN = re.compile(
    r"""
    (?P<quotation>"(?:[^"\\]|\\.)*")
    |(?P<number>(?<![\w.])[×x]?(?:(?<!\d)[-+\u2212])?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?
        (?:[ ]?(?:%|percent|times|×|x|µs|us|ms|milliseconds?|seconds?|sec|s|minutes?|min
                |[kKMGTP]?B|bytes?))?(?!\w))
    |(?P<word>[^\W\d_]+(?:['\u2019][^\W\d_]+)?(?![\w]|\.\w))
    |(?P<name>\w+(?:\.\w+)*)
    |(?P<mark>[.,;:()\u2013\u2014-])
    |(?P<space>[ ])
    |(?P<stray>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"(?P<lead>[×x]?)(?P<value>[-+\u2212]?[\d,]+(?:\.\d+)?) ?(?P<unit>.*)")
_UNITS = {
    "percent": "%", "×": "times", "x": "times", "us": "µs", "millisecond": "ms",
    "milliseconds": "ms", "second": "s", "seconds": "s", "sec": "s", "minute": "min",
    "minutes": "min", "KB": "kB", "byte": "B", "bytes": "B",
}  # fmt: skip
COUNTED = "zero one two three four five six seven eight nine ten eleven twelve".split()
UNITS = frozenset(
    "percent times x us ms milliseconds seconds sec s min minutes b kb mb gb tb pb bytes".split()
)
ONE_OF = frozenset("query row table column index step thing warning value".split())
"""What a "one" before it is a number of; elsewhere it is a pronoun."""
_WIDE = Context(prec=1000)
_ENDS = frozenset(".;:,")
_TURNS = frozenset({"and", "but", "while", "whereas", "although", "though", "however"})
TOPICS: dict[str, Topic] = {
    **dict.fromkeys(("workload", "query", "queries"), "workload"),
    **dict.fromkeys(("insert", "inserts", "inserting", "inserted"), "inserts"),
    **dict.fromkeys(("space", "size", "disk", "storage", "file", "smaller", "larger"), "space"),
    **dict.fromkeys(("undo", "undone", "undoing", "undoes", "back", "rehearsed"), "undo"),
}


QUICK = frozenset(
    """
    faster quicker quickly speed speeds speeding speedup improve improves improved improvement
    gain gains gained better shorter sooner benefit benefits
    """.split()
)
SLOW = frozenset(
    """
    slow slower slows slowed slowing slowly longer worse worsens degrade degrades degraded lose
    loses lost loss
    """.split()
)


class Number(NamedTuple):
    """A number as it was written."""

    value: Decimal
    unit: str
    topics: frozenset[Topic]
    """What its clause, or else its sentence, speaks of."""
    pace: frozenset[bool] = frozenset()
    """Whether its clause speaks of faster (True) or slower."""
    paces: frozenset[bool] = frozenset()
    """The same of its sentence."""

    @property
    def decimals(self) -> int:
        """How many digits stand behind the point."""
        return max(0, -int(self.value.as_tuple().exponent))

    def says(self, fact: Number) -> bool:
        """Return whether this is the fact, spelled so or with a decimal fewer.

        Two digits have to be left, and what lies in the middle may be rounded either way.
        """
        if self.unit != fact.unit or not _speak_of_one(self.topics, fact.topics):
            return False
        if fact.paces and not self.pace <= fact.paces:
            return False
        if self.value == fact.value:
            return True
        step = Decimal(1).scaleb(-self.decimals)
        ways = (ROUND_HALF_UP, ROUND_HALF_EVEN)
        return (
            self.decimals == fact.decimals - 1
            and len(self.value.as_tuple().digits) >= 2
            and self.value in {fact.value.quantize(step, way, _WIDE) for way in ways}
        )


def _speak_of_one(said: frozenset[Topic], fact: frozenset[Topic]) -> bool:
    return not said or not fact or bool(said & fact)


class Token(NamedTuple):
    """A piece of a text."""

    kind: Kind
    text: str


class Clause(NamedTuple):
    """Part of a sentence that speaks of one thing, or few."""

    tokens: tuple[Token, ...]
    topics: frozenset[Topic]
    """Of the clause, else of its sentence."""
    paces: frozenset[bool]
    """Whether its sentence speaks of faster (True) or slower."""

    @property
    def words(self) -> frozenset[str]:
        """Its words in lower case, outside of quotations."""
        return frozenset(t.text.lower() for t in self.tokens if t.kind == "word")


def tokens(text: str) -> list[Token]:
    """Return the pieces of a text but for the blanks."""
    found = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind != "space":
            found.append(Token(kind, match.group()))  # type: ignore[arg-type]
    return found


def sentences(pieces: list[Token]) -> list[list[Token]]:
    """Return the pieces of each sentence, the point that ends it among them."""
    found: list[list[Token]] = [[]]
    for piece in pieces:
        found[-1].append(piece)
        if piece == Token("mark", "."):
            found.append([])
    return [s for s in found if s]


def clauses(pieces: list[Token]) -> Iterator[Clause]:
    """Yield the clauses of a text."""
    for sentence in sentences(pieces):
        whole, paces = topics(sentence), _paces(sentence)
        for part in _parts(sentence):
            yield Clause(tuple(part), topics(part) or whole, paces)


def topics(pieces: list[Token]) -> frozenset[Topic]:
    """Return what some words speak of."""
    words = (p.text.lower() for p in pieces if p.kind == "word")
    return frozenset(TOPICS[w] for w in words if w in TOPICS)


def _paces(pieces: Iterable[Token]) -> frozenset[bool]:
    words = {p.text.lower() for p in pieces if p.kind == "word"}
    return frozenset(quick for quick, of in ((True, QUICK), (False, SLOW)) if words & of)


def _parts(sentence: list[Token]) -> list[list[Token]]:
    found: list[list[Token]] = [[]]
    for piece in sentence:
        turns = piece.kind == "word" and piece.text.lower() in _TURNS
        if turns or (piece.kind == "mark" and piece.text in _ENDS):
            found.append([])
        found[-1].append(piece)
    return [part for part in found if part]


def numbers(pieces: list[Token]) -> list[Number]:
    """Return the numbers of a text, those in words too."""
    found = []
    for clause in clauses(pieces):
        following = (*clause.tokens[1:], Token("mark", "."))
        for piece, after in zip(clause.tokens, following, strict=True):
            number = _number(piece, after)
            if number is not None:
                value, unit = number
                pace = _paces(clause.tokens)
                found.append(Number(value, unit, clause.topics, pace, clause.paces))
    return found


def value_of(piece: Token) -> Number | None:
    """Return the number that a piece is by itself; None where it is none."""
    found = _number(piece, Token("mark", "."))
    return None if found is None else Number(*found, frozenset())


def _number(piece: Token, after: Token) -> tuple[Decimal, str] | None:
    if piece.kind == "number":
        match = _NUMBER.fullmatch(piece.text)
        assert match is not None
        value = Decimal(match["value"].replace(",", "").replace("\u2212", "-"))
        unit = "times" if match["lead"] else match["unit"]
        return value, _UNITS.get(unit, unit)
    word = piece.text.lower()
    if piece.kind != "word" or word not in COUNTED:
        return None
    if word == "one" and after.text.lower() not in ONE_OF:
        return None
    return Decimal(COUNTED.index(word)), ""
