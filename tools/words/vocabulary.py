"""Words that say nothing by themselves: how a sentence is built, and what every text is about.

Any other word has to stand in the facts. So a text cannot state what they do not, and whatever a
hostile name, comment or value says, there are no words to repeat it with.
"""

from __future__ import annotations

from collections.abc import Iterable

_NEUTRAL = """
a about according across after also although among an and another any are as at based be became
because become becomes been before being below besides between both but by called came can come
comes compared could current currently did do does doing done down due during each either for from
further get gets give gives given go goes had has have having help helps hence here how however if
in include includes including instead into is it its itself just known like made make makes making
may means might mostly need needs new now of old on one ones onto or other others out over overall
own part per present previous previously rather same see seen set show shows shown since so some
specific such take taken takes taking than that the their them themselves then there therefore these
they this those though through throughout thus to together under until up upon use used uses using
via was way were what when where whereas whether which while who whole whose will with within would
change changes changed changing column columns contain contains contained data database entry
entries hold holds held keep keeps kept measured measurement query queries result results row rows
run runs running store stored stores storing table tables time times total value values workload
"""
NEUTRAL = frozenset(_NEUTRAL.split())
NOT = frozenset("no not never none nothing without neither nor cannot".split())
_ENDINGS = ("ies", "ied", "ing", "ed", "es", "ly", "s", "d", "y", "e")


def root(word: str) -> str:
    """Return what forms of a word have in common: measure, measures, measuring."""
    low = word.lower().replace("\u2019", "'").removesuffix("'s")
    ends = (low.removesuffix(end) for end in _ENDINGS if low.endswith(end))
    return next((short for short in ends if len(short) > 2), low)


def roots(words: Iterable[str]) -> frozenset[str]:
    """Return the roots of what some words state; a denial is as good as another."""
    found = {word.lower() for word in words}
    return frozenset(map(root, found | NOT if found & NOT else found))


def is_neutral(word: str) -> bool:
    """Return whether a word may stand in any text."""
    return word.lower() in NEUTRAL
