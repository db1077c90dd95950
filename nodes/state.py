"""What the graph remembers between steps: small frozen values, merged by id.

Measurements, proposals and answers live in the ledger; the state holds their ids.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypeVar

from typing_extensions import TypedDict

from tools.messages import AgentName, Candidate, Interval, Message, TrialStatus, Verdict

T = TypeVar("T")


class Verdicted(Message):
    """The outcome of one trial, without its measurements."""

    candidate_id: str
    status: TrialStatus
    ratio: Interval | None = None


class Passed(Message):
    """A trial that passed every gate, with what the person should know besides the numbers."""

    candidate_id: str
    changed_since: str | None = None


Phase = Literal["new", "found", "offered"]
AfterChange = Literal["apply", "measure", "report"]


def merge_by_id(old: dict[str, T], new: dict[str, T]) -> dict[str, T]:
    """Join two maps; the later value of an id wins."""
    return {**old, **new}


def append_new(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    """Append what is not there yet, in order; a checkpoint gives `old` back as a list."""
    return tuple(dict.fromkeys((*old, *new)))


class State(TypedDict):
    """The channels of the graph."""

    product: str
    thread_id: str
    agents: NotRequired[tuple[AgentName, ...]]
    phase: NotRequired[Phase]
    candidates: NotRequired[Annotated[dict[str, Candidate], merge_by_id]]
    edited: NotRequired[Annotated[tuple[str, ...], append_new]]
    notes: NotRequired[Annotated[tuple[str, ...], append_new]]
    unmeasured: NotRequired[Annotated[tuple[str, ...], append_new]]
    verdicts: NotRequired[Annotated[dict[str, Verdicted], merge_by_id]]
    total: NotRequired[Interval | None]
    queries: NotRequired[int]
    passed: NotRequired[Annotated[dict[str, Passed], merge_by_id]]
    offered: NotRequired[Annotated[tuple[str, ...], append_new]]
    settled: NotRequired[Annotated[dict[str, Verdict | None], merge_by_id]]
    """None: its question is open again."""
    handled: NotRequired[Annotated[tuple[str, ...], append_new]]
    applied: NotRequired[Annotated[tuple[str, ...], append_new]]
    verified: NotRequired[Annotated[tuple[str, ...], append_new]]
    regressed: NotRequired[Annotated[tuple[str, ...], append_new]]
    losses: NotRequired[Annotated[dict[str, str], merge_by_id]]
    rolled_back: NotRequired[Annotated[tuple[str, ...], append_new]]


class Update(TypedDict, total=False):
    """What a node may return."""

    agents: tuple[AgentName, ...]
    phase: Phase
    candidates: dict[str, Candidate]
    edited: tuple[str, ...]
    notes: tuple[str, ...]
    unmeasured: tuple[str, ...]
    verdicts: dict[str, Verdicted]
    total: Interval | None
    queries: int
    passed: dict[str, Passed]
    offered: tuple[str, ...]
    settled: dict[str, Verdict | None]
    handled: tuple[str, ...]
    applied: tuple[str, ...]
    verified: tuple[str, ...]
    regressed: tuple[str, ...]
    losses: dict[str, str]
    rolled_back: tuple[str, ...]


def open_questions(state: State) -> tuple[str, ...]:
    """Return the offered proposals nobody has answered in this run, in rank order."""
    settled = state.get("settled", {})
    return tuple(p for p in state.get("offered", ()) if settled.get(p) is None)


def unapplied(state: State) -> tuple[str, ...]:
    """Return the approved proposals that nothing was done about yet, in rank order."""
    settled, handled = state.get("settled", {}), state.get("handled", ())
    offered = state.get("offered", ())
    return tuple(p for p in offered if settled.get(p) == "approve" and p not in handled)


def after_change(state: State) -> AfterChange:
    """Return where to go once a change is proved or taken back."""
    if unapplied(state):
        return "apply"
    verdicts = state.get("verdicts", {})
    unmeasured = any(c not in verdicts for c in state.get("edited", ()))
    return "measure" if unmeasured else "report"
