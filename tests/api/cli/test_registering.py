"""Registering a product, and adding queries to it later."""

from __future__ import annotations

import errno
import os
import select
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from filelock import FileLock

from api.cli import registering
from graph.settings import Settings
from tests.commands import document, invoke, refusal, started
from tests.preforked import PYTHON
from tests.products import make_database
from tools.product.descriptor import load_descriptor

TOTAL = "SELECT sum(CAST(amount AS INTEGER)) FROM sales;\n"
REGIONS = "SELECT region, count(*) FROM sales GROUP BY region;\n"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return make_database(tmp_path / "sales.duckdb", 1000)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_same_command_again_adds_queries_and_leaves_the_contract(
    home: Path, database: Path, tmp_path: Path
) -> None:
    assert "There are no queries" in invoke(home, "init", "--database", database).stdout
    product = home / "products" / "sales"
    contract = product / "contract.odcs.yaml"
    contract.write_text(contract.read_text() + "# mine\n")
    first, second = write(tmp_path / "a.sql", TOTAL), write(tmp_path / "b.sql", REGIONS)
    for queries, patterns in ((first, 1), (second, 2), (second, 2)):
        done = document(home, "init", "--database", database, "--queries", queries)
        assert (done["added"], done["patterns"]) == (True, patterns)
    said = invoke(home, "init", "--database", database, "--queries", first).stdout
    assert "Product sales: 1 table, 2 query patterns." in said and "contract" not in said
    known = load_descriptor(product / "product.odps.yaml")
    assert known.queries == (str(first), str(second))
    assert contract.read_text().endswith("# mine\n")


def test_rows_of_a_log_that_cannot_be_read_are_named_without_what_they_hold(
    home: Path, database: Path, tmp_path: Path
) -> None:
    log = write(tmp_path / "log.csv", "ms,sql\n7,\n8,-- secret\n9,SELECT max(amount) FROM sales\n")
    call = ("init", "--database", database, "--queries", log)
    said = invoke(home, *call).stdout
    assert (
        "2 rows of the query log could not be read in full:\n"
        f"  {log}:2: it holds no SQL\n"
        f"  {log}:3: its SQL is a comment and nothing else\n"
    ) in said
    assert "secret" not in said
    done = document(home, *call)
    assert (done["malformed"], [row["line"] for row in done["unread"]]) == (2, [2, 3])


def test_statements_beyond_the_listed_that_are_not_measured_are_counted(
    home: Path, database: Path, tmp_path: Path
) -> None:
    log = write(tmp_path / "a.sql", TOTAL + ";" + "".join(f"DROP TABLE t{i};" for i in range(23)))
    call = ("init", "--database", database, "--queries", log)
    said = invoke(home, *call).stdout
    assert said.count("Not measured: Only one SELECT may run here, not DROP") == 20
    assert "Not measured, nor listed here: 3 more statements.\n" in said
    done = document(home, *call)
    assert (len(done["skipped"]), done["skipped_total"]) == (20, 23)


def test_of_several_files_all_are_added_or_none(home: Path, database: Path, tmp_path: Path) -> None:
    good, bad = write(tmp_path / "a.sql", TOTAL), write(tmp_path / "b.csv", "a,b\n1,2\n")
    document(home, "init", "--database", database)
    before = (home / "products" / "sales" / "product.odps.yaml").read_text()
    more = ("--queries", good, "--queries", bad)
    assert "no column with SQL" in refusal(invoke(home, "init", "--database", database, *more))
    assert (home / "products" / "sales" / "product.odps.yaml").read_text() == before
    assert document(home, "init", "--database", database, "--queries", good)["patterns"] == 1


