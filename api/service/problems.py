"""Every error of the service as a problem document; the words of a fault of ours stay here."""

from __future__ import annotations

import logging
import sqlite3
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from langgraph.store.base import InvalidNamespaceError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.asking.asking import BadQuestion
from api.products import DescriptorUnusable, HomeUnusable
from graph.engine.engine import RunEnded
from graph.engine.errors import (
    Conflict,
    Draining,
    InvalidRequest,
    InvalidResume,
    NotWaiting,
    UnknownCheckpoint,
    UnknownGraph,
    UnknownItem,
)
from graph.engine.records import UnknownRun
from graph.errors import (
    AlreadyApproved,
    AlreadyDecided,
    AlreadyUndone,
    GraphError,
    InvalidAnswer,
    KeyReused,
    NotAllowed,
    OfferedAnew,
    ProductUnavailable,
    RunFailed,
    UnknownNames,
    UnknownProduct,
    UnknownProposal,
    UnknownThread,
)
from graph.policy import PolicyUnusable
from mcp_servers.problem import problem
from mcp_servers.product.errors import ServerGone, ToolFailed
from tools.product.errors import ContractInvalid

LOG = logging.getLogger("pillion.service")
KINDS: dict[type[Exception], tuple[int, str]] = {
    UnknownProduct: (404, "unknown_product"),
    UnknownProposal: (404, "unknown_proposal"),
    UnknownThread: (404, "unknown_thread"),
    UnknownNames: (404, "unknown_names"),
    AlreadyApproved: (409, "already_approved"),
    PolicyUnusable: (503, "policy_unusable"),
    NotAllowed: (403, "forbidden"),
    InvalidAnswer: (422, "invalid_answer"),
    KeyReused: (422, "key_reused"),
    BadQuestion: (422, "invalid_request"),
    ProductUnavailable: (503, "product_unavailable"),
    ServerGone: (503, "product_unavailable"),
    HomeUnusable: (503, "home_unusable"),
    DescriptorUnusable: (503, "product_unavailable"),
    ContractInvalid: (409, ContractInvalid.code),
    UnknownGraph: (404, "unknown_assistant"),
    UnknownCheckpoint: (404, "unknown_checkpoint"),
    UnknownRun: (404, "unknown_run"),
    UnknownItem: (404, "unknown_item"),
    RunEnded: (404, "run_ended"),
    InvalidRequest: (422, "invalid_request"),
    InvalidNamespaceError: (422, "invalid_request"),
    Draining: (503, "draining"),
    Conflict: (409, "conflict"),
    AlreadyDecided: (409, "already_decided"),
    AlreadyUndone: (409, "already_undone"),
    OfferedAnew: (409, "offered_anew"),
    NotWaiting: (409, "not_waiting"),
    GraphError: (409, "refused"),
}
"""What an error means over HTTP; the nearest class counts, and its words are meant for people."""
PRODUCT_SAID = {
    "query_failed": 422, "parse_failed": 400, "forbidden": 403, "internal": 500,
    "database_locked": 503, "database_unusable": 503, "disk_full": 507,
}  # fmt: skip
"""What else a product says is about how things stand there: 409."""


class Refused(Exception):
    """A request that cannot be served, with its status and code."""

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.more = status, code, detail, more
        self.headers: dict[str, str] = {}

    def answer(self) -> Response:
        """Return what the caller gets."""
        answer = problem(self.status, self.code, self.detail, **self.more)
        answer.headers.update(self.headers)
        return answer


def install(app: FastAPI) -> None:
    """Teach the application to answer errors as problems."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused_by_routing)
    app.add_exception_handler(Refused, _refused)
    for kind in KINDS:
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(AlreadyDecided, _already_decided)
    app.add_exception_handler(AlreadyUndone, _already_undone)
    app.add_exception_handler(ToolFailed, _product_said)
    app.add_exception_handler(InvalidResume, _invalid_answer)
    app.add_exception_handler(NotWaiting, _not_waiting)
    app.add_exception_handler(RunFailed, _unforeseen)
    app.add_exception_handler(sqlite3.Error, _state)
    app.add_exception_handler(OSError, _state)
    app.add_exception_handler(Exception, _unforeseen)


async def _invalid(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    errors = [
        {"path": "/" + "/".join(str(p) for p in e["loc"]), "message": str(e["msg"])}
        for e in exc.errors()[:20]
    ]
    detail = f"{errors[0]['path']}: {errors[0]['message']}"
    return problem(422, "invalid_request", detail, errors=errors)


async def _refused_by_routing(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    status = HTTPStatus(exc.status_code)
    detail = f"{request.method} {request.url.path}: {status.phrase.lower()}. See /docs."
    answer = problem(status, status.name.lower(), detail)
    answer.headers.update(exc.headers or {})
    return answer


async def _refused(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Refused)
    return exc.answer()


async def _already_decided(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, AlreadyDecided)
    standing = exc.standing.model_dump(mode="json")
    return problem(409, "already_decided", str(exc), standing=standing)


async def _already_undone(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, AlreadyUndone)
    return problem(409, "already_undone", str(exc), how=exc.how, since=exc.since.isoformat())


async def _invalid_answer(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, InvalidResume)
    errors = [{"path": path, "message": message} for path, message in exc.problems]
    return problem(422, "invalid_answer", str(exc), errors=errors)


async def _not_waiting(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, NotWaiting)
    return problem(409, "not_waiting", str(exc), pending=list(exc.pending))


async def _product_said(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, ToolFailed)
    status = PRODUCT_SAID.get(exc.code, 409)
    if status == 500:
        return await _unforeseen(request, exc)
    return problem(status, exc.code, exc.message)


async def _known(request: Request, exc: Exception) -> Response:
    return problem(*meaning_of(exc), str(exc))


def meaning_of(error: Exception) -> tuple[int, str]:
    """Return the status and the code of an error that is one of `KINDS`."""
    return KINDS[next(k for k in type(error).__mro__ if k in KINDS)]


async def _state(request: Request, exc: Exception) -> Response:
    LOG.error("state unusable, request %s", request.state.request_id, exc_info=exc)
    detail = "The state of this home cannot be used now; its operator finds why in the log."
    return problem(503, "state_unusable", detail, request_id=request.state.request_id)


async def _unforeseen(request: Request, exc: Exception) -> Response:
    LOG.error("request %s failed", request.state.request_id, exc_info=exc)
    detail = "Pillion itself failed; its operator finds the request by its id in the log."
    return problem(500, "internal", detail, request_id=request.state.request_id)
