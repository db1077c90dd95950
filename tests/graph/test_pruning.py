"""Forgetting: only what is finished, whole at every kill, beside whoever works."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.service.service import open_service
from api.service.settings import ServiceSettings
from graph.engine.requests import RunRequest
from graph.ledger import Ledger, now
from graph.pruning import Pruned, Pruning
from graph.settings import Settings
from tests.api.service.graphs import GRAPHS
from tests.commands import document, invoke, refusal
from tests.factories import make_decision, make_trial
from tests.ledgers import open_proposal
from tools import failpoints
from tools.messages import Outcome, Principal

ADA = Principal(kind="person", name="ada")
TABLES = {
    "checkpoints": ("checkpoints", "writes"),
    "service": ("run_events", "runs", "threads"),
    "ledger": ("proposals", "decisions", "outcomes", "trials", "audit", "outbox", "answer_keys"),
}


async def live(home: Path) -> None:
    """Let a graph run to its end, and another to its question."""
    limits = ServiceSettings(retention_days=0)
    async with open_service(Settings(home=home), limits, GRAPHS) as service:
        for name, graph, given in (
            ("finished", "counter", {"left": 12}),
            ("waiting", "asker", {"names": ["a", "b"]}),
        ):
            service.engine.records.add_thread(name, {})
            request = RunRequest(assistant_id=graph, input=given, stream_mode=["checkpoints"])
            await service.engine.submit(name, request, ADA)
            while service.engine.has_work(name):
                await asyncio.sleep(0.01)


def fill(home: Path) -> None:
    """Leave runs about products in every state in the ledger."""
    with closing(Ledger(home / "ledger.db")) as ledger:
        for thread, status in (
            ("done", "done"), ("asks", "waiting"), ("works", "running"),
            ("undelivered", "done"), ("open", "failed"),
        ):  # fmt: skip
            ledger.open_thread(thread, "flights", "all")
            ledger.offer(thread, [open_proposal(thread)], "agent:rank")
            ledger.set_thread(thread, status)
        ledger.record_trials("done", "flights", [make_trial()])
        for thread in ("done", "undelivered"):
            ledger.decide_all([make_decision(thread, decided_at=now())], f"ada:{thread}")
        ledger.delivered("done", ledger.undelivered()["done"])
        ledger.record_outcome(Outcome(proposal_id="done", status="verified", detail=""), "x")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pruned") / "home"
    asyncio.run(live(home))
    fill(home)
    with closing(sqlite3.connect(home / "checkpoints.db")) as con, con:
        for thread in ("done", "asks", "works", "undelivered", "open"):
            # What a run about a product leaves: many states, each larger than a page.
            con.executemany(
                "INSERT INTO checkpoints VALUES (?, '', ?, NULL, 'msgpack', ?, '{}')",
                [(thread, f"{n:04}", os.urandom(9000)) for n in range(20)],
            )
            con.executemany(
                "INSERT INTO writes VALUES (?, '', ?, 't', 0, 'c', 'msgpack', ?, '')",
                [(thread, f"{n:04}", b"x" * 100) for n in range(20)],
            )
    return home


@pytest.fixture
def served(home: Path) -> Path:
    """The same without runs about products, whose checkpoints are none."""
    for file in home.glob("ledger.db*"):
        file.unlink()
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "home"))


def pruning(home: Path, **options: Any) -> Pruning:
    """Return a pruning of all that happened before now."""
    given = {"before": now(), "alone": True, **options}
    return Pruning(Settings(home=home), **given)


def rows(home: Path, book: str, table: str, thread: str | None = None) -> list[Any]:
    """Return the rows of a table, of one thread when it is named."""
    where = "" if thread is None else f"WHERE thread_id = '{thread}'"
    with closing(sqlite3.connect(home / f"{book}.db")) as con:
        return con.execute(f"SELECT * FROM {table} {where} ORDER BY rowid" if book != "service"
                           else f"SELECT * FROM {table} {where}").fetchall()  # fmt: skip


def everything(home: Path) -> dict[str, list[Any]]:
    return {t: rows(home, book, t) for book, tables in TABLES.items() for t in tables}


def of_threads(home: Path, threads: Iterable[str]) -> list[list[Any]]:
    """Return every row of what must not change."""
    books = [("checkpoints", "checkpoints"), ("checkpoints", "writes"), ("service", "run_events")]
    return [rows(home, *book, thread) for thread in threads for book in books]


UNTOUCHED = ("waiting", "asks", "works", "undelivered", "open")


def test_finished_threads_keep_their_last_state_and_all_others_everything(home: Path) -> None:
    kept = of_threads(home, UNTOUCHED)
    last = [rows(home, "checkpoints", "checkpoints", t)[-1] for t in ("finished", "done")]
    done = pruning(home).run()
    assert of_threads(home, UNTOUCHED) == kept
    left = [rows(home, "checkpoints", "checkpoints", t) for t in ("finished", "done")]
    assert left == [[row] for row in last]
    assert rows(home, "service", "run_events", "finished") == []
    assert (done.threads, done.checkpoints, done.answers, done.keys) == (2, 19 + 13, 1, 0)
    assert done.events > 12 and done.content_bytes > 19 * 9000


def test_what_vouches_for_changes_stays(home: Path) -> None:
    tables = ("proposals", "decisions", "outcomes", "trials", "audit")
    before = [rows(home, "ledger", table) for table in tables]
    pruning(home).run()
    assert [rows(home, "ledger", table) for table in tables] == before
    with closing(Ledger(home / "ledger.db")) as ledger:
        assert ledger.verify().ok
        assert list(ledger.undelivered()) == ["undelivered"]
        assert [o.proposal.id for o in ledger.offers(waiting=True)] == ["asks", "works", "open"]


def test_a_dry_run_says_the_same_and_changes_nothing(home: Path) -> None:
    before = everything(home)
    said = pruning(home, dry_run=True).run()
    assert everything(home) == before
    assert all(file.before == file.after for file in said.files)
    done = pruning(home).run()
    assert (said.checkpoints, said.writes, said.events) == (
        done.checkpoints, done.writes, done.events,
    )  # fmt: skip
    assert (said.threads, said.content_bytes) == (done.threads, done.content_bytes)


def test_the_space_goes_back_to_the_disk(home: Path) -> None:
    done = {file.name: file for file in pruning(home, alone=False).run().files}
    checkpoints = done["checkpoints.db"]
    assert checkpoints.before - checkpoints.after > 19 * 9000
    assert checkpoints.after == (home / "checkpoints.db").stat().st_size
    assert set(done) == {"ledger.db", "service.db", "checkpoints.db"}
    nothing = pruning(home).run()
    assert (nothing.threads, nothing.content_bytes) == (0, 0)


def make_older(home: Path) -> None:
    """Make the checkpoints a file that can only give space back by being written anew."""
    with closing(sqlite3.connect(home / "checkpoints.db")) as con:
        con.execute("PRAGMA auto_vacuum = NONE")
        con.execute("VACUUM")


def test_an_older_file_is_written_anew_only_while_nobody_else_works(home: Path) -> None:
    make_older(home)
    size = pruning(home, alone=False).run().files[-1]
    assert size.before == size.after
    again = pruning(home).run().files[-1]
    assert again.after < again.before
    with closing(sqlite3.connect(home / "checkpoints.db")) as con:
        assert con.execute("PRAGMA auto_vacuum").fetchone() == (2,)


@pytest.mark.parametrize(("keep", "left"), [(3, 3), (20, 20), (50, 20)])
def test_so_many_checkpoints_are_kept_as_are_asked_for(home: Path, keep: int, left: int) -> None:
    pruning(home, keep=keep).run()
    for table in ("checkpoints", "writes"):
        found = rows(home, "checkpoints", table, "done")
        assert [row[2] for row in found] == [f"{n:04}" for n in range(20 - left, 20)]


def test_what_is_young_stays(home: Path) -> None:
    before = everything(home)
    assert pruning(home, before=now() - timedelta(days=1)).run().threads == 0
    assert everything(home) == before


def test_a_state_put_together_of_earlier_checkpoints_is_left_whole(home: Path) -> None:
    with closing(sqlite3.connect(home / "checkpoints.db")) as con, con:
        con.execute(
            "UPDATE checkpoints SET metadata = ? WHERE thread_id = 'done' AND checkpoint_id='0019'",
            (b'{"counters_since_delta_snapshot": {"messages": [3, 4]}}',),
        )
    pruning(home).run()
    assert len(rows(home, "checkpoints", "checkpoints", "done")) == 20


def test_used_keys_are_forgotten_when_they_are_old(home: Path) -> None:
    with closing(sqlite3.connect(home / "ledger.db")) as con, con:
        con.execute("UPDATE answer_keys SET at = '2020-01-01' WHERE key = 'ada:done'")
    assert pruning(home).run().keys == 1
    assert [row[0] for row in rows(home, "ledger", "answer_keys")] == ["ada:undelivered"]


POINTS = [
    f"prune.{name}.{edge}_commit{count}"
    for name in ("checkpoints", "events", "ledger")
    for edge in ("before", "after")
    for count in (("", ":2") if name == "checkpoints" else ("",))
]


@pytest.mark.crash
@pytest.mark.parametrize("point", [*POINTS, "prune.vacuum", "prune.rewritten"])
def test_a_kill_anywhere_leaves_what_the_next_one_finishes(
    home: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    if point == "prune.rewritten":
        make_older(home)
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(failpoints, "_AT", point)
        pruning(home).run()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert of_threads(home, UNTOUCHED) == of_threads(made, UNTOUCHED)
    pruning(home).run()
    whole = Path(shutil.copytree(made, tmp_path / "whole"))
    pruning(whole).run()
    assert everything(home) == everything(whole)
    for book in TABLES:
        with closing(sqlite3.connect(home / f"{book}.db")) as con:
            assert con.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(Ledger(home / "ledger.db")) as ledger:
        assert ledger.verify().ok


async def test_beside_a_service_at_work_nothing_of_that_is_lost(served: Path) -> None:
    limits = ServiceSettings(retention_days=0)
    async with open_service(Settings(home=served), limits, GRAPHS) as service:
        request = RunRequest(assistant_id="counter", input={"left": 30, "pause": 0.005})
        run = await service.engine.submit("finished", request, ADA)
        found: list[Pruned] = []
        while service.engine.has_work("finished"):
            found.append(await asyncio.to_thread(pruning(served, alone=False).run))
        assert len(found) > 1
        log = service.engine.records.events("finished", 0, run.run_id, limit=1000)
        assert [e.seq for e in log] == list(range(log[0].seq, log[0].seq + len(log)))
        thread = service.engine.records.thread_row("finished")
        assert (thread.status, len(thread.values["steps"])) == ("idle", 12 + 30)
        waiting = service.engine.records.thread_row("waiting").interrupts
        ids = [i["id"] for each in waiting.values() for i in each]
        answered = RunRequest(
            assistant_id="asker", command={"resume": {i: {"ok": True} for i in ids}}
        )
        await service.engine.submit("waiting", answered, ADA)
        while service.engine.has_work("waiting"):
            await asyncio.sleep(0.01)
        assert service.engine.records.thread_row("waiting").status == "idle"


async def test_the_service_forgets_by_itself(served: Path) -> None:
    limits = ServiceSettings(retention_days=1e-9)
    async with open_service(Settings(home=served), limits, GRAPHS):
        async with asyncio.timeout(30):
            while rows(served, "service", "run_events", "finished"):
                await asyncio.sleep(0.02)


def test_the_command_says_what_went_and_from_which_size_to_which(home: Path) -> None:
    said = invoke(home, "prune", "--older-than", 0, "--dry-run")
    assert "Would forget 32 checkpoints" in said.stdout
    done = document(home, "prune", "--older-than", 0)
    assert (done["checkpoints"], done["dry_run"]) == (32, False)
    assert done["saved_bytes"] == sum(f["before"] - f["after"] for f in done["files"]) > 0
    assert (
        "Nothing is left to forget of finished runs that were quiet for 30 days."
        in invoke(home, "prune").stdout
    )


def test_an_empty_home_has_nothing_to_forget(tmp_path: Path) -> None:
    assert document(tmp_path / "new", "prune")["files"] == []


@pytest.mark.parametrize("wrong", [("--keep", "0"), ("--older-than", "-1"), ("--keep", "x")])
def test_what_would_forget_too_much_is_refused(home: Path, wrong: tuple[str, str]) -> None:
    assert wrong[0] in refusal(invoke(home, "prune", *wrong), 2)
