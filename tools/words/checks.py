"""Whether a wording says nothing but the facts: the check that every text of a model has to pass.

Numbers and names have to be those of the facts, words theirs or such as say nothing by themselves,
directions those that were measured. So a text that follows an instruction in the data has no words
for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tools.words.facts import Facts, Trend
from tools.words.reading import (
    COUNTED,
    QUICK,
    SLOW,
    UNITS,
    Clause,
    Number,
    Token,
    clauses,
    numbers,
    sentences,
    tokens,
    topics,
)
from tools.words.relations import swapped, turned
from tools.words.told import Fault
from tools.words.vocabulary import NOT, is_neutral, root, roots

SHORTEST, LONGEST = 20, 900
FEWEST = 2
"""Words of a sentence, without which it states nothing."""
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
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
LESS = frozenset(
    "less fewer smaller lower shrink shrinks shrinking reduce reduces reduced save saves".split()
)
MORE = frozenset("more larger bigger higher grow grows growing increase increases".split())
_WEIGHED = QUICK | SLOW | LESS | MORE
"""Words whose truth is another check's."""
_SAYING = _WEIGHED | NOT | ORDERS | ADDRESSING | VAGUE | frozenset(COUNTED)
_WHOLE = frozenset("workload whole overall all every everything".split())
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
    told: list[Token]
    """The pieces of the facts."""


def check(text: str, facts: Facts) -> Checked | Refused:
    """Return the text as it may be shown, or what is wrong with it."""
    if not SHORTEST <= len(text.strip()) <= max(LONGEST, len(facts.text)):
        return Refused("length", f"{len(text)} characters")
    told = tokens(facts.text)
    shown = with_quotes(text, told)
    read = _Read(shown, tokens(shown), facts, told)
    for fault, find in CHECKS:
        what = next(find(read), None)
        if what is not None:
            return Refused(fault, what)
    return Checked(shown)


def with_quotes(text: str, told: Sequence[Token]) -> str:
    """Return a text with quotes around the names that stand in it without.

    A name that is also a plain word of the facts stays as it is, and so does one that says
    something of its own there: a column called "slower" is no way to say that.
    """
    spoken = {t.text.lower() for t in told if t.kind == "word"} | UNITS | _SAYING
    bare = {t.text[1:-1].lower(): t.text for t in told if t.kind == "quotation"}
    bare = {
        name: quotation
        for name, quotation in bare.items()
        if _BARE.fullmatch(name) and name not in spoken and not is_neutral(name)
    }
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
    for sentence in sentences(read.tokens):
        if sum(t.kind == "word" for t in sentence) < FEWEST:
            yield " ".join(t.text for t in sentence)
    if re.search(r"(?:^| )(?:[.,;:])|  ", _QUOTED.sub("name", read.text)):
        yield "blanks"


def _characters(read: _Read) -> Iterator[str]:
    yield from (repr(t.text) for t in read.tokens if t.kind == "stray")


def _names(read: _Read) -> Iterator[str]:
    known = {t.text for t in read.told if t.kind == "quotation"}
    for token in read.tokens:
        if token.kind == "name" or (token.kind == "quotation" and token.text not in known):
            yield token.text


def _numbers(read: _Read) -> Iterator[str]:
    known = numbers(read.told)
    for number in numbers(read.tokens):
        if not any(number.says(fact) for fact in known):
            yield f"{number.value} {number.unit}".strip()
    yield from (t.text for t in read.tokens if t.kind == "word" and t.text.lower() in VAGUE)
    yield from swapped(read.tokens, read.told)


def _direction(read: _Read) -> Iterator[str]:
    for clause in clauses(read.tokens):
        words = clause.words
        negated = bool(words & NOT)
        for topic, claims in (
            ("inserts", _pace(words)), ("space", _volume(words)), ("workload", _pace(words)),
        ):  # fmt: skip
            if topic in clause.topics or (topic == "workload" and not clause.topics):
                for better in claims:
                    of_all = bool(words & _WHOLE)
                    if not _may_say(read.facts, topic, better, negated=negated, of_all=of_all):
                        yield _spelled(clause)
    yield from turned(read.tokens, read.told, _WEIGHED)


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


def _may_say(facts: Facts, topic: str, better: bool, *, negated: bool, of_all: bool) -> bool:
    """Return whether it may be said: of some queries where some are so, of all where all are."""
    trend: Trend = getattr(facts, topic)
    some = topic == "workload" and not of_all and (facts.winners if better else facts.losers)
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
    told = roots(t.text for t in read.told if t.kind == "word")
    for token in read.tokens:
        if token.kind == "word" and not is_neutral(token.text):
            low = token.text.lower()
            if not (low in _WEIGHED or low in COUNTED or root(low) in told):
                yield token.text


def _repeats(read: _Read) -> Iterator[str]:
    seen: set[tuple[str, ...]] = set()
    for sentence in sentences(read.tokens):
        spelled = tuple(t.text.lower() for t in sentence)
        if spelled in seen:
            yield " ".join(spelled)
        seen.add(spelled)


def _omits(read: _Read) -> Iterator[str]:
    if Token("quotation", read.facts.subject) not in read.tokens:
        yield read.facts.subject
    said = numbers(read.tokens)
    for needed in numbers(tokens(f"{'. '.join(read.facts.needed)}.")):
        if not any(_same(number, needed) for number in said):
            yield f"{needed.value} {needed.unit}".strip()
    told = topics(read.tokens)
    yield from (t for t in read.facts.needed_topics if t not in told)
    yield from (w for w in read.facts.warnings if w not in read.text)
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
