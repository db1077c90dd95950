"""The plans there are: most answer from what is recorded, three start a run, none changes data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from tools.messages import AgentName

PlanName = Literal[
    "slow", "waiting", "gained", "proposal", "unproposed", "decisions", "run", "meaning",
    "elsewhere", "help", "improve", "improve_schema", "improve_query",
]  # fmt: skip


class Plan(NamedTuple):
    """What a plan does, for people, and a request that leads to it."""

    does: str
    example: str


PLANS: Mapping[PlanName, Plan] = {
    "slow": Plan("says which queries take the time", "why is the delays dashboard slow?"),
    "waiting": Plan("lists what waits for an answer", "what waits for me?"),
    "gained": Plan("says what was done and gained", "what was gained?"),
    "proposal": Plan("explains a proposal", "explain p1f3a9c2b7e0"),
    "unproposed": Plan("says what was tried and not proposed", "why was nothing proposed?"),
    "decisions": Plan("says who decided what", "who approved p1f3a9c2b7e0?"),
    "run": Plan("says how runs stand", "what is the status of the last run?"),
    "meaning": Plan("says what a table or column means", "what does dep_delay mean?"),
    "elsewhere": Plan("names the command that answers, undoes or changes", "undo p1f3a9c2b7e0"),
    "help": Plan("says what can be asked", "what can you do?"),
    "improve": Plan("starts looking for improvements", "look for improvements in flights"),
    "improve_schema": Plan("starts looking at the schema", "look for improvements of the schema"),
    "improve_query": Plan("starts looking at the queries", "look for queries to rewrite"),
}
STARTS: Mapping[PlanName, tuple[AgentName, ...]] = {
    "improve": (), "improve_schema": ("schema",), "improve_query": ("query",),
}  # fmt: skip
"""Plans that start a run, with the agents it is for; none named means all."""
