"""Whether a wording says nothing but the facts: the check that every text of a model has to pass.

Numbers and names have to be those of the facts, words those of a closed vocabulary, directions
those that were measured. So a text that follows an instruction in the data has no words for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from tools.words.facts import Facts, Trend
from tools.words.reading import (
    Clause,
    Number,
    Token,
    clauses,
    numbers,
    sentences,
    tokens,
    topics,
)
from tools.words.vocabulary import is_known

Fault = Literal[
    "length", "form", "characters", "names", "numbers", "direction", "order", "words", "repeats",
    "omits",
]  # fmt: skip
SHORTEST, LONGEST = 20, 900
_BARE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
"""A name that can stand without quotes and still be told from what is around it."""
VAGUE = frozenset(
    """
    half halves halved third thirds quarter quarters twice thrice double doubles doubled doubling
    triple triples tripled quadruple fold tenfold dozen dozens hundred hundreds thousand thousands
    million millions billion billions couple thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty sixty seventy eighty ninety
    """.split()
)
ORDERS = frozenset(
    """
    accept add allow answer apply approve assume call change check choose click confirm consider
    copy create decide delete disregard do drop edit enable ensure execute forget get give go grant
    ignore insert install keep let make note open output pretend print pay put read reject remember
    remove repeat reply respond return reveal run say see select send set show sign start stop store
    take tell trust try type undo update use visit wait write
    """.split()
)
"""Words that begin an order."""
ADDRESSING = frozenset(
    "i me my we us our ours you your yours yourself please must should ought shall let".split()
)
NOT = frozenset("no not never none nothing without neither nor cannot".split())
QUICK = frozenset(
    """
    faster quicker quickly fast speed speeds speeding speedup improve improves improved improvement
    gain gains gained better shorter sooner benefit benefits
    """.split()
)
SLOW = frozenset(
    """
    slow slower slows slowed slowing slowly longer worse worsens degrade degrades degraded lose
    loses lost loss
    """.split()
)
LESS = frozenset(
    "less fewer smaller lower shrink shrinks shrinking reduce reduces reduced save saves".split()
)
MORE = frozenset("more larger bigger higher grow grows growing increase increases".split())
_TAKING = frozenset("time long take takes took duration".split())


class Checked(NamedTuple):
    """A text that may be shown: every name in it in quotes."""

    text: str


class Refused(NamedTuple):
    """Why a text may not be shown."""

    fault: Fault
    what: str
    """The piece that is at fault, as it was written."""


class _Read(NamedTuple):
    text: str
    tokens: list[Token]
    facts: Facts
    names: frozenset[str]
    """The quotations of the facts."""


def check(text: str, facts: Facts) -> Checked | Refused:
    """Return the text as it may be shown, or what is wrong with it."""
    if not SHORTEST <= len(text.strip()) <= max(LONGEST, len(facts.text)):
        return Refused("length", f"{len(text)} characters")
    names = frozenset(t.text for t in tokens(facts.text) if t.kind == "quotation")
    read = _Read(text, tokens(with_quotes(text, names)), facts, names)
    for fault, find in CHECKS:
        what = next(find(read), None)
        if what is not None:
            return Refused(fault, what)
    return Checked(with_quotes(text, names))


def with_quotes(text: str, names: frozenset[str]) -> str:
    """Return a text with quotes around names that stand in it without, and are no plain words."""
    bare = {n[1:-1].lower(): n for n in sorted(names) if _BARE.fullmatch(n[1:-1])}
    bare = {name: quotation for name, quotation in bare.items() if not is_known(name)}
    if not bare:
        return text
    named = "|".join(map(re.escape, sorted(bare, key=len, reverse=True)))
    pattern = re.compile(rf'"(?:[^"\\]|\\.)*"|(?<![\w."])(?:{named})(?![\w"]|\.\w)', re.IGNORECASE)
    return pattern.sub(lambda m: bare.get(m.group().lower(), m.group()), text)


def _form(read: _Read) -> Iterator[str]:
    if not read.tokens:
        yield "blank"
        return
    first, last = read.tokens[0], read.tokens[-1]
    if last != Token("mark", "."):
        yield read.text[-20:]
    if first.kind not in ("quotation", "number") and not first.text[0].isupper():
        yield first.text
    if re.search(r"(?:^| )(?:[.,;:])|  ", read.text):
        yield "blanks"


def _characters(read: _Read) -> Iterator[str]:
    yield from (repr(t.text) for t in read.tokens if t.kind == "stray")


def _names(read: _Read) -> Iterator[str]:
    for token in read.tokens:
        if token.kind == "name" or (token.kind == "quotation" and token.text not in read.names):
            yield token.text


def _numbers(read: _Read) -> Iterator[str]:
    known = numbers(tokens(read.facts.text))
    for number in numbers(read.tokens):
        if not any(number.says(fact) for fact in known):
            yield f"{number.value} {number.unit}".strip()
    yield from (t.text for t in read.tokens if t.kind == "word" and t.text.lower() in VAGUE)


def _direction(read: _Read) -> Iterator[str]:
    for clause in clauses(read.tokens):
        words = clause.words
        negated = bool(words & NOT)
        for topic, claims in (
            ("inserts", _pace(words)), ("space", _volume(words)), ("workload", _pace(words)),
        ):  # fmt: skip
            if topic in clause.topics or (topic == "workload" and not clause.topics):
                for better in claims:
                    if not _may_say(read.facts, topic, better=better, negated=negated):
                        yield _spelled(clause)


def _pace(words: frozenset[str]) -> Iterator[bool]:
    """Yield whether it is said that something takes less time, or more."""
    timed = bool(words & _TAKING)
    if words & QUICK or (timed and words & LESS):
        yield True
    if words & SLOW or (timed and words & MORE):
        yield False


def _volume(words: frozenset[str]) -> Iterator[bool]:
    if words & LESS:
        yield True
    if words & MORE:
        yield False


def _may_say(facts: Facts, topic: str, *, better: bool, negated: bool) -> bool:
    trend: Trend = getattr(facts, topic)
    some = topic == "workload" and (facts.winners if better else facts.losers)
    true = some or trend == ("better" if better else "worse")
    return true != negated


def _spelled(clause: Clause) -> str:
    return " ".join(t.text for t in clause.tokens)


def _orders(read: _Read) -> Iterator[str]:
    for sentence in sentences(read.tokens):
        if sentence[0].kind == "word" and sentence[0].text.lower() in ORDERS:
            yield sentence[0].text
    yield from (t.text for t in read.tokens if t.kind == "word" and t.text.lower() in ADDRESSING)


def _words(read: _Read) -> Iterator[str]:
    yield from (t.text for t in read.tokens if t.kind == "word" and not is_known(t.text))


def _repeats(read: _Read) -> Iterator[str]:
    seen: set[tuple[str, ...]] = set()
    for sentence in sentences(read.tokens):
        spelled = tuple(t.text.lower() for t in sentence)
        if spelled in seen:
            yield " ".join(spelled)
        seen.add(spelled)


def _omits(read: _Read) -> Iterator[str]:
    said = numbers(read.tokens)
    for needed in numbers(tokens(f"{'. '.join(read.facts.needed)}.")):
        if not any(_same(number, needed) for number in said):
            yield f"{needed.value} {needed.unit}".strip()
    told = topics(read.tokens)
    yield from (t for t in read.facts.needed_topics if t not in told)
    if read.facts.losers and not any(
        c.words & SLOW and not c.words & NOT for c in clauses(read.tokens)
    ):
        yield "slower"


def _same(said: Number, needed: Number) -> bool:
    return said.says(needed)


CHECKS: tuple[tuple[Fault, Callable[[_Read], Iterator[str]]], ...] = (
    ("characters", _characters),
    ("form", _form),
    ("names", _names),
    ("numbers", _numbers),
    ("direction", _direction),
    ("order", _orders),
    ("words", _words),
    ("repeats", _repeats),
    ("omits", _omits),
)
