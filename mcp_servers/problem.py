"""Errors over HTTP in one shape: RFC 9457 problems."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse


def problem(status: int, code: str, detail: str, **more: Any) -> JSONResponse:
    """Return a problem document; `more` are members of its own, such as the standing answer."""
    body = {"type": f"urn:pillion:{code}", "title": code, "status": status, "detail": detail}
    return JSONResponse(body | more, status, media_type="application/problem+json")
