from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.commands import document, invoke, make_home, refusal, started
from tests.forked import Forked
from tests.ports import free_port
from tests.preforked import PYTHON


def ask(url: str, token: str = "", body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as got:
            return got.status, json.load(got)
    except urllib.error.HTTPError as exc:
        return exc.code, json.load(exc)


@contextmanager
def serving(home: Path) -> Iterator[tuple[Forked, dict[str, Any]]]:
    """Serve the product of sales; yields the process and what it printed."""
    port = free_port()
    # With a server of its own, which is interrupted and ends with it.
    with started(home, "serve", "sales", "--port", port, "--json", python=PYTHON) as child:
        line = child.stdout.readline()
        assert line, child.stderr.read()
        yield child, json.loads(line)


def token_of(home: Path, name: str = "token") -> str:
    return str(json.loads((home / "products/sales/serving.json").read_text())[name])


def test_serving_answers_health_and_queries_with_the_token_until_ctrl_c(home: Path) -> None:
    make_home(home, rows=1000)
    where = home / "products/sales/serving.json"
    with serving(home) as (child, said):
        assert stat.S_IMODE(where.stat().st_mode) == 0o600
        assert ask(said["url"] + "/health") == (200, {"status": "ok", "product": "sales"})
        sql = {"sql": "SELECT count(*) AS n FROM sales"}
        assert ask(said["url"] + "/query", token_of(home), sql)[1]["rows"] == [[1000]]
        assert ask(said["url"] + "/query", "wrong", sql)[0] == 401
        asking = token_of(home, "query_token")
        assert ask(said["url"] + "/query", asking, sql)[1]["rows"] == [[1000]]
        assert ask(said["url"] + "/mcp", asking, sql)[0] == 403
        assert document(home, "status")["products"][0]["serving"] == said["url"] + "/mcp"
        os.killpg(child.pid, signal.SIGINT)
        out, complaint = child.communicate(timeout=30)
    assert (child.returncode, out, complaint) == (0, "", "")
    assert not where.exists()


def test_a_second_serve_is_refused_and_a_run_goes_through_the_first(home: Path) -> None:
    make_home(home, rows=20_000)
    with serving(home) as (child, said):
        refused = refusal(invoke(home, "serve", "sales", "--port", free_port()))
        assert f"already served at {said['url']}/mcp" in refused
        run = document(home, "run", "sales", "--budget", "4")
        child.terminate()
        child.communicate(timeout=30)
    assert run["tried"] > 0
    assert child.returncode == 0
    assert not (home / "products/sales/serving.json").exists()


def test_queries_are_not_added_while_the_product_is_served(home: Path, tmp_path: Path) -> None:
    make_home(home, rows=1000)
    more = tmp_path / "more.sql"
    more.write_text("SELECT max(id) FROM sales;")
    database = home / "products" / "sales" / "sales.duckdb"
    with serving(home) as (child, said):
        told = refusal(
            invoke(home, "init", "--name", "sales", "--database", database, "--queries", more)
        )
        assert f"sales is served at {said['url']}/mcp" in told and "serve it again" in told
        other = refusal(invoke(tmp_path / "another", "init", "--database", database))
        held = json.loads((home / "products/sales/serving.json").read_text())["pid"]
        assert f"is held by Pillion's own product server (PID {held})" in other
        child.terminate()
        child.communicate(timeout=30)


def test_a_product_server_that_is_interrupted_itself_ends_quietly(home: Path) -> None:
    make_home(home, rows=1000)
    with serving(home) as (child, _):
        held = json.loads((home / "products/sales/serving.json").read_text())["pid"]
        os.kill(held, signal.SIGINT)
        out, complaint = child.communicate(timeout=30)
    assert (child.returncode, out, complaint) == (0, "", "")


def test_a_live_query_becomes_part_of_the_workload(home: Path) -> None:
    make_home(home, rows=1000)
    with serving(home) as (child, said):
        sql = {"sql": "SELECT region, max(id) FROM sales WHERE status = 'paid' GROUP BY region"}
        for _ in range(3):
            assert ask(said["url"] + "/query", token_of(home), sql)[0] == 200
        child.terminate()
        child.communicate(timeout=30)
    with closing(sqlite3.connect(home / "products/sales/workload.db")) as con:
        found = con.execute("SELECT sql, runs FROM texts WHERE source = 'tap'").fetchall()
    assert found == [(sql["sql"], 3)]


def test_a_port_in_use_is_said_before_anything_starts(home: Path) -> None:
    make_home(home, rows=10)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(invoke(home, "serve", "sales", "--port", port))
    assert f"Port {port} is in use; choose another with --port" in said
    assert not (home / "products/sales/serving.json").exists()


def test_a_product_whose_database_is_gone_is_not_served(home: Path) -> None:
    make_home(home, rows=10)
    (home / "products/sales/sales.duckdb").unlink()
    said = refusal(invoke(home, "serve", "sales", "--port", free_port()))
    assert "There is no file" in said
    assert not (home / "products/sales/serving.json").exists()


def test_an_unknown_product_is_not_served(home: Path) -> None:
    assert "No product 'nope'. Known products: none yet" in refusal(invoke(home, "serve", "nope"))


@pytest.mark.parametrize("command", [["run", "sales"], ["serve", "sales"], ["status"]])
def test_a_damaged_serving_file_is_named_with_what_to_do(command: list[str], home: Path) -> None:
    make_home(home, rows=10)
    where = home / "products/sales/serving.json"
    where.write_text('{"url": "http')
    said = refusal(invoke(home, *command))
    assert f"{where} is damaged" in said
    assert "delete the file" in said
    assert f"{where} is damaged" in invoke(home, "doctor").stdout


def test_a_serving_file_of_a_dead_or_foreign_process_is_not_believed(home: Path) -> None:
    make_home(home, rows=10)
    where = home / "products/sales/serving.json"
    for pid in (2**22 + 1, os.getpid(), -5):
        where.write_text(json.dumps({"url": "http://127.0.0.1:1/mcp", "token": "t", "pid": pid}))
        assert document(home, "status")["products"] == [{"name": "sales", "serving": None}]


def test_serving_ends_although_a_query_still_runs(home: Path) -> None:
    make_home(home, rows=1000)
    slow = "SELECT count(*) FROM sales a, sales b, sales c WHERE a.id * b.id * c.id % 7 = 1"
    with serving(home) as (child, said):
        request = urllib.request.Request(
            said["url"] + "/query",
            json.dumps({"sql": slow}).encode(),
            {"Authorization": f"Bearer {token_of(home)}"},
        )
        with pytest.raises((OSError, TimeoutError)):
            urllib.request.urlopen(request, timeout=1)
        begun = time.monotonic()
        os.killpg(child.pid, signal.SIGINT)
        child.communicate(timeout=60)
    assert child.returncode == 0
    assert time.monotonic() - begun < 40
