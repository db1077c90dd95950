"""The command that takes a request in plain words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.inspecting import busy
from api.cli.shell import Json, err, load_settings, print_json, tell, through_service
from api.cli.working import finish, improve
from api.presence import Serving
from api.products import check_writable, product_client, product_names, service_of, target_of
from graph.errors import Busy, GraphError
from graph.ledger import Ledger
from graph.settings import Settings
from tools.lazy import lazy

if TYPE_CHECKING:
    from api import explaining
    from api.asking import asking, contract, home, language
    from mcp_servers.product.client import ProductClient
else:
    # `pillion --help` has no use for them.
    asking, contract = lazy("api.asking.asking"), lazy("api.asking.contract")
    home, language = lazy("api.asking.home"), lazy("api.asking.language")
    explaining = lazy("api.explaining")


def ask(
    request: Annotated[str, typer.Argument(help="What you want to know, or have looked for.")],
    product: Annotated[
        str | None, typer.Option(help="Of which product, where the request does not say.")
    ] = None,
    json: Json = False,
) -> None:
    """Answer a request in plain words, with its sources; may start a run, never decides anything.

    Example: `pillion ask "why is the delays dashboard slow?"`
    """
    settings = load_settings()
    serving = service_of(settings)
    if serving is not None:
        _show(_ask_there(serving, request, product), json=json)
        return
    check_writable(settings.home)
    if not (product_names(settings) or settings.ledger_path.exists()):
        raise GraphError("There is no product yet; add one with `pillion init --database FILE`.")
    reply = asyncio.run(_ask_here(settings, request, product))
    if reply.status != "starts" or reply.product is None:
        _show(reply, json=json)
        return
    if not json:
        tell(reply.text, to=err)
    started = time.monotonic()
    thread_id = improve(settings, reply.product, reply.agents, quiet=json)
    if json:
        _show(reply.model_copy(update={"status": "started", "run": thread_id}), json=True)
    else:
        finish(settings, thread_id, json=False, seconds=time.monotonic() - started)


def _ask_there(serving: Serving, request: str, product: str | None) -> contract.Reply:
    asked = {"request": request, "product": product}
    reply = through_service(lambda at, _: at.post("/v1/ask", asked), serving, quiet=True)
    return contract.Reply.model_validate(reply)


async def _ask_here(settings: Settings, request: str, product: str | None) -> contract.Reply:
    with (
        closing(Ledger(settings.ledger_path)) as ledger,
        closing(language.Language(settings)) as model,
        closing(explaining.Explainer(settings, model)) as explainer,
    ):
        here = home.Home(
            settings, ledger, product_names(settings), partial(_open, settings),
            model.second_opinion, explainer.written,
        )  # fmt: skip
        return await asking.ask(here, request, product)


@asynccontextmanager
async def _open(settings: Settings, name: str) -> AsyncIterator[ProductClient]:
    """Open a product's server; raises `Busy` while another command works with its database."""
    if busy(settings):
        raise Busy("Another Pillion command works here now; ask again when it is done.")
    async with product_client.connect(target_of(settings, name)) as client:
        yield client


def _show(reply: contract.Reply, *, json: bool) -> None:
    if json:
        print_json(reply.model_dump(mode="json"))
        return
    for line in reply.text.split("\n"):
        tell(line)
    if reply.sources:
        tell("Sources: " + ", ".join(f"{s.kind} {s.id}" for s in reply.sources))
    if reply.run is not None:
        tell(f"Run: {reply.run}")
