from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from evals.oracle.answers import answer, difference, same
from evals.scenarios import building, flights, given_up, rewrites
from evals.scenarios.families import expected, families
from evals.scenarios.scenario import Known, Scenario
from tools.demo import flights as demo_flights
from tools.demo import tpcgen
from tools.demo.building import Progress
from tools.messages import CreateIndex, CreateSummary, DropIndex, SortTable, TableName
from tools.product.catalog import read_catalog
from tools.product.contract import contradictions, load_contract
from tools.product.fingerprint import analyse
from tools.product.importers import import_path
from tools.product.workload_store import WorkloadStore, masked

FAMILIES = [
    pytest.param(name, marks=pytest.mark.xdist_group(f"scenario {name}"))
    for name in sorted(families())
]


@pytest.fixture(scope="module", autouse=True)
def generated_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Generators write the same files every time: what a seed changes comes after them."""
    made: dict[object, Path] = {}

    def generate(benchmark: tpcgen.Benchmark, into: Path, scale: float, tables: Any) -> None:
        key = (benchmark, scale, tables)
        if key not in made:
            made[key] = tmp_path_factory.mktemp(benchmark)
            tpcgen.generate(benchmark, made[key], scale, tables)
        shutil.copytree(made[key], into, dirs_exist_ok=True)

    def build_flights(path: Path, on_progress: Progress, *, scale: float) -> None:
        if scale not in made:
            made[scale] = tmp_path_factory.mktemp("flights") / "flights.duckdb"
            demo_flights.build_flights(made[scale], on_progress, scale=scale)
        shutil.copy(made[scale], path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "generate", generate)
        patch.setattr(flights, "build_flights", build_flights)
        # How long a query took stands in the log, and nothing here depends on it.
        patch.setattr(building, "MOST_TIMINGS", 1)
        yield


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Scenario]:
    """Build a family's scenario of seed 1 once; its files are not to be written."""
    return cache(lambda family: families()[family](1, tmp_path_factory.mktemp(family)))


def test_generated_tables_are_read_from_a_folder_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generate(benchmark: str, into: Path, scale: float, tables: Any) -> None:
        duckdb.sql("SELECT 1 AS i").write_parquet(str(into / "t.parquet"))

    monkeypatch.setattr(building, "generate", generate)
    folder = tmp_path / "o'brien's"
    folder.mkdir()
    path = building.write_generated(folder, "tpch", 1, {"t": "WHERE i = 1"})
    with duckdb.connect(str(path)) as con:
        assert con.execute("FROM t").fetchall() == [(1,)]


def contents(scenario: Scenario) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(scenario.database), read_only=True) as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        return {
            name: con.execute(f"SELECT count(*), sum(hash(t)) FROM {quote(name)} AS t").fetchall()
            for (name,) in tables
        }


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("family", FAMILIES)
def test_a_scenario_is_the_same_from_the_same_seed_and_another_from_another(
    family: str, first: Callable[[str], Scenario], tmp_path: Path
) -> None:
    for place in "bc":
        (tmp_path / place).mkdir()
    again = families()[family](1, tmp_path / "b")
    other = families()[family](2, tmp_path / "c")
    stored = contents(first(family))
    assert stored == contents(again)
    assert (first(family).later, first(family).later_data) == (again.later, again.later_data)
    assert first(family).consumers == again.consumers
    assert stored != contents(other)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_log_and_what_comes_later_run(
    family: str, first: Callable[[str], Scenario], tmp_path: Path
) -> None:
    scenario = first(family)
    assert scenario.expects == expected(family)
    with scenario.log.open(newline="") as log:
        lines = list(csv.DictReader(log))
    assert all(float(line["duration_ms"]) >= 0 for line in lines)
    copy = Path(shutil.copy(scenario.database, tmp_path))
    with duckdb.connect(str(copy)) as con:
        for sql in sorted({line["sql"] for line in lines}):
            con.execute(sql).fetchall()
        for statement in (*scenario.later_data, *scenario.later_data):
            con.execute(statement)
        for query in scenario.later:
            assert query.runs > 0
            con.execute(query.sql).fetchall()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_best_product_gives_the_same_answers_on_later_data_too(
    family: str, first: Callable[[str], Scenario], tmp_path: Path
) -> None:
    scenario = first(family)
    if scenario.best is None:
        assert scenario.expects != "gain"
        return
    best = scenario.best.whole
    texts = dict(best.texts)
    consumed = [sql for consumer in scenario.consumers for sql in consumer.queries]
    asked = [*(q.sql for q in scenario.later), *consumed]
    before, after = (Path(shutil.copy(scenario.database, tmp_path / n)) for n in "ba")
    with duckdb.connect(str(before)) as old, duckdb.connect(str(after)) as new:
        for statement in best.statements:
            new.execute(statement)
        for rows in ((), scenario.later_data):
            for con, statement in product((old, new), rows):
                con.execute(statement)
            for sql in asked:
                told = answer(old, sql), answer(new, texts.get(sql, sql))
                assert difference(sql, *told) == "", sql


