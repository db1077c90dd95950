"""Copying, pruning and forgetting checkpoints: whole at every kill, and never what waits."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from api.service.service import open_service
from api.service.settings import ServiceSettings
from graph.checkpoints import MOST_ROWS, Checkpoints, open_checkpoints
from graph.engine.records import Records
from graph.engine.requests import RunRequest
from graph.run_store import now
from graph.settings import Settings
from tests.api.service.graphs import GRAPHS
from tools import failpoints
from tools.messages import Principal

ADA = Principal(kind="person", name="ada")
LIMITS = ServiceSettings(retention_days=0)
Rows = list[tuple[Any, ...]]


async def live(home: Path) -> None:
    """Let a graph run to its end, and another to its question."""
    async with open_service(Settings(home=home), LIMITS, GRAPHS) as service:
        for name, graph, given in (
            ("done", "counter", {"left": 5}), ("waits", "asker", {"names": ["a", "b"]}),
        ):  # fmt: skip
            service.engine.records.add_thread(name, {})
            request = RunRequest(assistant_id=graph, input=given, metadata={"run_id": name})
            await service.engine.submit(name, request, ADA)
            while service.engine.has_work(name):
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("checkpoints") / "home"
    asyncio.run(live(home))
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "home"))


def rows(home: Path, thread: str) -> Rows:
    """Return the checkpoints and writes of a thread."""
    with closing(sqlite3.connect(home / "checkpoints.db")) as con:
        return [
            row
            for table in ("checkpoints", "writes")
            for row in con.execute(
                f"SELECT * FROM {table} WHERE thread_id = ? ORDER BY 2, 3, 4, 5", (thread,)
            )
        ]


def middle(home: Path) -> str:
    with closing(sqlite3.connect(home / "checkpoints.db")) as con:
        sql = "SELECT checkpoint_id FROM checkpoints WHERE thread_id = 'done' ORDER BY 1 LIMIT 3"
        return str(con.execute(sql).fetchall()[-1][0])


CHANGES: dict[str, Callable[[Checkpoints, Path], Awaitable[None]]] = {
    "prune": lambda saver, home: saver.aprune(["done"]),
    "delete_for_runs": lambda saver, home: saver.adelete_for_runs(["done"]),
    "copy_thread": lambda saver, home: saver.acopy_thread("done", "copy"),
    "roll_back": lambda saver, home: saver.roll_back("done", middle(home), answers=True),
}


async def change(home: Path, name: str) -> None:
    async with open_checkpoints(home / "checkpoints.db") as saver:
        await CHANGES[name](saver, home)


@pytest.mark.crash
@pytest.mark.parametrize("edge", ["before", "after"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_kill_leaves_all_of_a_change_or_nothing(
    home: Path, made: Path, monkeypatch: pytest.MonkeyPatch, name: str, edge: str
) -> None:
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(failpoints, "_AT", f"checkpoints.{name}.{edge}_commit")
        asyncio.run(change(home, name))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    threads = ("done", "copy", "waits")
    found = [rows(home, thread) for thread in threads]
    assert (found == [rows(made, thread) for thread in threads]) == (edge == "before")
    asyncio.run(change(home, name)) if edge == "before" else None
    assert rows(home, "waits") == rows(made, "waits")
    with closing(sqlite3.connect(home / "checkpoints.db")) as con:
        assert con.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("count", [0, 1, MOST_ROWS + 1])
async def test_what_a_task_wrote_comes_back_whole(tmp_path: Path, count: int) -> None:
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1"}}
    async with open_checkpoints(tmp_path / "checkpoints.db") as saver:
        await saver.aput(config, {**empty_checkpoint(), "id": "1"}, {}, {})
        for _ in range(2):
            await saver.aput_writes(config, [("c", n) for n in range(count)], "task")
        found = await saver.aget_tuple(config)
        assert await saver.latest("t") == "1" and await saver.latest("other") is None
    assert found is not None and found.pending_writes is not None
    assert [value for _, _, value in found.pending_writes] == list(range(count))


async def test_a_state_put_together_of_earlier_checkpoints_is_left_whole(home: Path) -> None:
    with closing(sqlite3.connect(home / "checkpoints.db")) as con, con:
        con.execute(
            "UPDATE checkpoints SET metadata = ? WHERE thread_id = 'done' AND checkpoint_id = ?",
            (b'{"run_id": "done", "counters_since_delta_snapshot": {"m": [3, 4]}}', middle(home)),
        )
    before = rows(home, "done")
    async with open_checkpoints(home / "checkpoints.db") as saver:
        await saver.aprune(["done"])
        await saver.adelete_for_runs(["done"])
        assert rows(home, "done") == before
        with pytest.raises(ValueError, match="keep_latest or delete"):
            await saver.aprune(["done"], strategy="all")


async def test_only_what_neither_works_nor_waits_keeps_its_latest_state_alone(home: Path) -> None:
    waiting, long = rows(home, "waits"), len(rows(home, "done"))
    async with open_service(Settings(home=home), LIMITS, GRAPHS) as service:
        engine = service.engine

        async def go_on(**asked: Any) -> Any:
            await engine.submit("done", RunRequest(assistant_id="counter", **asked), ADA)
            assert not await engine.keep_latest("done")
            while engine.has_work("done"):
                await asyncio.sleep(0.01)
            return engine.records.thread_row("done")

        assert not await engine.keep_latest("waits") and not await engine.keep_latest("nothing")
        stopped = await go_on(input={"left": 1}, interrupt_before=["step"])
        # It asks nothing, but it goes on from there.
        assert (stopped.status, await engine.keep_latest("done")) == ("interrupted", False)
        assert len(rows(home, "done")) > long and rows(home, "waits") == waiting
        before = await go_on()
        assert (before.status, await engine.keep_latest("done")) == ("idle", True)
        assert len([row for row in rows(home, "done") if row[1] == "" and len(row) == 7]) == 1
        after = await go_on(input={"left": 1})
        assert after.values["steps"] == [*before.values["steps"], "step 0"]


@pytest.mark.crash
def test_a_copy_that_a_kill_cuts_short_is_nobodys_and_goes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def copy() -> None:
        async with open_service(Settings(home=home), LIMITS, GRAPHS) as service:
            monkeypatch.setattr(failpoints, "_AT", "checkpoints.copy_thread.after_commit")
            await service.engine.copy("done", {})

    child = os.fork()
    if child == 0:
        asyncio.run(copy())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with closing(Records(home / "service.db")) as records:
        assert {t.thread_id for t in records.find_threads()} == {"done", "waits"}
        (cut,) = records.stale_temporary(now() + timedelta(seconds=1))
        assert rows(home, cut)
