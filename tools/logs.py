"""Logs: one line an event on standard error, for people or as JSON, with what it is about.

Modules log through `logging`; what is bound by `structlog.contextvars` (request, run, thread,
product) is added to every line, and what looks like a secret is left out of all of it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Annotated, Any, Literal, TextIO

import structlog
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tools.plain_text import plain

SECRET = re.compile(
    r"pil_[A-Za-z0-9_-]{16,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"
    r"|(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/=-]{8,}"
)
"""Keys of ours, signed tokens, and whatever stands in an Authorization header."""
NAMES = re.compile(r"(?i)authorization|api_?key|token|password|secret|cookie")
HIDDEN = "[hidden]"
Event = MutableMapping[str, Any]


class LogSettings(BaseSettings):
    """How the service and the product server log; every field is `PILLION_LOG_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="PILLION_LOG_",
        env_file=".env",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
    )

    format: Annotated[
        Literal["console", "json"], Field(description="Lines for people, or JSON objects.")
    ] = "console"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="The least that is logged; info has a line a request and a run."),
    ] = "warning"


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that setting up again replaces it and nothing else."""


def set_up_logs(settings: LogSettings) -> None:
    """Send every logger of this process to standard error in the one format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if settings.format == "json":
        render = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                hide_secrets,
                show_unseen,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(h for h in root.handlers if not isinstance(h, _Handler)), handler]
    root.setLevel(settings.level.upper())
    # Libraries tell much at debug that is no business of an operator, headers among it.
    for noisy in (
        "httpcore",
        "httpx",
        "httpx2",
        "urllib3",
        "aiosqlite",
        "asyncio",
        "sse_starlette",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def hide_secrets(logger: Any, method: str, event: Event) -> Event:
    """Replace what is named or looks like a secret; uvicorn's second, coloured text goes."""
    event.pop("color_message", None)
    return {k: HIDDEN if NAMES.search(k) else _without(v) for k, v in event.items()}


def show_unseen(logger: Any, method: str, event: Event) -> Event:
    """Make control characters visible: names from databases stand in errors, and a line is one."""
    shown = {k: _seen(v) for k, v in event.items()}
    if isinstance(trace := event.get("exception"), str):
        shown["exception"] = "\n".join(map(plain, trace.split("\n")))
    return shown


def _seen(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {k: _seen(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_seen(item) for item in value]
    return value


def _without(value: Any) -> Any:
    if isinstance(value, str):
        return SECRET.sub(HIDDEN, value)
    if isinstance(value, dict):
        return hide_secrets(None, "", value)
    if isinstance(value, list | tuple):
        return [_without(item) for item in value]
    return value
