"""What every command shares: settings, consoles, output, and the hold on a home directory."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from rich.console import Console

from api.cli.entry import STOPPED
from api.cli.progress import RunProgress
from api.ide.settings import McpSettings
from api.presence import Serving
from api.products import check_writable, service_of, target_of
from api.service.settings import ServiceSettings
from api.views import save_report
from graph.beside import Queue, open_beside
from graph.errors import Busy
from graph.ledger import Ledger
from graph.settings import Settings
from graph.steward import OnEvent, Stewardship, open_steward
from mcp_servers.product.settings import ProductSettings
from tools.lazy import lazy
from tools.logs import LogSettings
from tools.output import written
from tools.plain_text import plain

if TYPE_CHECKING:
    from api import at_service
else:
    # `pillion --help` need not wait for HTTP to be imported.
    at_service = lazy("api.at_service")

T = TypeVar("T")
READER_LEFT = 141
EXIT_CODES = {
    0: "done, or stopped at a question that waits for an answer",
    1: "failed, or an approved change is not in place; the message says what to do, and nothing is"
    " half done",
    2: "the command line or a setting is not valid",
    3: "the proposal was already answered, or its change already taken back; the standing answer,"
    " or since when, is printed",
    4: "the audit trail does not verify",
    STOPPED: "stopped by Ctrl-C or SIGTERM; the next command continues",
    READER_LEFT: "whoever read the output left, as under `| head`",
}
SECRETS = (
    "PILLION_PRODUCT_TOKEN", "PILLION_PRODUCT_QUERY_TOKEN", "PILLION_KEY", "PILLION_MCP_KEY",
)  # fmt: skip
"""Settings that are never shown."""
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def drop_unwritten() -> None:
    """Send what cannot be written nowhere, so that Python does not complain of it at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def reader_left() -> NoReturn:
    """End quietly when whoever read the output has enough of it, as under `| head`."""
    drop_unwritten()
    raise typer.Exit(READER_LEFT)


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        reader_left()

    def print(self, *objects: Any, **options: Any) -> None:
        with written():
            super().print(*objects, **options)


out = _Terminal()
err = _Terminal(stderr=True)


def tell(message: object, *, to: Console = out) -> None:
    """Write one sentence, harmless and unbroken: a terminal wraps it, a pipe gets one line."""
    to.print(plain(message), markup=False, highlight=False, soft_wrap=True)


def load_settings() -> Settings:
    """Read the settings of agent and product; a bad one ends the command with code 2."""
    _checked(ProductSettings)
    return _checked(Settings)


def load_service_settings() -> ServiceSettings:
    """Read the settings of the service; a bad one ends the command with code 2."""
    _checked(LogSettings)
    return _checked(ServiceSettings)


def load_mcp_settings() -> McpSettings:
    """Read the settings of `pillion mcp`; a bad one ends the command with code 2."""
    return _checked(McpSettings)


def refuse_while_served(settings: Settings) -> None:
    """Raise `Busy` when the service holds the home; it is the one that drives the graph there."""
    serving = service_of(settings)
    if serving is not None:
        raise Busy(
            f"The service at {serving.url} (PID {serving.pid}) works in {settings.home} already;"
            " the other commands go through it. Stop it to use this one."
        )


S = TypeVar("S", bound=BaseSettings)


def _checked(kind: type[S]) -> S:
    try:
        return kind()
    except ValidationError as exc:
        prefix = kind.model_config.get("env_prefix", "")
        for problem in exc.errors():
            name = prefix + "_".join(str(p) for p in problem["loc"]).upper()
            given = f"={problem['input']}" if problem["loc"] and name not in SECRETS else ""
            tell(f"The setting {name}{given} is not valid: {problem['msg']}.", to=err)
        raise typer.Exit(2) from exc
    except (OSError, UnicodeDecodeError) as exc:
        tell(f"The file .env of this directory cannot be read: {exc}.", to=err)
        raise typer.Exit(2) from exc


def print_json(value: Any) -> None:
    """Write one JSON document to standard output."""
    with written():
        sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def with_steward(
    work: Callable[[Stewardship], Coroutine[Any, Any, T]],
    *,
    settings: Settings,
    quiet: bool = False,
) -> T:
    """Run async work with the home directory held by this process."""

    check_writable(settings.home)
    refuse_while_served(settings)

    async def main() -> T:
        with RunProgress(err, enabled=not quiet) as progress:
            targets = partial(target_of, settings)
            on_event = partial(_handle, settings, progress)
            async with open_steward(settings, targets, on_event) as steward:
                return await work(steward)

    return asyncio.run(main())


def _handle(settings: Settings, progress: RunProgress, event: Mapping[str, Any]) -> None:
    """Show an event; of a run that went on beside what was asked for, write the report anew."""
    if event.get("kind") != "moved":
        progress.handle(event)
        return
    saved = with_ledger(lambda ledger: save_report(settings, ledger, event["thread"]), settings)
    if saved.problem:
        progress.handle({"kind": "note", "text": saved.problem})


def with_queue(
    work: Callable[[Queue], Coroutine[Any, Any, T]], *, settings: Settings, quiet: bool = False
) -> T:
    """Run async work on the queue: beside the service while it holds the home, else holding it."""
    if service_of(settings) is None:
        return with_steward(work, settings=settings, quiet=quiet)

    async def main() -> T:
        async with open_beside(settings) as queue:
            return await work(queue)

    return asyncio.run(main())


def through_service(
    work: Callable[[at_service.AtService, OnEvent], Coroutine[Any, Any, T]],
    serving: Serving,
    *,
    quiet: bool = False,
) -> T:
    """Have the service that holds the home do it; Ctrl-C ends the waiting, not the work."""

    async def main() -> T:
        with RunProgress(err, enabled=not quiet) as progress:
            settings = load_settings()
            key = settings.key.get_secret_value() if settings.key else ""
            limits = load_service_settings()
            service = at_service.AtService(serving, limits, settings.person, key)
            return await work(service, progress.handle)

    try:
        return asyncio.run(main())
    except KeyboardInterrupt as exc:
        tell(f"The service at {serving.url} goes on; `pillion status` says how it stands.", to=err)
        raise typer.Exit(STOPPED) from exc


def with_ledger(work: Callable[[Ledger], T], settings: Settings) -> T:
    """Read what is recorded; that needs no hold on the home."""
    with closing(Ledger(settings.ledger_path)) as ledger:
        return work(ledger)
