"""Own route: a request in plain words, answered from what is kept, or begun as a run."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

from api.asking.asking import ask
from api.asking.contract import Reply
from api.asking.home import Home
from api.service.access import Asker, Caller
from api.service.desk import RunAsked, begin_run, known_products
from api.service.service import Served, Service
from tools.asking.request import MOST_CHARACTERS
from tools.words.facts import Facts
from tools.words.told import Words

router = APIRouter(tags=["asking"], prefix="/v1")
EXAMPLE = {"request": "why is the delays dashboard slow?", "product": "flights"}


class PlainRequest(BaseModel):
    """What is asked, and of which product where it does not say so itself."""

    model_config = ConfigDict(extra="forbid")

    request: str = Field(max_length=MOST_CHARACTERS)
    product: str | None = Field(default=None, min_length=1, max_length=100)


async def reply_to(service: Service, caller: Caller, text: str, product: str | None) -> Reply:
    """Answer a caller from what they may see; a run is begun only for who may start one."""
    home = Home(
        service.settings, service.ledger, known_products(service, caller),
        service.steward.product, service.language.second_opinion, partial(_explained, service),
    )  # fmt: skip
    reply = await ask(home, text, product)
    if reply.status != "starts" or reply.product is None:
        return reply
    run = await begin_run(service, caller, reply.product, RunAsked(agents=list(reply.agents)))
    return reply.model_copy(update={"status": "started", "run": run.thread_id})


def _explained(service: Service, facts: Facts) -> Words:
    service.explainer.later(facts)
    return service.explainer.known(facts)


@router.post("/ask")
async def ask_in_words(
    service: Served, caller: Asker, asked: Annotated[PlainRequest, Body(examples=[EXAMPLE])]
) -> Reply:
    """Answer a request in plain words with its sources, or ask back; starting a run needs operator.

    Nothing is decided, undone or changed by it: it says which command or route does that.
    """
    return await reply_to(service, caller, asked.request, asked.product)
