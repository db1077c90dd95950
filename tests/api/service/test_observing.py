"""What a served process tells: traces to a real receiver, and a log without secrets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.api.service.issuer import Issuer
from tests.commands import make_home

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Span(NamedTuple):
    service: str
    name: str
    span: str
    parent: str
    trace: str


@contextmanager
def receiving() -> Iterator[tuple[str, list[Span]]]:
    """Receive traces over OTLP/HTTP; yields where, and what came."""
    came: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = ExportTraceServiceRequest()
            sent.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
            for each in sent.resource_spans:
                names = {a.key: a.value.string_value for a in each.resource.attributes}
                came.extend(
                    Span(names["service.name"], s.name, *(
                        part.hex() for part in (s.span_id, s.parent_span_id, s.trace_id)
                    ))
                    for scope in each.scope_spans for s in scope.spans
                )  # fmt: skip
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def until(found: Any, seconds: float = 60) -> Any:
    """Return what is there sooner or later."""
    ends = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    return value


def above(span: Span, spans: list[Span]) -> list[str]:
    """Return service and name of a span and of those around it, outermost last."""
    by_id = {s.span: s for s in spans}
    found = []
    here: Span | None = span
    while here is not None:
        found.append(f"{here.service}: {here.name}")
        here = by_id.get(here.parent)
    return found


@pytest.mark.timeout(180)
def test_a_trace_goes_from_the_request_to_the_product_server(
    tmp_path: Path, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "home", rows=10)
    with receiving() as (where, spans):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", where)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with serve(home) as (child, url), httpx.Client(base_url=url, timeout=60) as http:
            asked = {"agents": ["schema"], "budget_seconds": 5}
            traced = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            run = http.post("/v1/products/sales/runs", json=asked, headers=traced).json()
            until(lambda: http.get(f"/v1/runs/{run['thread']}").json().get("status") == "done")
            assert child.stop() == 0
        found = until(lambda: [s for s in spans if s.name == "tools/call find_candidates"])
    (tool,) = [s for s in found if s.service == "pillion-product"]
    assert tool.trace == TRACE
    ours = [name for name in above(tool, spans) if "fastapi." not in name]
    assert ours == [
        "pillion-product: tools/call find_candidates",
        "pillion: MCP send tools/call find_candidates",
        "pillion: node schema",
        "pillion: run",
        "pillion: POST /v1/products/{product}/runs",
    ]


PRODUCT_TOKEN = "planted-product-token-0123456789"
PASSWORD = "cGxhbnRlZDpwYXNzd29yZA=="


@pytest.mark.timeout(180)
def test_secrets_are_in_no_log_no_error_and_no_file(
    tmp_path: Path, serve: Any, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "home", rows=10)
    for name, text in issuer.settings.items():
        monkeypatch.setenv(f"PILLION_SERVICE_{name.upper()}", text)
    monkeypatch.setenv("PILLION_PRODUCT_TOKEN", PRODUCT_TOKEN)
    monkeypatch.setenv("PILLION_LOG_FORMAT", "json")
    monkeypatch.setenv("PILLION_LOG_LEVEL", "debug")
    token = issuer.token(roles=["pillion:admin"], sub="zoe")
    said = ""
    with serve(home) as (child, url), httpx.Client(base_url=url, timeout=60) as http:
        log: list[str] = []
        reader = threading.Thread(target=lambda: log.extend(child.launcher.stderr))
        reader.start()
        good = {"authorization": f"Bearer {token}"}
        key = "pil_" + "planted" * 5
        for headers in (good, {"x-api-key": key}, {"authorization": f"Basic {PASSWORD}"}):
            for path in ("/info", "/v1/products/sales", f"/v1/proposals/{key}", f"/x?k={key}"):
                said += http.get(path, headers=headers).text
        body = {"assistant_id": "counter", "input": {"fail": True}, "on_completion": "keep"}
        failed = http.post("/runs/wait", json=body, headers=good)
        assert "ValueError" in failed.text
        run = http.post("/v1/products/sales/runs", json={}, headers=good).json()
        about = f"/v1/runs/{run['thread']}"
        until(lambda: http.get(about, headers=good).json().get("status") == "done")
        child.stop()
        reader.join()
    lines = [json.loads(line) for line in log]
    assert {"request", "run began", "run ended"} <= {line["event"] for line in lines}
    kept = [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix in (".db", ".log", ".html")]
    assert len(kept) > 4
    assert not [s for s in (token, PASSWORD, PRODUCT_TOKEN) if s in said]
    for secret in (token, token.split(".")[2], key, PASSWORD, PRODUCT_TOKEN):
        assert secret not in "".join(log)
        assert [p for p in kept if secret.encode() in p.read_bytes()] == []
    began = next(x for x in lines if x["event"] == "run began" and x["graph"] == "steward")
    assert began["thread_id"] == run["thread"] and began["run_id"] == run["run"]
    asked = next(x for x in lines if x["event"] == "request" and x.get("status") == 202)
    assert asked["request_id"] == began["request_id"]
    assert asked["caller"] == "person:zoe"
