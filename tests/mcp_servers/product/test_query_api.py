"""The query API as consumers meet it: a real server process over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import anyio
import duckdb
import httpx2
import pyarrow as pa
import pytest

from mcp_servers.product import query_api
from mcp_servers.product.client import connect, http_target
from mcp_servers.product.contract import QueryResult
from mcp_servers.product.errors import ServerGone
from mcp_servers.product.query_api import answer
from mcp_servers.product.server import as_result, build_server
from mcp_servers.product.service import ProductService
from mcp_servers.product.serving import names_this_process
from mcp_servers.product.settings import ProductSettings
from tests.ports import free_port
from tests.products import make_product
from tools.product.descriptor import Descriptor
from tools.product.owner import Limits, Rows

TOKEN, QUERY_TOKEN = "a token", "a consumer's token"
AUTH = {"authorization": f"Bearer {TOKEN}"}
ARROW = {**AUTH, "accept": "application/vnd.apache.arrow.stream"}


class Served(NamedTuple):
    http: httpx2.Client
    url: str
    descriptor: Descriptor


def start(descriptor: Descriptor, port: int, **settings: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mcp_servers.product", "http", "--port", str(port)]
    command += ["--descriptor", str(descriptor.home / "product.odps.yaml")]
    names = {f"PILLION_PRODUCT_{k.upper()}": v for k, v in settings.items()}
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), **names}
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, cwd=descriptor.home
    )


def wait_until_it_lives(http: httpx2.Client, server: subprocess.Popen[str]) -> None:
    for _ in range(600):
        try:
            http.get("/health").raise_for_status()
            return
        except httpx2.TransportError:
            assert server.poll() is None, server.stderr
            time.sleep(0.05)
    raise AssertionError("the server did not start")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served")
    descriptor = make_product(home, home / "pillion", rows=2000)
    port = free_port()
    settings = {"token": TOKEN, "max_rows": "1500", "query_timeout": "1"}
    settings["query_token"] = QUERY_TOKEN
    server = start(descriptor, port, **settings)
    url = f"http://127.0.0.1:{port}"
    with httpx2.Client(base_url=url, timeout=60) as http:
        wait_until_it_lives(http, server)
        yield Served(http, url, descriptor)
    server.terminate()
    server.communicate(timeout=30)


def ask(served: Served, sql: Any, headers: Any = AUTH, **body: Any) -> httpx2.Response:
    return served.http.post("/query", json={"sql": sql, **body}, headers=headers)


def test_a_consumers_token_asks_and_does_nothing_else(served: Served) -> None:
    consumer = {"authorization": f"Bearer {QUERY_TOKEN}"}
    assert ask(served, "SELECT 1 AS one", consumer).status_code == 200
    refused = served.http.post("/mcp", json={}, headers=consumer)
    assert (refused.status_code, refused.json()["title"]) == (403, "forbidden")
    assert "asks at /query only" in refused.json()["detail"]


def test_a_consumers_token_is_not_the_one_that_changes_things(served: Served) -> None:
    same = {"token": TOKEN, "query_token": TOKEN}
    server = start(served.descriptor, free_port(), **same)
    _, told = server.communicate(timeout=60)
    assert server.returncode == 2 and "has to be another" in told


def test_rows_come_as_json(served: Served) -> None:
    answer = ask(served, "SELECT id, region FROM sales ORDER BY id", max_rows=2)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    body = answer.json()
    assert body.pop("ms") > 0
    assert body == {
        "columns": ["id", "region"], "types": ["BIGINT", "VARCHAR"],
        "rows": [[0, "r0"], [1, "r1"]], "truncated": True,
    }  # fmt: skip


@pytest.mark.parametrize(("sql", "value", "kind"), [
    ("1.50::DECIMAL(9,2)", "1.50", "DECIMAL(9,2)"),
    ("DATE '2024-02-29'", "2024-02-29", "DATE"),
    ("TIMESTAMP '2024-02-29 12:00:00.5'", "2024-02-29 12:00:00.500000", "TIMESTAMP"),
    ("INTERVAL 1 DAY", "1 day", "INTERVAL"),
    ("INTERVAL '1 month 2 hours'", "1 month 02:00:00", "INTERVAL"),
    ("INTERVAL 3000000 YEAR", "3000000 years", "INTERVAL"),
    ("'nan'::DOUBLE", "nan", "DOUBLE"),
    ("'-inf'::DOUBLE", "-inf", "DOUBLE"),
    ("'\\x00\\xFF'::BLOB", "AP8=", "BLOB"),
    ("[1, NULL]", [1, None], "INTEGER[]"),
    ("{'a': 1.5::DECIMAL(2,1)}", {"a": "1.5"}, "STRUCT(a DECIMAL(2,1))"),
    ("MAP {DATE '2024-01-01': 'x'}", {"2024-01-01": "x"}, "MAP(DATE, VARCHAR)"),
    ("170141183460469231731687303715884105727", 2**127 - 1, "HUGEINT"),
    ("'6ccd780c-baba-1026-9564-5b8c656024db'::UUID", "6ccd780c-baba-1026-9564-5b8c656024db",
     "UUID"),
    ("'é\U0001f980\"'", "é\U0001f980\"", "VARCHAR"),
    ("NULL::DATE", None, "DATE"),
])  # fmt: skip
def test_every_type_becomes_plain_json(sql: str, value: Any, kind: str, served: Served) -> None:
    body = ask(served, f"SELECT {sql} AS v").json()
    assert (body["rows"], body["types"]) == ([[value]], [kind])


def test_rows_come_as_an_arrow_stream(served: Served) -> None:
    sql = "SELECT id, amount, 1.5::DECIMAL(4,2) AS d, [1] AS l FROM sales ORDER BY id"
    answer = ask(served, sql, ARROW, max_rows=3)
    assert answer.headers["content-type"] == ARROW["accept"]
    assert answer.headers["x-pillion-truncated"] == "true"
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column("id").to_pylist() == [0, 1, 2]
    assert str(table.schema.field("d").type) == "decimal128(4, 2)"


def test_no_one_gets_more_rows_than_the_product_allows(served: Served) -> None:
    body = ask(served, "FROM sales", max_rows=10**30).json()
    assert (len(body["rows"]), body["truncated"]) == (1500, True)
    answer = ask(served, "FROM sales", ARROW, max_rows=1999)
    assert pa.ipc.open_stream(answer.content).read_all().num_rows == 1500


@pytest.mark.parametrize("headers", [
    {}, {"authorization": "Bearer"}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN},
    {"authorization": f"Basic {TOKEN}"}, {"authorization": b"Bearer \xff"},
])  # fmt: skip
@pytest.mark.parametrize("path", ["/query", "/mcp", "/elsewhere", "/health/"])
def test_without_the_token_nothing_is_answered(headers: Any, path: str, served: Served) -> None:
    answer = served.http.post(path, json={"sql": "SELECT 1"}, headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (401, "unauthorized")


def test_too_few_rows_are_refused_by_name(served: Served) -> None:
    assert "max_rows is a whole number from 1" in ask(served, "SELECT 1", max_rows=0).text


def test_health_says_that_it_starts_until_others_can_find_it(tmp_path: Path) -> None:
    service = ProductService(make_product(tmp_path, tmp_path / "home", rows=10), ProductSettings())
    where = tmp_path / "serving.json"

    def ready() -> bool:
        return names_this_process(where)

    app = query_api.build_app(service, build_server(service), TOKEN, ready=ready)

    async def health() -> tuple[int, str]:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://here") as http:
            told = await http.get("/health")
            return told.status_code, told.json()["status"]

    found = []
    for text in (None, "{", '{"pid": 1}', f'{{"pid": {os.getpid()}}}'):
        if text is not None:
            where.write_text(text)
        found.append(anyio.run(health))
    service.close()
    assert found == [(503, "starting")] * 3 + [(200, "ok")]


def test_health_needs_no_token(served: Served) -> None:
    assert served.http.get("/health").json() == {"status": "ok", "product": "sales"}


@pytest.mark.parametrize("body", [
    b"", b"{", b"SELECT 1", b"[]", b"{}", b"null", b'{"sql": null}', b'{"sql": ["SELECT 1"]}',
    b'{"sql": "SELECT 1", "max_rows": 0}', b'{"sql": "SELECT 1", "max_rows": -1}',
    b'{"sql": "SELECT 1", "max_rows": true}', b'{"sql": "SELECT 1", "max_rows": "5"}',
    b'{"sql": "SELECT 1", "max_rows": 1.5}', b"\xff\xfe", b"[" * 100_000, b'{"sql": ""}',
    b'{"sql": "SELEC 1"}', b'{"sql": "SELECT \\ud800"}', b'{"sql": "SELECT ?"}',
    b'{"sql": "SELECT 1; SELECT 2"}',
])  # fmt: skip
def test_what_cannot_be_read_is_a_bad_request(body: bytes, served: Served) -> None:
    answer = served.http.post("/query", content=body, headers=AUTH)
    assert (answer.status_code, answer.json()["title"]) == (400, "parse_failed")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("sql", "status", "detail"), [
    ("DROP TABLE sales", 403, "Only one SELECT may run here"),
    ("SELECT * FROM 'x.csv'", 403, "A file cannot be read"),
    ("SELECT * FROM pillion.changes", 403, "Pillion's own"),
    ("SELECT '\u2028' FROM nowhere", 422, "Table with name nowhere does not exist"),
    ("SELECT error('boom')", 422, "boom"),
    ("SELECT count(*) FROM range(10000000000) a, range(1000) b", 422, "longer than 1 s"),
])  # fmt: skip
def test_a_refused_query_says_why(sql: str, status: int, detail: str, served: Served) -> None:
    for headers in (AUTH, ARROW):
        answer = ask(served, sql, headers)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert detail in answer.json()["detail"]


def test_a_value_that_cannot_be_given_is_said_so(served: Served) -> None:
    answer = ask(served, "SELECT INTERVAL 3000000 YEAR::VARIANT")
    assert (answer.status_code, answer.json()["title"]) == (422, "query_failed")
    assert "Cast it to VARCHAR" in answer.json()["detail"]


def test_a_body_too_large_is_refused_as_such(served: Served) -> None:
    answer = ask(served, "SELECT '" + "x" * 1_000_000 + "'")
    assert (answer.status_code, answer.json()["title"]) == (413, "too_large")


def test_unknown_routes_and_methods_are_problems_too(served: Served) -> None:
    wrong = served.http.get("/query", headers=AUTH)
    assert (wrong.status_code, wrong.json()["title"]) == (405, "method_not_allowed")
    nowhere = served.http.get("/nowhere", headers=AUTH)
    assert (nowhere.status_code, nowhere.json()["title"]) == (404, "not_found")


def test_a_foreign_host_header_does_not_reach_the_tools(served: Served) -> None:
    headers = {**AUTH, "host": "evil.example", "accept": "application/json, text/event-stream"}
    answer = served.http.post("/mcp", json={"jsonrpc": "2.0"}, headers=headers)
    assert answer.status_code == 421


async def test_tools_answer_at_mcp_with_the_token_and_see_what_was_asked(served: Served) -> None:
    sql = "SELECT count(DISTINCT region) FROM sales WHERE id < 7"
    assert ask(served, sql, {**AUTH, "x-pillion-caller": "board"}).json()["rows"] == [[7]]
    async with connect(http_target(f"{served.url}/mcp", TOKEN)) as client:
        assert (await client.describe_product()).name == "sales"
        for _ in range(100):
            patterns = (await client.read_workload()).workload.patterns
            if sql in [p.sql for p in patterns]:
                break
            time.sleep(0.05)
        asked = next(p for p in patterns if p.sql == sql)
    assert (asked.source, asked.runs, asked.total_ms > 0) == ("tap", 1, True)


async def test_tools_do_not_answer_without_the_token(served: Served) -> None:
    with pytest.raises(ServerGone):
        async with connect(http_target(f"{served.url}/mcp", "wrong")) as client:
            await client.describe_product()


def test_a_port_in_use_is_one_plain_sentence(served: Served) -> None:
    port = int(served.url.rsplit(":", 1)[1])
    second = start(served.descriptor, port, token=TOKEN)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in errors
    assert "Address already in use" in errors
    assert "Traceback" not in errors


class Leaving:
    """A service whose query ends when its client left, and a request whose client leaves."""

    settings = ProductSettings()
    headers: ClassVar[dict[str, str]] = {}

    @property
    def owner(self) -> Leaving:
        self.opened_in = threading.current_thread()
        return self

    def query(self, sql: str, caller: str, limits: Limits) -> Rows:
        gone = limits.left is not None and limits.left.wait(30)
        return Rows(("gone",), ("BOOLEAN",), [(gone,)], truncated=False, ms=1.0)

    async def stream(self) -> AsyncIterator[bytes]:
        yield b'{"sql": "SELECT 1"}'

    async def receive(self) -> dict[str, str]:
        return {"type": "http.disconnect"}


async def test_a_query_whose_client_left_is_told_so() -> None:
    both: Any = Leaving()
    told = await answer(both, both, anyio.CapacityLimiter(1))
    assert b'"rows":[[true]]' in bytes(told.body)
    assert both.opened_in is not threading.current_thread()


def test_a_database_held_by_another_process_is_unavailable(served: Served, tmp_path: Path) -> None:
    descriptor = make_product(tmp_path, tmp_path / "home", rows=10, name="held")
    port = free_port()
    with duckdb.connect(str(descriptor.database)):
        server = start(descriptor, port, token=TOKEN)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            wait_until_it_lives(http, server)
            answer = http.post("/query", json={"sql": "FROM sales"}, headers=AUTH)
        assert (answer.status_code, answer.json()["title"]) == (503, "database_locked")
        assert str(os.getpid()) in answer.json()["detail"]
        server.terminate()
        server.communicate(timeout=30)


@pytest.mark.anyio
async def test_an_answer_is_written_beside_the_loop_that_serves_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_by: list[threading.Thread] = []

    def noted(rows: Rows) -> QueryResult:
        written_by.append(threading.current_thread())
        return as_result(rows)

    monkeypatch.setattr(query_api, "as_result", noted)
    service = ProductService(
        make_product(tmp_path, tmp_path / "pillion", rows=10), ProductSettings()
    )
    app = query_api.build_app(service, build_server(service), TOKEN)
    try:
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://test", headers=AUTH
        ) as http:
            found = await http.post("/query", json={"sql": "SELECT 1 AS one"})
    finally:
        service.close()
    assert found.json()["rows"] == [[1]]
    assert written_by and written_by[0] is not threading.current_thread()