def test_totals_follow_every_write() -> None:
    by, figures = {"shop": "shop"}, {"n": "count(*)", "total": "sum(cents)", "top": "max(cents)"}
    with duckdb.connect() as con:
        con.execute("CREATE TABLE sales AS SELECT i % 3 AS shop, i AS cents FROM range(9) AS r(i)")
        for statement in building.kept_totals("best", "sales", by, figures):
            con.execute(statement)
        for write in (
            "INSERT INTO sales VALUES (1, 50), (7, NULL), (NULL, 3)",
            "INSERT INTO sales VALUES (7, 2), (NULL, NULL)",
            "UPDATE sales SET shop = 2 WHERE cents = 50",
            "DELETE FROM sales WHERE shop = 0",
        ):
            con.execute(write)
            anew = "SELECT shop, count(*), sum(cents), max(cents) FROM sales GROUP BY shop"
            found = con.execute("FROM best ORDER BY ALL").fetchall()
            assert found == con.execute(f"{anew} ORDER BY ALL").fetchall(), write


def logged(scenario: Scenario) -> list[dict[str, str]]:
    with scenario.log.open(newline="") as log:
        return list(csv.DictReader(log))


@pytest.mark.parametrize("family", FAMILIES)
def test_another_month_asks_with_other_literals(
    family: str, first: Callable[[str], Scenario]
) -> None:
    scenario = first(family)
    past = {line["sql"] for line in logged(scenario)}
    with_literals = {q.sql for q in scenario.later if masked(q.sql) != q.sql}
    asked_before = {masked(sql) for sql in past}
    fresh = with_literals - past
    # A later month may also ask what was never asked; that alone is no other literal.
    again = {sql for sql in fresh if masked(sql) in asked_before}
    assert len(fresh) >= 2 and len(fresh) * 2 >= len(with_literals)
    assert again or family == "drifting"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_log_tells_of_the_loads_that_a_later_month_brings(
    family: str, first: Callable[[str], Scenario]
) -> None:
    scenario = first(family)
    lines = logged(scenario)
    writing = sum(line["sql"].startswith(("INSERT", "UPDATE")) for line in lines)
    loads = scenario.later_batches * len(scenario.later_data)
    if loads == len(scenario.later_data):
        assert not writing
        return
    days = [datetime.fromisoformat(line["timestamp"]) for line in lines]
    months = ((max(days).date() - min(days).date()).days + 1) / building.MONTH
    assert writing / months == pytest.approx(loads, rel=0.25)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_log_goes_over_days_that_seed_and_family_draw(
    family: str, first: Callable[[str], Scenario]
) -> None:
    days = [datetime.fromisoformat(line["timestamp"]) for line in logged(first(family))]
    span = (max(days).date() - min(days).date()).days + 1
    assert building.FEWEST_DAYS - 1 <= span <= building.MOST_DAYS
    assert max(days).date() == building.END.date() - timedelta(days=1)


def test_logs_are_of_all_ages() -> None:
    spans = [building.log_days(family, seed) for family in families() for seed in range(20)]
    assert sum(s < 14 for s in spans) > 80 and sum(s > 45 for s in spans) > 80
    assert building.log_days("tiny", 3) == building.log_days("tiny", 3)
    assert {building.log_days("tiny", s, fewest=30, most=30) for s in range(9)} == {30}


@pytest.mark.parametrize("seed", range(1, 40))
def test_only_the_report_that_was_given_up_looks_so_in_a_log_of_any_age(
    seed: int, tmp_path: Path
) -> None:
    scenario = given_up.build(seed, tmp_path)
    with closing(WorkloadStore(tmp_path / "w.db")) as store:
        import_path(scenario.log, store)
        with duckdb.connect(str(scenario.database)) as con:
            found = store.workload(read_catalog(con)).patterns
    silent = {p.sql for p in found if p.ceased}
    assert silent == {given_up.DAILY}


