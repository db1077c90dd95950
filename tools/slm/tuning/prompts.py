"""A proposal as a language model reads it: its facts in a line of words, and no text of the data.

Only what is not as usual is said, so that a prompt stays under a hundred tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tools.slm.dataset import Example
from tools.slm.engine import Prompt
from tools.slm.facts import Facts
from tools.slm.features import KINDS, History, clipped

YES, NO = " yes", " no"
CHOICES = (YES, NO)
TASK = (
    "The owner of a database answers proposals. A gain above 1 is faster; costly inserts, more"
    " space, slower queries and contract warnings speak against a proposal.\n"
)
ASKED = "\nApproved:"


def described(kind: str, facts: Facts, history: History) -> str:
    """Return the facts as one line; an unknown kind is called a change, whatever it says."""
    named = kind.replace("_", " ") if kind in KINDS else "change"
    return f"{named}: {', '.join(_parts(facts, history))}"


def _parts(facts: Facts, history: History) -> Iterator[str]:
    yield f"gain {_ratio(facts.gain)} at least {_ratio(facts.certain_gain)}"
    if facts.insert_cost or facts.insert_bound:
        yield f"inserts {_ratio(facts.insert_cost)} at most {_ratio(facts.insert_bound)}"
    if _ratio(facts.growth) != "1.00":
        yield f"space {_ratio(facts.growth)}"
    if facts.losing:
        yield f"{_percent(facts.losing)} of queries slower, worst {_ratio(facts.worst)}"
    yield f"{_percent(facts.winning)} faster"
    yield from _counts(facts)
    yield f"rows {math.expm1(min(clipped(facts.rows), 30)):.0e}".replace("e+", "e")
    if history.answered:
        yield f"approved before {history.approved} of {history.answered}"
    if history.kind_answered:
        yield f"of this kind {history.kind_approved} of {history.kind_answered}"


def _counts(facts: Facts) -> Iterator[str]:
    for name, count in (
        ("warnings", facts.warnings), ("notes", facts.notes), ("risks", facts.risks),
        ("affects", facts.affects), ("after changes", facts.given),
    ):  # fmt: skip
        if count:
            yield f"{name} {count}"
    if not facts.equal:
        yield "answers differ"
    if not facts.rehearsed:
        yield "undo not rehearsed"
    if facts.again:
        yield "refused before"


def _ratio(log: float) -> str:
    return f"{math.exp(max(-7.0, min(7.0, clipped(log)))):.2f}"


def _percent(share: float) -> str:
    return f"{100 * max(0.0, min(1.0, clipped(share))):.0f}%"


def prompt_of(example: Example, shots: Sequence[Example] = (), note: str = "") -> Prompt:
    """Return what the model reads of one proposal, after answered ones where `shots` are given.

    `note` is foreign text beside the facts; only the measurement of injections gives one.
    """
    told = "".join(f"{_line(e)}{ASKED}{YES if e.approved else NO}\n" for e in shots)
    return Prompt(TASK + told, _line(example) + note, ASKED)


def _line(example: Example) -> str:
    return described(example.kind, example.facts, example.history)


def shots_of(known: Sequence[Example], count: int = 6) -> list[Example]:
    """Return the latest answers, half of them approvals, yes and no by turns."""
    yes = [e for e in known if e.approved][-(count // 2) :]
    no = [e for e in known if not e.approved][-(count // 2) :]
    return [e for pair in zip(yes, no, strict=False) for e in pair]
