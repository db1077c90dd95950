"""Names of a product found in a request, and the words that say what it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tools.asking.request import Request

_COMMON = frozenset(
    """
    a about after again all am an and any anything are as at be been before behind but by
    can come could cost costs day did do does dont eat eats every everything expensive far
    for forever from get gets go goes had has have heaviest heavy here how i in is it its
    just last load loading long longest lot made make makes many me minute minutes morning
    most much my need needs new no not nothing now of on one only or our out please
    queries query run running runs seconds select selects should show slow slower slowest
    slowly so some statement statements take takes tell that the there these they this
    those time to today too top us very was we week were what when where which who whom
    whose why will with would yet you your bottleneck product list xname xid xrun idea
    ideas rejected refused proposed proposal proposals suggest suggested suggestion tried
    try found find why index because change changes changed approved approve decided
    decisions said explain details evidence reason reasons table tables column columns
    field
    """.split()
)
"""Words that say nothing about what a request is about."""


def mentioned(request: Request, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of some names that a request holds as whole words, longest first."""
    text = f" {request.text.lower()} "
    tokens = {*re.findall(r"\w+", text), *re.findall(r"[\w.]+\w", text), *request.named}
    found = {n for n in names if _holds(text, tokens, n.lower())}
    return tuple(sorted(found, key=lambda name: (-len(name), name)))


def _holds(text: str, tokens: set[str], name: str) -> bool:
    if re.fullmatch(r"[\w.]+", name):
        return name in tokens
    return bool(name.strip()) and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def subject(request: Request) -> tuple[str, ...]:
    """Return the words a request is about, without endings, in their order."""
    words = (*request.words.split(), *(w for n in request.named for w in parts(n)))
    return tuple(dict.fromkeys(stem(w) for w in words if w not in _COMMON and len(w) > 1))


def shared(wanted: Iterable[str], texts: Iterable[str]) -> int:
    """Return how many of the wanted words some texts hold."""
    held = {stem(part) for text in texts for part in parts(text)}
    return sum(word in held for word in wanted)


def parts(text: str) -> list[str]:
    """Return the words inside a name or a statement, in lower case."""
    return [w for w in re.split(r"[\W_]+", text.lower()) if w]


def stem(word: str) -> str:
    """Return a word without the ending of a plural."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
