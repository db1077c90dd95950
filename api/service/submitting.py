"""How a caller's run gets into the queue, whichever route it came by."""

from __future__ import annotations

import uuid

from api.service.access import Caller
from api.service.desk import known_product
from api.service.keys import EVERY, Role
from api.service.service import Service
from api.service.wire import checked_id, visible
from graph.engine.records import RunRow, ThreadRow
from graph.engine.registry import ServedGraph
from graph.engine.requests import RunRequest
from graph.errors import GraphError, UnknownThread


async def submit(
    service: Service, caller: Caller, thread_id: str | None, asked: RunRequest
) -> RunRow:
    """Queue a run for a caller who may have it done."""
    served = service.engine.registry.find(asked.assistant_id)
    metadata = {"graph_id": served.name, "created_by": caller.principal.name}
    if thread_id is None:
        _check(service, caller, served, asked)
        temporary = asked.on_completion == "delete" and served.forgettable
        return await _in_new_thread(service, caller, asked, metadata, temporary=temporary)
    try:
        thread = visible(service, caller, thread_id, "operator")
    except UnknownThread:
        if asked.if_not_exists != "create":
            raise
        _check(service, caller, served, asked)
        return await _in_new_thread(service, caller, asked, metadata, thread_id=thread_id)
    _check(service, caller, served, asked, thread)
    return await service.engine.submit(thread_id, asked, caller.principal)


async def _in_new_thread(
    service: Service,
    caller: Caller,
    asked: RunRequest,
    metadata: dict[str, str],
    *,
    thread_id: str | None = None,
    temporary: bool = False,
) -> RunRow:
    """Queue a run in a new thread, which is gone when the run is refused."""
    thread_id = str(uuid.uuid4()) if thread_id is None else checked_id(thread_id)
    if not service.engine.records.add_thread(thread_id, metadata, temporary=temporary):
        # Somebody else's thread is as good as none.
        raise UnknownThread(thread_id)
    try:
        return await service.engine.submit(thread_id, asked, caller.principal)
    except GraphError:
        await service.engine.forget(thread_id)
        raise


def _check(
    service: Service,
    caller: Caller,
    served: ServedGraph,
    asked: RunRequest,
    thread: ThreadRow | None = None,
) -> None:
    """Refuse a run that the caller's roles do not cover; an answer is a decision."""
    product = served.product_of(asked, thread)
    answers = asked.command is not None and asked.command.resume is not None
    role: Role = "approver" if answers and not served.forgettable else "operator"
    if product is not None:
        caller.check(role, product)
        if asked.input is not None:
            known_product(service, caller, product)
    elif role == "approver":
        caller.check(role, EVERY)