@pytest.mark.parametrize("point", ["setup.before_import", "import.before_commit"])
def test_queries_whose_adding_was_killed_are_there_with_the_next_command(
    home: Path, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    document(home, "init", "--database", database)
    queries = ("--queries", write(tmp_path / "a.sql", TOTAL))
    call = ("init", "--database", database, *queries)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    said = refusal(invoke(home, *call, PILLION_CRASH_AT=point))
    assert "ended early" in said and "Run the command again" in said
    assert list((tmp_path / "scratch").iterdir()) == []
    assert document(home, *call)["patterns"] == 1


def opened_by_its_reader(pipe: Path) -> int:
    """Open a named pipe once somebody reads it, who then waits for what it brings."""
    ends = time.monotonic() + 20
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as exc:
            assert exc.errno == errno.ENXIO and time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.crash
def test_a_killed_command_leaves_nobody_who_registers_later(
    home: Path, database: Path, tmp_path: Path
) -> None:
    queries = tmp_path / "q.sql"
    os.mkfifo(queries)
    call = ("init", "--database", database, "--queries", queries)
    # A set-up process that the tests fork ends with its command anyway.
    with started(home, *call, python=PYTHON) as child:
        pipe = opened_by_its_reader(queries)
        child.kill()
    nobody_reads = select.poll()
    nobody_reads.register(pipe, 0)
    assert nobody_reads.poll(10_000)
    os.close(pipe)
    assert document(home, "status")["products"] == []


def test_products_are_set_up_one_after_the_other(
    home: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registering, "LOCK_SECONDS", 0.05)
    home.mkdir()
    for call in (("init", "--database", database), ("demo",)):
        with FileLock(home / "setup.lock"):
            said = refusal(invoke(home, *call))
        assert "Another command sets a product up" in said and "Wait for it" in said
    document(home, "init", "--database", database)


def test_who_waits_to_set_up_goes_on_when_the_other_takes_its_home_away(home: Path) -> None:
    settings = Settings(home=home)
    held = threading.Event()

    def fail() -> None:
        with suppress(ValueError), registering.setting_up(settings):
            held.set()
            time.sleep(0.2)
            raise ValueError

    other = threading.Thread(target=fail)
    other.start()
    held.wait()
    with registering.setting_up(settings):
        assert home.exists()
        other.join()
    assert home.exists()


def test_a_home_that_was_there_stays_where_a_set_up_fails(tmp_path: Path) -> None:
    for home in (tmp_path / "there", tmp_path / "a" / "b"):
        if home.name == "there":
            home.mkdir()
        with suppress(ValueError), registering.setting_up(Settings(home=home)):
            raise ValueError
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


def test_what_failed_is_told_though_the_home_went_meanwhile(home: Path) -> None:
    with (
        pytest.raises(ValueError, match="the reason"),
        registering.setting_up(Settings(home=home)),
    ):
        shutil.rmtree(home)
        raise ValueError("the reason")


def test_a_known_product_is_not_registered_anew(home: Path, database: Path, tmp_path: Path) -> None:
    document(home, "init", "--database", database)
    said = refusal(invoke(home, "init", "--database", database))
    assert "already a product 'sales', of this database" in said and "--queries" in said
    other = make_database(tmp_path / "other.duckdb", 10)
    queries = ("--queries", write(tmp_path / "a.sql", TOTAL))
    said = refusal(invoke(home, "init", "--database", other, "--name", "sales", *queries))
    assert str(database) in said and "another --name" in said
    contract = write(tmp_path / "odcs.yaml", "kind: DataContract\n")
    more = (*queries, "--contract", contract)
    said = refusal(invoke(home, "init", "--database", database, *more))
    assert "contract.odcs.yaml; edit that file" in said


def test_a_database_is_one_product_whatever_it_is_called(
    home: Path, database: Path, tmp_path: Path
) -> None:
    document(home, "init", "--database", database)
    (tmp_path / "link.duckdb").symlink_to(database)
    for arguments in ((database, "--name", "other"), (tmp_path / "link.duckdb",)):
        said = refusal(invoke(home, "init", "--database", *arguments))
        assert "is the product 'sales' already" in said and "pillion run sales" in said
    assert [p["name"] for p in document(home, "status")["products"]] == ["sales"]


def test_a_directory_is_no_database(home: Path, tmp_path: Path) -> None:
    said = refusal(invoke(home, "init", "--database", tmp_path))
    assert "is a directory, not a DuckDB file; name" in said
