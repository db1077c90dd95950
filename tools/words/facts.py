"""What may be told of one thing: sentences that rules made, and what any wording has to keep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

from tools.messages import Interval, Message

About = Literal["proposal", "table", "column", "term"]
Trend = Literal["better", "same", "worse", "unknown"]
Topic = Literal["workload", "inserts", "space", "undo"]
EDITION = "3"
"""Raised when templates, prompt or check change, so that older wordings are not shown any more."""


class Facts(Message):
    """The sentences of a template, with the names in quotes, and what they come to.

    Their numbers and names are all that a wording may state.
    """

    about: About
    sentences: tuple[str, ...]
    subject: str
    """What it is about: a name in quotes, as the sentences have it."""
    workload: Trend = "unknown"
    inserts: Trend = "unknown"
    space: Trend = "unknown"
    winners: bool = False
    """Whether some query gets faster."""
    losers: bool = False
    """Whether some query gets slower, so that it may and has to be told."""
    needed: tuple[str, ...] = ()
    """Numbers, as the sentences spell them, that a wording may not leave out."""
    warnings: tuple[str, ...] = ()
    """Sentences that a wording has to keep as they are."""
    needed_topics: tuple[Topic, ...] = ()
    """What a wording may not be silent of."""

    @property
    def text(self) -> str:
        """The template."""
        return " ".join(self.sentences)

    @property
    def key(self) -> str:
        """Hash of everything a wording depends on."""
        body = f"{EDITION}\n{self.model_dump_json()}"
        return hashlib.sha256(body.encode()).hexdigest()


def trend(times: Interval | None) -> Trend:
    """Return what an interval of before / after says with certainty."""
    if times is None:
        return "unknown"
    return "better" if times.low > 1 else "worse" if times.high < 1 else "same"


def inverse(cost: Interval | None) -> Trend:
    """Return what an interval of after / before says with certainty."""
    turned: dict[Trend, Trend] = {"better": "worse", "worse": "better"}
    found = trend(cost)
    return turned.get(found, found)


def joined(parts: Iterable[str]) -> str:
    """Return things as a list in words: a, b and c."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
