"""What no request gets past."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.service import meta
from api.service.app import build_app
from api.service.guard import MAX_BODY, depth
from api.service.service import Service
from api.service.settings import ServiceSettings
from tests.api.service.conftest import HOST

JSON = {"content-type": "application/json"}


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["title"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]", "a:b:c"])
async def test_a_foreign_host_is_refused(http: httpx.AsyncClient, host: str) -> None:
    answer = await http.get("/ok", headers={"host": host})
    assert problem_of(answer) == (421, "unknown_host")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:2024", "[::1]:2024", "LOCALHOST:1"])
async def test_loopback_is_answered_under_every_port(http: httpx.AsyncClient, host: str) -> None:
    assert (await http.get("/ok", headers={"host": host})).json() == {"ok": True}


async def test_pages_of_other_sites_are_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/ok", headers={"origin": "https://evil.example"})
    assert problem_of(answer) == (403, "foreign_origin")
    assert (await http.get("/ok", headers={"origin": "http://127.0.0.1"})).status_code == 200


async def test_pages_of_allowed_origins_read_what_they_are_told(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "https://app.example"
    open_to = replace(service, limits=ServiceSettings(allowed_origins=page))
    transport = httpx.ASGITransport(build_app(open_to), raise_app_exceptions=False)
    monkeypatch.setattr(meta, "version", lambda name: 1 / 0)
    async with httpx.AsyncClient(transport=transport, base_url=HOST) as http:
        answers = [
            await http.get("/ok", headers={"origin": page}),
            await http.post("/threads", content=b"{", headers={**JSON, "origin": page}),
            await http.get("/version", headers={"origin": page}),
        ]
        foreign = await http.get("/ok", headers={"origin": "https://evil.example"})
    assert [a.status_code for a in answers] == [200, 400, 500]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == page
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"Retry-After", "Mcp-Session-Id", "X-Pagination-Next"} <= set(exposed)
    assert problem_of(foreign) == (403, "foreign_origin")
    assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"{" * 5, JSON, (400, "bad_json")),
        (b'{"a": NaN}', JSON, (400, "bad_json")),
        (b"[" * 10_000 + b"]" * 10_000, JSON, (400, "too_deep")),
        (b"{}", {"content-type": "text/plain"}, (415, "not_json")),
        (b"{}", {}, (415, "not_json")),
        (b" " * (MAX_BODY + 1), JSON, (413, "too_large")),
        (b"{}", {**JSON, "content-length": "50000000"}, (413, "too_large")),
    ],
)
async def test_a_bad_body_is_refused_before_any_route(
    http: httpx.AsyncClient, body: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert problem_of(await http.post("/ok", content=body, headers=headers)) == expected


async def test_a_body_that_grows_past_the_limit_unannounced_is_refused(
    http: httpx.AsyncClient,
) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 100_000

    answer = await http.post("/ok", content=chunks(), headers=JSON)
    assert problem_of(answer) == (413, "too_large")


async def test_a_body_that_never_comes_is_given_up(service: Service) -> None:
    async def chunks() -> Any:
        yield b"{"
        await asyncio.sleep(30)
        yield b"}"

    quick = replace(service, limits=ServiceSettings(request_seconds=0.05))
    transport = httpx.ASGITransport(build_app(quick))
    async with httpx.AsyncClient(transport=transport, base_url=HOST) as http:
        answer = await http.post("/ok", content=chunks(), headers=JSON)
    assert problem_of(answer) == (408, "too_slow")
    assert answer.headers["connection"] == "close"


async def test_unknown_routes_and_methods_are_problems(http: httpx.AsyncClient) -> None:
    assert problem_of(await http.get("/nothing")) == (404, "not_found")
    answer = await http.delete("/ok")
    assert problem_of(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


async def test_a_fault_of_ours_is_told_without_its_words(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(name: str) -> str:
        raise ValueError("secret-word")

    monkeypatch.setattr(meta, "version", faulty)
    answer = await http.get("/version", headers={"x-request-id": "my-request"})
    assert problem_of(answer) == (500, "internal")
    assert "secret-word" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "my-request"


@pytest.mark.parametrize("given", ["a" * 65, "a b", "a\u00e9", ""])
async def test_a_strange_request_id_is_replaced(http: httpx.AsyncClient, given: str) -> None:
    answer = await http.get("/ok", headers={"x-request-id": given.encode()})
    assert answer.headers["x-request-id"] != given


def test_brackets_inside_strings_do_not_count() -> None:
    assert depth(b'{"a": "[[[[\\"[[", "b": [{}]}') == 3


@pytest.mark.parametrize("piece", [b'\\"', b"\\", b'"', b'"\\', b"a", b"[", b'"["'])
def test_no_body_takes_long_to_look_at(piece: bytes) -> None:
    for start in (b'"', b""):
        # What is looked at twice for each of its beginnings would take hours.
        assert depth((start + piece * MAX_BODY)[:MAX_BODY]) <= MAX_BODY
