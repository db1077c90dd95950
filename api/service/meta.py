"""Routes about the service itself."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.service.access import METADATA, Viewer, base_url
from api.service.problems import Refused
from api.service.service import Served

router = APIRouter(tags=["service"])
KEYS_ONLY: dict[int | str, dict[str, Any]] = {404: {"description": "It takes keys only."}}
FLAGS = {"assistants": True, "crons": False, "strict_resume": True}


@router.get("/ok")
async def ok() -> dict[str, bool]:
    """Say that it lives, as LangGraph clients ask."""
    return {"ok": True}


@router.get("/health")
async def health() -> dict[str, str]:
    """Say that the process lives; needs no key."""
    return {"status": "ok"}


@router.get("/ready", responses={503: {"description": "Not now: it stops, or cannot read state."}})
async def ready(service: Served) -> Response:
    """Say whether it takes work; needs no key."""
    checks = {
        "accepting": not service.draining,
        "ledger": _readable(service),
        "delivering": service.working is not None and not service.working.done(),
    }
    good = all(checks.values())
    body = {"status": "ready" if good else "not ready", "checks": checks}
    return JSONResponse(body, 200 if good else 503)


def _readable(service: Served) -> bool:
    try:
        service.ledger.audit_rows(1)
    except sqlite3.Error:
        return False
    return True


@router.get(METADATA, responses=KEYS_ONLY)
async def resource_metadata(request: Request, service: Served) -> dict[str, Any]:
    """Say where tokens for this service come from (RFC 9728); needs no key."""
    return _metadata(request, service, "")


@router.get(f"{METADATA}/mcp", responses=KEYS_ONLY)
async def mcp_metadata(request: Request, service: Served) -> dict[str, Any]:
    """Say the same of the MCP server at `/mcp`."""
    return _metadata(request, service, "/mcp")


def _metadata(request: Request, service: Served, path: str) -> dict[str, Any]:
    found = service.access.resource_metadata(base_url(request), path)
    if found is None:
        raise Refused(404, "not_found", "This service takes API keys only, no tokens.")
    return found


@router.get("/info")
async def info(service: Served, caller: Viewer) -> dict[str, Any]:
    """Return what LangGraph clients want to know of a server."""
    return {
        "version": version("pillion"),
        "langgraph_py_version": version("langgraph"),
        "flags": FLAGS,
        "host": {"kind": "self-hosted"},
    }


@router.get("/version")
async def versions(caller: Viewer) -> dict[str, str]:
    """Return the versions of Pillion and of what it stands on."""
    names = ("pillion", "langgraph", "mcp", "duckdb", "fastapi")
    return {name: version(name) for name in names} | {"python": platform.python_version()}
