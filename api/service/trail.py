"""Own routes: the audit trail, checked and exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response, StreamingResponse

from api.service.access import Auditor
from api.service.service import Served
from graph.audit import AuditRow

router = APIRouter(tags=["audit"], prefix="/v1/audit")


def _view(row: AuditRow) -> dict[str, Any]:
    return {**row._asdict(), "body": json.loads(row.body)}


@router.get("")
async def list_rows(
    service: Served, caller: Auditor, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
) -> list[dict[str, Any]]:
    """Return the latest rows, oldest of them first."""
    return [_view(row) for row in service.ledger.audit_rows(limit)]


@router.get("/verify")
async def verify(service: Served, caller: Auditor) -> Response:
    """Recompute the hash chain; `ok` says whether the trail is whole."""
    return JSONResponse(service.ledger.verify()._asdict())


@router.get("/export")
async def export(service: Served, caller: Auditor) -> StreamingResponse:
    """Return the whole trail as JSON lines, just as it is hashed, and its head in the last line."""
    rows = service.ledger.audit_rows()

    def lines() -> Iterator[str]:
        for row in rows:
            yield json.dumps(row._asdict(), ensure_ascii=False) + "\n"
        yield json.dumps({"rows": len(rows), "head": rows[-1].hash if rows else None}) + "\n"

    disposition = {"content-disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(lines(), media_type="application/jsonl", headers=disposition)