@pytest.mark.parametrize("family", FAMILIES)
def test_consumers_are_answered_and_read_what_the_contract_says_they_do(
    family: str, first: Callable[[str], Scenario], tmp_path: Path
) -> None:
    scenario = first(family)
    if scenario.contract is None:
        assert not scenario.consumers
        return
    document = yaml.safe_load(scenario.contract.read_text())
    declared = {
        (name, table["name"], column["name"])
        for table in document["schema"]
        for column in table["properties"]
        for stated in column.get("customProperties", ())
        for name in stated["value"]
    }
    past = {line["sql"] for line in logged(scenario)} | {q.sql for q in scenario.later}
    copy = Path(shutil.copy(scenario.database, tmp_path))
    with duckdb.connect(str(copy)) as con:
        catalog = read_catalog(con)
        wrong = contradictions(load_contract(scenario.contract), catalog)
        assert [f for f in wrong if f.severity == "breaking"] == []
        for statement in scenario.later_data:
            con.execute(statement)
        for consumer in scenario.consumers:
            reads = {
                (consumer.name, t, c) for t, columns in consumer.reads.items() for c in columns
            }
            uses = {
                (consumer.name, use.table.name, use.column)
                for sql in consumer.queries
                for use in analyse(sql, catalog).columns
            }
            viewed = {
                name for name in consumer.reads if catalog.table(TableName(name=name)) is None
            }
            assert reads <= declared and (uses == reads or viewed)
            for sql in consumer.queries:
                assert sql not in past and con.execute(sql).fetchall(), sql


CONSUMED = {
    "drop_unused", "enum_group_by", "event_log", "finance_mesh", "flights", "leading_zeros",
    "promised_unused", "star_schema", "views", "wide_table",
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_product_with_consumers_has_a_log_that_names_who_asks(
    family: str, first: Callable[[str], Scenario]
) -> None:
    assert bool(first(family).consumers) == (family in CONSUMED)
    if family in CONSUMED:
        assert {line["user"] for line in logged(first(family))} - {""}


def test_a_known_improvement_is_recognised_by_kind_table_and_column() -> None:
    table = TableName(name="sales")
    known = Known(("create_index", "sort_table"), "sales", "day")
    assert known.is_brought_by(CreateIndex(table=table, columns=("day",), name="i"))
    assert known.is_brought_by(SortTable(table=table, order_by=("day", "id")))
    assert not known.is_brought_by(SortTable(table=table, order_by=("id", "day")))
    assert not known.is_brought_by(CreateIndex(table=table, columns=("id",), name="i"))
    elsewhere = TableName(name="orders")
    assert not known.is_brought_by(CreateIndex(table=elsewhere, columns=("day",), name="i"))


def test_a_known_index_to_drop_is_recognised_by_its_name() -> None:
    known = Known(("drop_index",), "sales", "copy")
    drops = [DropIndex(table=TableName(name="sales"), name=n, definition="") for n in ("copy", "b")]
    assert [known.is_brought_by(drop) for drop in drops] == [True, False]


TEMPTING = (
    "SELECT count(*) AS n FROM sales WHERE NOT EXISTS (SELECT 1 FROM returns WHERE sale_id = id)",
    "SELECT shop FROM sales WHERE id % 2 = 0 ORDER BY shop",
    "SELECT count(*) AS n FROM sales",
    "SELECT count(*) AS n FROM (SELECT sale_id FROM returns UNION ALL SELECT id FROM sales"
    " WHERE coupon IS NULL)",
    "SELECT count(*) AS n, count(reason) AS returned FROM sales JOIN returns ON id = sale_id",
)


def test_what_tempts_in_a_look_alike_answers_otherwise(first: Callable[[str], Scenario]) -> None:
    with duckdb.connect(str(first("rewrites").database), read_only=True) as con:
        for sql, tempting in zip(rewrites.LOOK_ALIKES, TEMPTING, strict=True):
            answers = [con.execute(text).fetchall() for text in (sql, tempting)]
            assert not same(sql, *answers), sql


def test_the_wide_table_promises_what_only_later_queries_read(
    first: Callable[[str], Scenario],
) -> None:
    scenario = first("wide_table")
    assert scenario.contract is not None
    document = yaml.safe_load(scenario.contract.read_text())["schema"][0]["properties"]
    reads = [line for line in scenario.log.read_text().splitlines() if "INSERT" not in line]
    promised = [column["name"] for column in document]
    unread = [name for name in promised if not any(name in line for line in reads)]
    later = " ".join(query.sql for query in scenario.later)
    with duckdb.connect(str(scenario.database), read_only=True) as con:
        columns = con.execute("SELECT count(*) FROM duckdb_columns()").fetchall()
    assert columns[0][0] >= 150
    assert len(unread) >= 10 and all(name in later for name in unread)


def test_any_summary_of_the_table_is_the_known_summary() -> None:
    change = CreateSummary(
        table=TableName(name="sales"), summary=TableName(name="s"), dimensions=(), aggregates=(),
        rewrites=(),
    )  # fmt: skip
    assert Known(("create_summary",), "sales").is_brought_by(change)
