"""From a request in plain words to an answer with its sources, or to a run that may be started.

Nothing here can write: a run is begun by whoever called this, and what decides or changes is only
named, as the command or tool that does it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, NamedTuple

from api.asking.contract import Answer, Choice, Reply
from api.asking.heavy import slow
from api.asking.home import Asked, Home
from api.asking.ideas import proposal, unproposed
from api.asking.kept import HOW_TO_ANSWER, decisions, gained, runs, waiting
from api.asking.meaning import meaning
from api.wording import quoted
from graph.errors import GraphError, UnknownProduct
from tools.asking.names import mentioned
from tools.asking.plans import PLANS, STARTS, PlanName
from tools.asking.request import BadRequest, Request, read_request
from tools.asking.rules import Routing, route
from tools.slm.errors import ModelError
from tools.slm.times import TIMES

LOG = logging.getLogger("pillion.asking")
By = Literal["rules", "model"]
NOTHING_CHANGED = "A request in plain words decides and changes nothing, so nothing was done."


class BadQuestion(GraphError):
    """The request cannot be read; the message says what to ask instead."""


def elsewhere(home: Home, asked: Asked) -> Answer:
    """Name what answers, undoes or changes; nothing is done."""
    one = next(iter(asked.request.proposals), "ID")
    return Answer(
        text=f"{NOTHING_CHANGED}\n- To answer a proposal: `pillion decide {one} approve`, or reject"
        f" --reason WHY, or edit; in an editor the tool decide.\n- To take a change back: `pillion"
        f" undo {one}`; in an editor the tool undo_change.\n- Any other change of the data is made"
        " only as a proposal that somebody approves: `pillion run` looks for some."
    )


def help_with(home: Home, asked: Asked) -> Answer:
    """Say what can be asked."""
    lines = [f'- "{plan.example}" {plan.does}' for plan in PLANS.values()]
    return Answer(text="\n".join(["You can ask:", *lines, HOW_TO_ANSWER]))


KEPT: Mapping[PlanName, Callable[[Home, Asked], Answer]] = {
    "waiting": waiting, "gained": gained, "proposal": proposal, "unproposed": unproposed,
    "decisions": decisions, "run": runs, "elsewhere": elsewhere, "help": help_with,
}  # fmt: skip
"""Answered from the ledger, or from nothing at all."""
LOOKED_UP: Mapping[PlanName, Callable[[Home, Asked], Awaitable[Answer]]] = {
    "slow": slow, "meaning": meaning,
}  # fmt: skip
"""Answered by the product's server."""
ABOUT_ONE = frozenset((*LOOKED_UP, *STARTS, "unproposed"))
"""Plans that are about one product."""


class _Found(NamedTuple):
    routing: Routing
    by: By


async def ask(home: Home, text: str, product: str | None = None) -> Reply:
    """Return what a request comes to.

    Raises `BadQuestion` for one that cannot be read, `UnknownProduct`, and whatever a product's
    server says when it cannot be asked.
    """
    try:
        request = read_request(text)
    except BadRequest as exc:
        raise BadQuestion(str(exc)) from exc
    if product is not None and product not in home.products:
        raise UnknownProduct(product, home.products)
    found, by = await _route(home, request)
    plan, confidence = found.plan, found.confidence
    if plan is None:
        return _ask_back(found, by)
    named = (product,) if product is not None else mentioned(request, home.products)
    candidates = named or (home.products if plan in ABOUT_ONE else ())
    if plan in ABOUT_ONE and len(candidates) != 1:
        return _which(plan, candidates, confidence, by)
    about = candidates[0] if len(candidates) == 1 else None
    reply = Reply(
        status="starts", plan=plan, confidence=confidence, by=by, product=about,
        text=f"Looking for improvements of {about}; nothing changes before a person approves.",
        agents=STARTS.get(plan, ()),
    )  # fmt: skip
    if plan in STARTS:
        return reply
    asked = Asked(request, about)
    answer = await LOOKED_UP[plan](home, asked) if plan in LOOKED_UP else KEPT[plan](home, asked)
    update = {"status": "answered", "text": answer.text, "sources": answer.sources}
    return reply.model_copy(update=update)


async def _route(home: Home, request: Request) -> _Found:
    """Return where rules lead, else where a model does, if one is asked and can be used."""
    with TIMES.timed("rules"):
        found = route(request)
    if found.plan is not None or home.second_opinion is None:
        return _Found(found, "rules")
    try:
        opinion = await asyncio.to_thread(home.second_opinion, request, found)
    except ModelError as exc:
        LOG.warning("no second opinion: %s", exc)
        return _Found(found, "rules")
    return _Found(opinion, "model" if opinion.plan else "rules")


def _ask_back(found: Routing, by: By) -> Reply:
    choices = tuple(Choice(plan=p, does=PLANS[p].does, example=PLANS[p].example)
                    for p in found.likeliest)  # fmt: skip
    lines = [f'- "{c.example}" {c.does}' for c in choices]
    return Reply(
        status="asked_back", confidence=found.confidence, by=by, choices=choices,
        text="\n".join(["What do you mean? Ask again, for example:", *lines]),
    )  # fmt: skip


def _which(plan: PlanName, candidates: tuple[str, ...], confidence: float, by: By) -> Reply:
    if candidates:
        names = ", ".join(map(quoted, candidates))
        text = f"Which product is that about: {names}? Name it, or give --product."
    else:
        text = "There is no product yet; add one with `pillion init --database FILE`."
    return Reply(
        status="asked_back", plan=plan, confidence=confidence, by=by, products=candidates, text=text
    )
