"""How the pieces of a wording belong together: what is denied, and which of two comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from tools.words.reading import QUICK, SLOW, Clause, Number, Token, clauses, value_of
from tools.words.vocabulary import NOT, is_neutral, root

Link = Literal["instead", "between", "of"]


class Pair(NamedTuple):
    """Two values or names, and what stands between them."""

    first: Token
    link: Link
    second: Token

    def says(self, fact: Pair) -> bool:
        """Return whether this is the fact, as it rounds its numbers."""
        return (
            self.link == fact.link
            and _alike(self.first, fact.first)
            and _alike(self.second, fact.second)
        )


def turned(said: Sequence[Token], told: Sequence[Token], weighed: frozenset[str]) -> Iterator[str]:
    """Yield each clause that denies what the facts affirm, or affirms what they deny.

    Of `weighed` words, such as faster, another check knows whether they may be denied.
    """
    facts = list(_scopes(told))
    denied, affirmed = (_keys(s for s in facts if s.denies is side) for side in (True, False))
    for scope in _scopes(said):
        keys = scope.keys
        foreign = affirmed - denied if scope.denies else denied - affirmed
        idle = scope.denies and not keys and not scope.words & weighed
        known = any(f.denies and scope.words <= f.words for f in facts)
        if not known and (keys & foreign or idle):
            yield scope.text


class _Scope(NamedTuple):
    """What one denial reaches, or a clause without any."""

    pieces: tuple[Token, ...]

    @property
    def words(self) -> frozenset[str]:
        return frozenset(p.text.lower() for p in self.pieces if p.kind == "word")

    @property
    def denies(self) -> bool:
        return bool(self.words & NOT)

    @property
    def keys(self) -> frozenset[str]:
        """What it states: roots of its words but for those that state nothing, and numbers."""
        stating = (w for w in self.words - NOT if not (is_neutral(w) or w in QUICK or w in SLOW))
        values = (value_of(p) for p in self.pieces if p.kind in ("number", "word"))
        numbers = (f"{n.value.normalize()} {n.unit}" for n in values if n is not None)
        return frozenset((*map(root, stating), *numbers))

    @property
    def text(self) -> str:
        return " ".join(p.text for p in self.pieces)


def _keys(scopes: Iterable[_Scope]) -> frozenset[str]:
    return frozenset(key for scope in scopes for key in scope.keys)


def _scopes(pieces: Sequence[Token]) -> Iterator[_Scope]:
    for clause in clauses(list(pieces)):
        yield from _parts(clause)


def _parts(clause: Clause) -> Iterator[_Scope]:
    """Yield a clause, cut before what denies where something stated follows: text, never empty."""
    whole = _Scope(clause.tokens)
    at = next((n for n, t in enumerate(clause.tokens) if t.text.lower() in NOT), 0)
    before, behind = _Scope(clause.tokens[:at]), _Scope(clause.tokens[at:])
    yield from (before, behind) if at and behind.keys else (whole,)


def swapped(said: Sequence[Token], told: Sequence[Token]) -> Iterator[str]:
    """Yield each pair that the facts do not have in that order."""
    known = set(pairs(told))
    for pair in pairs(said):
        if not any(pair.says(fact) for fact in known):
            yield f"{pair.first.text} {pair.link} {pair.second.text}"


def pairs(pieces: Sequence[Token]) -> Iterator[Pair]:
    """Yield a instead of b (or from b to a), between a and b (or a to b), and n of m."""
    for at, piece in enumerate(pieces):
        word = piece.text.lower() if piece.kind == "word" else ""
        after = pieces[at + 1 : at + 4]
        if word == "instead" and len(after) > 1 and after[0].text.lower() == "of":
            first = next((p for p in reversed(pieces[:at]) if _is_value(p)), None)
            if first is not None and _is_value(after[1]):
                yield Pair(first, "instead", after[1])
        elif word in ("between", "from") and len(after) == 3 and _is_value(after[0]):
            yield from _spanned(word, after)
        elif word in ("of", "to") and at and after and _is_value(pieces[at - 1]):
            yield from _joined(pieces, at, word)


def _spanned(word: str, after: Sequence[Token]) -> Iterator[Pair]:
    start, middle, end = after
    if not _is_value(end):
        return
    if word == "between" and middle.text.lower() == "and":
        yield Pair(start, "between", end)
    if word == "from" and middle.text.lower() == "to":
        yield _from_to(start, end)


def _joined(pieces: Sequence[Token], at: int, word: str) -> Iterator[Pair]:
    start, end = pieces[at - 1], pieces[at + 1]
    if not _is_value(end) or (at > 1 and pieces[at - 2].text.lower() == "from"):
        return
    if word == "to":
        yield _from_to(start, end)
    elif start.kind == end.kind == "number":
        yield Pair(start, "of", end)


def _from_to(start: Token, end: Token) -> Pair:
    """Return what a step from one to the other says: names change, numbers span."""
    both = start.kind == end.kind == "number"
    return Pair(start, "between", end) if both else Pair(end, "instead", start)


def _is_value(piece: Token) -> bool:
    return piece.kind in ("quotation", "number")


def _alike(said: Token, fact: Token) -> bool:
    one, other = _number(said), _number(fact)
    if one is None or other is None:
        return said.kind == fact.kind and said.text == fact.text
    return one.says(other)


def _number(piece: Token) -> Number | None:
    return value_of(piece) if piece.kind == "number" else None
