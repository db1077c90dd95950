"""LangGraph routes: the newer protocol's commands and events, over HTTP and WebSocket."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response
from starlette.websockets import WebSocket

from api.service.access import Operator, Viewer
from api.service.command_shapes import Command
from api.service.commands import Context, carry_out
from api.service.service import Served
from api.service.sockets import Socket, SocketViewer
from api.service.streams import EventStream
from api.service.wire import json_response, visible
from graph.engine.protocol import Subscription

router = APIRouter(tags=["protocol"], prefix="/threads/{thread_id}")


@router.post("/commands")
async def command(service: Served, caller: Operator, thread_id: str, asked: Command) -> Response:
    """Do a command; what cannot be done is an answer of type `error`, with the status 200.

    `run.start` makes its thread when there is none.
    """
    return json_response(await carry_out(Context(service, caller, thread_id), asked))


@router.post("/stream/events")
async def stream_events(
    service: Served, caller: Viewer, thread_id: str, asked: Subscription
) -> Response:
    """Stream a thread's events, from its first one or from after `since`, without an end."""
    visible(service, caller, thread_id)
    return EventStream(service.engine, caller, thread_id, asked)


@router.websocket("/stream/events")
async def socket_events(websocket: WebSocket, caller: SocketViewer, thread_id: str) -> None:
    """Take commands and send events on one connection."""
    await Socket(websocket, websocket.app.state.service, caller, thread_id).run()
