"""The client: it survives the server's death, and says what is wrong when there is none."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import duckdb
import psutil
import pytest

from mcp_servers.product.client import ProductClient, connect, http_target, stdio_target
from mcp_servers.product.contract import ApplyRequest
from mcp_servers.product.errors import ServerEnded, ServerGone, ToolFailed
from mcp_servers.product.server import build_server
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.crash import test_crash
from tests.preforked import PYTHON
from tests.products import make_product
from tests.proxies import named_proxy
from tools.messages import CreateIndex, TableName
from tools.product import executor
from tools.product.catalog import schema_hash
from tools.product.descriptor import Descriptor

TOOLS = Path(__file__).parent / "tools.json"


@pytest.fixture
def descriptor(tmp_path: Path) -> Descriptor:
    return make_product(tmp_path, tmp_path / "home", rows=100)


INDEX = CreateIndex(table=TableName(name="sales"), columns=("id",), name="by_id")


def servers() -> list[psutil.Process]:
    return [c for c in psutil.Process().children() if "mcp_servers.product" in c.cmdline()]


async def rows(client: ProductClient) -> object:
    return (await client.run_query("SELECT count(*) FROM sales")).rows


async def test_a_killed_server_is_started_again_for_the_next_call(descriptor: Descriptor) -> None:
    async with connect(stdio_target(descriptor.home / "product.odps.yaml")) as client:
        assert await rows(client) == ((100,),)
        (server,) = servers()
        server.kill()
        server.wait()
        assert await rows(client) == ((100,),)
    assert servers() == []


async def test_what_lies_in_the_working_folder_is_not_run(
    descriptor: Descriptor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tools", "mcp_servers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('this is not Pillion')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", PYTHON)
    async with connect(stdio_target(descriptor.home / "product.odps.yaml")) as client:
        assert await rows(client) == ((100,),)


CALLS: dict[str, Callable[[ProductClient], Awaitable[object]]] = {
    "read_workload": lambda client: client.read_workload(),
    "run_query": rows,
    "list_changes": lambda client: client.list_changes(),
    "profile_table": lambda client: client.profile_table(INDEX.table),
    "rehearse_change": lambda client: client.rehearse_change(INDEX),
}
"""The tools that no run and no answer calls; the crash tests kill the server in the others."""


def test_the_server_is_killed_in_every_tool() -> None:
    points = (*test_crash.RUN_SERVER, *test_crash.CHANGE_SERVER, *test_crash.UNDO_SERVER)
    killed = {p.split(".")[1] for p in points if p.startswith("server.") and p.endswith(".after")}
    published = {tool["name"] for tool in json.loads(TOOLS.read_text())}
    assert killed | CALLS.keys() == published


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("tool", CALLS)
async def test_a_call_outlives_the_server_that_dies_in_it(
    tool: str, side: str, descriptor: Descriptor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed = tmp_path / "crashed"
    monkeypatch.setenv("PILLION_CRASH_AT", f"server.{tool}.{side}")
    monkeypatch.setenv("PILLION_CRASH_ONCE", str(crashed))
    async with connect(stdio_target(descriptor.home / "product.odps.yaml")) as client:
        assert await CALLS[tool](client)
        assert crashed.exists()
        assert (await client.list_changes()).changes == ()
        assert await rows(client) == ((100,),)
    assert list((descriptor.home / "shadow").glob("snapshot-*")) == []


@pytest.mark.parametrize("tool", CALLS)
async def test_a_server_that_dies_in_each_attempt_is_said_plainly(
    tool: str, descriptor: Descriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILLION_CRASH_AT", f"server.{tool}.before")
    async with connect(stdio_target(descriptor.home / "product.odps.yaml")) as client:
        with pytest.raises(ServerEnded, match=f"ended during {tool}, twice"):
            await CALLS[tool](client)


async def test_a_server_that_dies_and_stays_away_is_said_plainly(
    descriptor: Descriptor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILLION_CRASH_AT", "server.run_query.before")
    once, gone = stdio_target(descriptor.home / "product.odps.yaml"), stdio_target(tmp_path / "no")
    targets = iter((once, gone))
    async with connect(lambda: next(targets)()) as client:
        with pytest.raises(ServerEnded, match="ended during run_query and did not come back"):
            await rows(client)


async def test_a_call_that_fails_after_its_commit_is_done_all_the_same(
    descriptor: Descriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(con: duckdb.DuckDBPyConnection) -> None:
        raise duckdb.FatalException("FATAL Error: a checkpoint failed")

    monkeypatch.setattr(executor, "checkpoint", give_up)
    service = ProductService(descriptor, ProductSettings())
    server = build_server(service)
    try:
        async with connect(lambda: server) as client:
            request = ApplyRequest(
                proposal_id="p1",
                change=INDEX,
                schema_hash=schema_hash(service.owner.catalog(), [INDEX.table]),
            )
            assert (await client.apply_change(request)).status == "applied"
            another = request.model_copy(update={"approval": "run 2", "schema_hash": "of before"})
            with pytest.raises(ToolFailed, match="changed by someone else"):
                await client.apply_change(another)
            assert (await client.undo_change("p1")).status == "undone"
            with pytest.raises(ToolFailed, match="No change p2"):
                await client.undo_change("p2")
    finally:
        service.close()


async def test_leaving_ends_the_server_and_frees_the_database(descriptor: Descriptor) -> None:
    for _ in range(2):
        async with connect(stdio_target(descriptor.home / "product.odps.yaml")) as client:
            assert await rows(client) == ((100,),)
        assert servers() == []


async def test_a_server_without_a_descriptor_is_gone_not_hanging(tmp_path: Path) -> None:
    async with connect(stdio_target(tmp_path / "nothing.yaml")) as client:
        with pytest.raises(ServerGone, match="did not start: (?!unhandled)"):
            await rows(client)


async def test_no_server_at_the_address_is_said_plainly() -> None:
    async with connect(http_target("http://127.0.0.1:1/mcp", "t")) as client:
        with pytest.raises(ServerGone, match="did not start: (?!unhandled)"):
            await rows(client)


async def test_no_proxy_sees_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    async with named_proxy(monkeypatch) as came:
        async with connect(http_target("http://127.0.0.1:1/mcp", "t")) as client:
            with pytest.raises(ServerGone):
                await rows(client)
        assert came == []


async def test_who_no_longer_waits_for_a_silent_server_leaves_at_once() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    began = time.monotonic()
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(http_target(f"http://127.0.0.1:{port}/mcp", "t")) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await rows(client)
    assert time.monotonic() - began < 20


async def test_a_database_that_went_is_a_coded_error_of_every_call(descriptor: Descriptor) -> None:
    Path(descriptor.database).unlink()
    async with connect(stdio_target(descriptor.home / "product.odps.yaml")) as client:
        for _ in range(2):
            with pytest.raises(ToolFailed, match="There is no file") as failed:
                await rows(client)
            assert failed.value.code == "database_unusable"


def test_a_coded_error_is_read_back_and_any_other_is_internal() -> None:
    text = ToolFailed.encode("refused", "no\nway")
    read = ToolFailed.parse(f"Error executing tool x: {text}")
    assert (read.code, read.message) == ("refused", "no\nway")
    assert ToolFailed.parse("boom").code == "internal"
