"""The steward graph as it is served: what a run does follows from the ledger, not from its caller.

So a run may be begun again at any time, and no caller can reach `apply` past a recorded decision.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graph.answering import GivenAnswers, build_decisions
from graph.engine.answers import is_keyed
from graph.engine.errors import Conflict, InvalidRequest, InvalidResume, NotWaiting
from graph.engine.records import RunRow, ThreadRow
from graph.engine.registry import Compiled, thread_config, waiting_questions
from graph.engine.requests import CommandRequest, RunRequest
from graph.errors import InvalidAnswer, UnknownThread
from graph.ledger import Ledger
from graph.observing import about_product
from graph.runs import Drive, Runs
from nodes.state import State, open_questions
from tools.messages import AgentName, Principal

STEWARD = "steward"
T = TypeVar("T", bound=BaseModel)


class StewardInput(BaseModel):
    """What begins a run: the product, and which agents look at it (all by default)."""

    model_config = ConfigDict(extra="forbid")

    product: str = Field(max_length=100)
    agents: list[AgentName] = []


class StewardContext(BaseModel):
    """How far a run may go."""

    model_config = ConfigDict(extra="forbid")

    budget_seconds: float | None = Field(default=None, gt=0, le=86_400)


@dataclass
class StewardGraph:
    """Runs about one product each; products are worked on in parallel, one run in a product."""

    runs: Runs
    ledger: Ledger
    check_product: Callable[[str], Any]
    """Raises `UnknownProduct`."""
    after: Callable[[str], None] = lambda thread_id: None
    """Told the thread of each run that came through."""
    name: str = STEWARD
    description: str = "Find, measure on a copy, ask, apply, verify: one product's improvements."
    forgettable: bool = False
    _products: defaultdict[str, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )

    @property
    def graph(self) -> Compiled:
        """The compiled graph."""
        return self.runs.graph

    def takes(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the JSON Schemas of input and context: its state is not the callers' to give."""
        return StewardInput.model_json_schema(), StewardContext.model_json_schema()

    def product_of(self, request: RunRequest, thread: ThreadRow | None) -> str | None:
        """Return the product of the thread, by the ledger first, or of the input of a new one."""
        known = self._known_product(thread) if thread else None
        if known is not None or request.input is None:
            return known
        return _parse(StewardInput, request.input, "input").product

    def _known_product(self, thread: ThreadRow) -> str | None:
        try:
            return self.ledger.thread(thread.thread_id).product
        except UnknownThread:
            found: str | None = thread.metadata.get("product")
            return found

    async def accept(self, request: RunRequest, thread: ThreadRow, caller: Principal) -> RunRequest:
        """Check a request; the answers in it are recorded before the run is queued."""
        _refuse_detours(request)
        _parse(StewardContext, request.context, "context")
        request = request.model_copy(update={"durability": "sync"})
        if request.command is None:
            request = self._accept_input(request, thread)
            if request.input is not None:
                self.ledger.request_run(thread.thread_id, caller)
            return request
        if request.command.resume is None:
            raise InvalidRequest("A command for this graph is an answer: give resume.")
        await self._decide(thread.thread_id, request.command.resume, caller)
        return request.model_copy(update={"command": CommandRequest(resume="as recorded")})

    async def check_answer(self, request: RunRequest, thread_id: str) -> None:
        """There is nothing to check: what was accepted is recorded."""

    def _accept_input(self, request: RunRequest, thread: ThreadRow) -> RunRequest:
        started = self._started(thread.thread_id)
        if request.input is not None:
            asked = _parse(StewardInput, request.input, "input")
            known = self.product_of(request, thread)
            if asked.product != known:
                # Roles were looked at for the one that it is about.
                raise Conflict(f"This thread is about {known!r}; another product is a new thread.")
            self.check_product(asked.product)
            if started:
                raise Conflict("This thread's run was started already; a new run is a new thread.")
        elif not started:
            raise InvalidRequest('A new run needs input: {"product": NAME}.')
        return request

    def _started(self, thread_id: str) -> bool:
        try:
            self.ledger.thread(thread_id)
        except UnknownThread:
            return False
        return True

    async def _decide(self, thread_id: str, resume: Any, caller: Principal) -> None:
        """Record answers given through the graph's own question."""
        snapshot = await self.graph.aget_state(thread_config(thread_id))
        pending = waiting_questions(snapshot)
        if is_keyed(resume):
            stale = [key for key in resume if key not in pending]
            if stale or len(resume) > 1:
                raise NotWaiting(f"Question {stale[0]} does not wait for an answer.", pending)
            resume = next(iter(resume.values()))
        if isinstance(resume, list):
            resume = {"decisions": resume}
        answers = _parse(GivenAnswers, resume, "command/resume")
        asked = [
            p
            for p in (open_questions(cast(State, snapshot.values)) if snapshot.values else ())
            if self.ledger.decision(thread_id, p) is None
        ]
        offered = {o.proposal.id: o.round for o in self.ledger.offers(thread_id=thread_id)}
        named = [a.proposal_id for a in answers.decisions if a.proposal_id is not None]
        # Looked at first: what is wrong with an edit would tell of another's proposal.
        if foreign := [p for p in named or asked if p not in offered]:
            raise InvalidAnswer(f"{foreign[0]} is no proposal of this thread.")
        decisions = build_decisions(self.ledger, answers, asked, caller, "http")
        self.ledger.decide_all(decisions, seen=offered)

    def turn(self, run: RunRow) -> AbstractAsyncContextManager[Any]:
        """Return its product: one run works on it at a time."""
        if self._started(run.thread_id):
            return self.alone(self.ledger.thread(run.thread_id).product)
        asked = run.request.input
        product = asked.get("product") if isinstance(asked, dict) else None
        return self.alone(product) if isinstance(product, str) else nullcontext()

    async def execute(self, run: RunRow, drive: Drive) -> None:
        """Start, continue or answer the thread's run, whichever the ledger calls for."""
        thread_id, asked = run.thread_id, run.request
        runs = replace(self.runs, drive=drive)
        budget = StewardContext.model_validate(asked.context).budget_seconds
        if not self._started(thread_id):
            first = StewardInput.model_validate(asked.input)
            about_product(first.product)
            await runs.start(thread_id, first.product, tuple(first.agents), budget)
        else:
            product = self.ledger.thread(thread_id).product
            about_product(product)
            await self._go_on(runs, thread_id, product, budget)
        self.after(thread_id)

    async def _go_on(self, runs: Runs, thread_id: str, product: str, budget: float | None) -> None:
        decisions = self.ledger.undelivered().get(thread_id, [])
        if decisions:
            await runs.answer(thread_id, decisions)
            self.ledger.delivered(thread_id, decisions)
        elif self.ledger.thread(thread_id).status == "running":
            await runs.resume(thread_id, product, budget)

    def alone(self, product: str) -> asyncio.Lock:
        """Return what keeps everything else away from a product while it is held."""
        return self._products[product]


def _refuse_detours(request: RunRequest) -> None:
    """Refuse what would let a caller write the state that only decisions may change."""
    command = request.command
    detours = {
        "input beside command": command is not None and request.input is not None,
        "command.update": command is not None and command.update is not None,
        "command.goto": command is not None and bool(command.goto),
        "checkpoint": request.fork is not None,
        "interrupt_before": request.interrupt_before is not None,
        "interrupt_after": request.interrupt_after is not None,
        "multitask_strategy rollback": request.multitask_strategy == "rollback",
    }
    found = [name for name, present in detours.items() if present]
    if found:
        raise InvalidRequest(f"The steward graph does not take {found[0]}.")


def _parse(kind: type[T], value: Any, where: str) -> T:
    try:
        return kind.model_validate(value)
    except ValidationError as exc:
        raise InvalidResume(
            [
                ("/" + "/".join(map(str, (where, *e["loc"]))), str(e["msg"]))
                for e in exc.errors()[:20]
            ]
        ) from exc
