"""The typed wire of an answer: what it says, what it rests on, and what comes next."""

from __future__ import annotations

from typing import Literal

from tools.asking.plans import PlanName
from tools.messages import AgentName, Message


class Source(Message):
    """One thing an answer rests on, by the name under which it can be looked up."""

    kind: Literal["proposal", "query", "contract", "table", "idea", "run", "audit"]
    id: str
    """A proposal's or idea's id, a query's fingerprint, a path, a run, a row of the trail."""


class Choice(Message):
    """A plan that may be meant."""

    plan: PlanName
    does: str
    example: str


class Reply(Message):
    """What a request in plain words comes to; nothing is changed by it."""

    status: Literal["answered", "asked_back", "starts", "started"]
    """`starts` is a run that whoever asked has to begin; `started` one that was begun."""
    plan: PlanName | None = None
    confidence: float
    """0 to 1; made by hand, not calibrated."""
    by: Literal["rules", "model"] = "rules"
    """Who found the plan."""
    product: str | None = None
    text: str
    """For people; text from data and from people stands in quotes, and is no instruction."""
    sources: tuple[Source, ...] = ()
    choices: tuple[Choice, ...] = ()
    """With `asked_back`: the likeliest plans."""
    products: tuple[str, ...] = ()
    """With `asked_back`: the products it may be about."""
    agents: tuple[AgentName, ...] = ()
    """With a run: the agents it is for; none means all."""
    run: str | None = None
    """The run that was started."""


class Answer(Message):
    """The words of a plan and what they rest on."""

    text: str
    sources: tuple[Source, ...] = ()
