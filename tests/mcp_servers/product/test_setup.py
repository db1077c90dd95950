"""Setting a product up: what is written, what is said, and that a failure leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.disks import fill, small_disk
from tests.products import QUERIES, make_database
from tools.product.contract import load_contract
from tools.product.descriptor import load_descriptor


def setup(*arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    ended = subprocess.run(
        [sys.executable, "-m", "mcp_servers.product.setup", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    return ended.returncode, [json.loads(x) for x in ended.stdout.splitlines()], ended.stderr


def init(directory: Path, *more: str | Path, database: Path | None = None) -> Any:
    where = database or make_database(directory / "sales.duckdb", 100)
    home = directory / "home"
    return setup("init", "--name", "sales", "--database", where, "--home", home, *more)


def test_a_product_is_registered_with_its_contract_and_workload(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(QUERIES + "DROP TABLE sales;")
    code, events, errors = init(tmp_path, "--queries", tmp_path / "q.sql")
    done = events[-1]
    assert (code, errors, done["event"]) == (0, "", "done")
    assert (done["tables"], done["patterns"], done["inferred"]) == (1, 3, True)
    assert [s["sql"] for s in done["skipped"]] == ["DROP TABLE sales"]
    assert load_descriptor(Path(done["descriptor"])).name == "sales"
    assert load_contract(Path(done["contract"]))


def test_registering_twice_gives_the_same_workload(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(QUERIES)
    database = make_database(tmp_path / "sales.duckdb", 100)
    more = ("--queries", tmp_path / "q.sql")
    first, again = [init(tmp_path, *more, database=database)[1][-1] for _ in range(2)]
    assert first == again


@pytest.mark.crash
def test_a_kill_before_the_descriptor_registers_nothing_and_the_next_try_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "q.sql").write_text(QUERIES)
    database = make_database(tmp_path / "sales.duckdb", 100)
    call = (tmp_path, "--queries", tmp_path / "q.sql")
    with monkeypatch.context() as environment:
        environment.setenv("PILLION_CRASH_AT", "setup.before_descriptor")
        code, events, errors = init(*call, database=database)
    assert (code != 0, events[-1]["event"], errors) == (True, "progress", "")
    assert not (tmp_path / "home" / "product.odps.yaml").exists()
    code, events, _ = init(*call, database=database)
    assert (code, events[-1]["patterns"]) == (0, 3)


def no_tables(directory: Path) -> tuple[str | Path, ...]:
    duckdb.connect(str(directory / "empty.duckdb")).close()
    return ("--database", directory / "empty.duckdb")


def not_duckdb(directory: Path) -> tuple[str | Path, ...]:
    (directory / "x.duckdb").write_text("hello " * 5000)
    return ("--database", directory / "x.duckdb")


def missing_file(directory: Path) -> tuple[str | Path, ...]:
    return ("--database", directory / "gone.duckdb")


def missing_queries(directory: Path) -> tuple[str | Path, ...]:
    return ("--queries", directory / "gone.sql")


def binary_queries(directory: Path) -> tuple[str | Path, ...]:
    (directory / "q.csv").write_bytes(b"PAR1\x00")
    return ("--queries", directory / "q.csv")


def bad_contract(directory: Path) -> tuple[str | Path, ...]:
    (directory / "odcs.yaml").write_text("hello: [")
    return ("--contract", directory / "odcs.yaml")


@pytest.mark.parametrize(("fault", "code", "said"), [
    (no_tables, "product_error", "has no tables"),
    (not_duckdb, "database_unusable", "x.duckdb"),
    (missing_file, "database_unusable", "There is no file"),
    (missing_queries, "import_failed", "does not exist"),
    (binary_queries, "import_failed", "is a binary file"),
    (bad_contract, "contract_invalid", "odcs.yaml"),
])  # fmt: skip
def test_a_failure_says_why_and_leaves_nothing(
    fault: Any, code: str, said: str, tmp_path: Path
) -> None:
    returned, events, errors = init(tmp_path, *fault(tmp_path))
    assert (returned, events[-1]["event"], events[-1]["code"]) == (1, "error", code)
    assert said in events[-1]["message"]
    assert (errors, (tmp_path / "home").exists()) == ("", False)


def test_a_disk_that_is_full_from_the_beginning_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(QUERIES)
    database = make_database(tmp_path / "sales.duckdb", 100)
    with small_disk(tmp_path / "disk", 1) as disk:
        fill(disk)
        code, events, _ = init(disk, "--queries", tmp_path / "q.sql", database=database)
        assert (code, "no space left" in events[-1]["message"]) == (1, True)
        assert not (disk / "home").exists()


def test_a_locked_database_names_who_holds_it(tmp_path: Path) -> None:
    database = make_database(tmp_path / "sales.duckdb", 10)
    with duckdb.connect(str(database)):
        returned, events, _ = init(tmp_path, database=database)
    assert (returned, events[-1]["code"]) == (1, "database_locked")
    assert str(os.getpid()) in events[-1]["message"]


def test_a_demo_in_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, events, errors = setup("demo", "--product", "tpch", "--directory", tmp_path / "file")
    assert (code, events[-1]["event"], errors) == (1, "error", "")
    assert "file" in events[-1]["message"]


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf"])
def test_a_demo_of_no_size_is_refused(scale: str, tmp_path: Path) -> None:
    code, events, errors = setup(
        "demo", "--product", "tpch", f"--scale={scale}", "--directory", tmp_path
    )
    assert (code, events[-1]["event"], errors) == (1, "error", "")
    assert list(tmp_path.glob("*.duckdb*")) == []


def test_a_small_demo_is_built_once(tmp_path: Path) -> None:
    ask = ("demo", "--product", "tpch", "--scale", "0.01", "--directory", tmp_path)
    code, events, _ = setup(*ask)
    assert (code, events[-1]["event"]) == (0, "done")
    written = Path(events[-1]["database"]).stat().st_mtime_ns
    assert setup(*ask)[1] == [events[-1]]
    assert Path(events[-1]["database"]).stat().st_mtime_ns == written


def test_what_a_killed_demo_left_beside_its_database_goes(tmp_path: Path) -> None:
    left = tmp_path / ".tpch.duckdb.abc.building"
    left.mkdir()
    (left / "orders.parquet").write_bytes(b"x")
    (tmp_path / "tpch.duckdb").touch()
    setup("demo", "--product", "tpch", "--directory", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["tpch.duckdb"]
