"""A request as it is read: bounded, on one line, its words apart from the names in it."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

MOST_CHARACTERS = 2000
NAME, PROPOSAL, RUN = "xname", "xid", "xrun"
"""What stands in the words for a name, a proposal's id and a run's id."""
_PROPOSAL = re.compile(r"\bp[0-9a-f]{11}\b")
_RUN = re.compile(
    r"(?<![\w-])[\w-]+?-(?:\d{8}-\d{6}-[0-9a-f]{4}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b"
)
_QUOTED = re.compile(r"\"([^\"]*)\"|`([^`]*)`|(?<!\w)'([^']*)'(?!\w)")
_FORMED = re.compile(r"\b\w*(?:\w\.\w|\w_\w|[a-z]\d)[\w.]*")
"""What only a name looks like: underscores, dots or digits inside."""
_APOSTROPHE = re.compile(r"(?<=\w)['\u2019](?=\w)")


class BadRequest(Exception):
    """The request cannot be read; the message says what to ask instead."""


class Request(NamedTuple):
    """What was asked, with what its form alone gives away."""

    text: str
    """On one line, without characters that are not seen."""
    words: str
    """Lower case, with `xname`, `xid` and `xrun` for names and ids; what rules read."""
    every_word: str
    """The same with the words inside quotes; what vetoes read."""
    proposals: tuple[str, ...]
    runs: tuple[str, ...]
    named: tuple[str, ...]
    """Names by their form: quoted, or with an underscore, a dot or a digit."""


def read_request(text: str) -> Request:
    """Return a request as rules read it; raises `BadRequest` for an empty or a long one."""
    if len(text) > MOST_CHARACTERS:
        raise BadRequest(
            f"The request has {len(text):,} characters; ask in at most {MOST_CHARACTERS:,}."
        )
    seen = _visible(text)
    if not any(c.isalnum() for c in seen):
        raise BadRequest("The request is empty; ask something like: what waits for me?")
    low = seen.lower()
    runs = tuple(m.group() for m in _RUN.finditer(seen))
    rest = _RUN.sub(f" {RUN} ", low)
    proposals = tuple(dict.fromkeys(_PROPOSAL.findall(rest)))
    rest = _PROPOSAL.sub(f" {PROPOSAL} ", rest)
    quoted = [next(g for g in m.groups() if g is not None) for m in _QUOTED.finditer(rest)]
    bare = _QUOTED.sub(f" {NAME} ", rest)
    formed = [m.group() for m in _FORMED.finditer(bare)]
    return Request(
        text=seen,
        words=_words(_FORMED.sub(f" {NAME} ", bare)),
        every_word=_words(rest.replace("_", " ")),
        proposals=proposals,
        runs=runs,
        named=tuple(dict.fromkeys(n for n in (*quoted, *formed) if n.strip())),
    )


def _visible(text: str) -> str:
    """Return the text in one form of each character; what is not seen is a blank or gone."""
    kept = []
    for character in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(character)
        if category[0] == "C":
            kept.append("" if category == "Cf" else " ")
        else:
            kept.append(character)
    return " ".join("".join(kept).split())


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", _APOSTROPHE.sub("", text)))
