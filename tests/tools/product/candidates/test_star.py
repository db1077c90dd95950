"""Queries that join a table with others, answered from the table's summary: the same, or not."""

from __future__ import annotations

import random

import duckdb
import pytest

from tests.finding import look, works
from tests.jobs import make_pattern
from tests.joins import DIMENSIONS, ODD_FIGURES, ODD_JOINS, database, random_query, write
from tools.messages import Aggregate, CreateSummary, Dimension, TableName
from tools.product import executor, summaries
from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.context import CandidateContext
from tools.product.candidates.edited import with_own_answers
from tools.product.candidates.grains import grain_of
from tools.product.candidates.grouped import parse_part
from tools.product.candidates.star_shape import asked_of_stars
from tools.product.candidates.summary import find_summaries
from tools.product.catalog import read_catalog, read_table
from tools.product.dispatch import alike, dispatched
from tools.product.fingerprint import parse
from tools.product.workload import Workload

F = TableName(name="f")


def summary(con: duckdb.DuckDBPyConnection, dimensions: list[str]) -> CreateSummary:
    """Return a summary of the fact table, made for real."""
    table = read_table(con, F)
    assert table is not None
    stored = [("count", ""), *((a, "x") for a in ("sum", "count", "min", "max")), ("sum", "d"),
              ("count", "d"), ("count", "1"), ("max", "k")]  # fmt: skip
    columns = {"k": "k", "g": "g", "m": "m"}
    change = CreateSummary(
        table=F, summary=TableName(name="totals"), rewrites=(),
        dimensions=tuple(
            Dimension(
                expression=e, column=columns.get(e.strip('"'), f"d{i}"),
                grain=grain_of(parse_part(e), table),
            )
            for i, e in enumerate(dimensions)
        ),
        aggregates=tuple(
            Aggregate(function=f, argument=a, column=f"a{i}") for i, (f, a) in enumerate(stored)
        ),
    )  # fmt: skip
    for statement in summaries.create(change, table):
        con.execute(statement)
    return change


def rows_of(con: duckdb.DuckDBPyConnection, sql: str, ordered: bool) -> list[str]:
    found = [repr(row) for row in con.execute(sql).fetchall()]
    return found if ordered else sorted(found)


def check(
    con: duckdb.DuckDBPyConnection, asked: list[tuple[str, bool]], change: CreateSummary
) -> list[str]:
    """Hold every answer against the engine's own; return which queries were answered."""
    answered = []
    catalog = read_catalog(con)
    for query, ordered in asked:
        answer = answer_from_summary(query, change)
        found = (fact.name for fact, _ in asked_of_stars(parse(query), catalog, 0))
        joined = change.table in found or not parse(query).args.get("joins")
        if answer is None or not joined or not works(con, query):
            continue
        # What the engine refuses is answered by the query itself.
        if works(con, answer):
            answered.append(query)
            same = rows_of(con, query, ordered) == rows_of(con, answer, ordered)
            assert same, (query, answer)
            assert alike(con, query, answer), (query, answer)
    return answered


WRITES = (
    "UPDATE f SET k = 'a' WHERE g = 1", "DELETE FROM f WHERE k = 'b'", "DELETE FROM p WHERE g = 1",
    "UPDATE p SET k = 'a', y = '7' WHERE k = 'B'", "UPDATE f SET x = 5, m = NULL WHERE g = 0",
    "INSERT INTO p SELECT * FROM p", "UPDATE q SET g = 2", "INSERT INTO f SELECT * FROM f",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_what_is_answered_for_a_join_is_the_querys_own_whatever_is_written_later(seed: int) -> None:
    rng = random.Random(seed)
    asked = [random_query(rng) for _ in range(60)]
    with database(rng) as con:
        change = summary(con, ['"k"', *rng.sample(DIMENSIONS, rng.randint(1, 3))])
        assert len(check(con, asked, change)) > 5
        write(con, rng)
        for statement in rng.sample(WRITES, 3):
            con.execute(statement)
        check(con, asked, change)


@pytest.mark.parametrize("seed", range(100, 102))
def test_summaries_that_are_proposed_for_joins_answer_them(seed: int) -> None:
    rng = random.Random(seed)
    with database(rng) as con:
        asked = [q for q in (random_query(rng) for _ in range(40)) if works(con, q[0])]
        ordered, answered = dict(asked), 0
        for change in proposed(con, list(ordered)):
            table = read_table(con, change.table)
            assert table is not None
            for statement in summaries.create(change, table):
                con.execute(statement)
            write(con, rng)
            again = [(q, ordered[q]) for q, _ in change.rewrites]
            answered += len(check(con, again, change))
            for statement in rng.sample(WRITES, 3):
                con.execute(statement)
            check(con, again, change)
            triggers = [t.name for found in read_catalog(con).tables for t in found.triggers]
            for statement in summaries.drop(change, triggers):
                con.execute(statement)
        assert answered > 5


def proposed(con: duckdb.DuckDBPyConnection, queries: list[str]) -> list[CreateSummary]:
    """Return what the finder makes of these queries, as if all tables were large."""
    catalog = read_catalog(con)
    large = tuple(t.model_copy(update={"rows": 10**6}) for t in catalog.tables)
    catalog = catalog.model_copy(update={"tables": large})
    patterns = tuple(make_pattern(q, catalog) for q in queries)
    context = CandidateContext(
        product="p", catalog=catalog, workload=Workload(patterns=patterns),
        probe=lambda sql: con.execute(sql).fetchall(),
    )  # fmt: skip
    found = (c.change for c in find_summaries(context).candidates)
    return [change for change in found if isinstance(change, CreateSummary)]


@pytest.mark.parametrize("join", ODD_JOINS)
def test_joins_that_are_not_plain_are_not_answered(join: str) -> None:
    with database(random.Random(1)) as con:
        change = summary(con, ['"k"', '"g"'])
        assert answer_from_summary("SELECT count(*) AS n FROM f JOIN p ON p.k = f.k", change)
        assert answer_from_summary(f"SELECT count(*) AS n FROM {join}", change) is None


@pytest.mark.parametrize(
    "query",
    [
        "SELECT f.k, count(*) FROM f JOIN p ON p.k = f.k WHERE name = 'b' GROUP BY f.k",
        "SELECT k, count(*) FROM f JOIN p ON p.k = f.k GROUP BY k",
        "SELECT f.k AS a, count(*) FROM f JOIN p ON p.k = f.k GROUP BY f.k ORDER BY name",
        "SELECT count(p.s.k) FROM f JOIN p ON p.k = f.k",
        "SELECT count(*) FROM f JOIN p ON p.k = f.k WHERE main.f.k = 'a'",
        "SELECT f.k AS a, p.k AS a, count(*) FROM f, p GROUP BY 1, 2 ORDER BY a",
        "SELECT p.name AS g, count(*) FROM f JOIN p ON p.k = f.k GROUP BY g",
        "SELECT lower(f.k) AS p, count(*) FROM f JOIN p ON p.k = f.k GROUP BY p",
        "SELECT count(*) FROM f JOIN p USING (name)",
        "SELECT count(*) FROM f JOIN p USING (d)",
        "SELECT p.name, count(*) FROM f JOIN p ON p.k = f.x GROUP BY p.name",
        "SELECT p.name, count(*) FROM f JOIN p ON p.k = f.k",
        "SELECT p.name FROM f JOIN p ON p.k = f.k",
        "SELECT p.*, count(*) FROM f JOIN p ON p.k = f.k GROUP BY ALL",
        "SELECT DISTINCT p.name FROM f JOIN p ON p.k = f.k GROUP BY p.name",
        "SELECT p.k, count(*) FROM f JOIN p ON p.k = f.k GROUP BY CUBE (p.k)",
        "SELECT count(*) FROM f JOIN p ON p.k = f.k AND random() > 0.5",
        "SELECT any_value(f.k) FROM f JOIN p ON p.k = f.k",
        "SELECT any_value(p.k ORDER BY p.g) FROM f JOIN p ON p.k = f.k",
        "SELECT first(p.k) FROM f JOIN p ON p.k = f.k",
        "SELECT f.k || #1 AS a, count(*) FROM f JOIN p ON p.k = f.k GROUP BY 1",
        "SELECT sum(CAST(p.y AS HUGEINT)) FROM f JOIN p ON p.k = f.k",
        "SELECT count(*) FROM other.f JOIN p ON p.k = f.k",
        "SELECT count(*) FROM f JOIN elsewhere.main.p ON p.k = f.k",
        "SELECT pillion_other_column_0.k, count(*) FROM f, p AS pillion_other_column_0 GROUP BY 1",
        "WITH p AS (SELECT 1 AS k) SELECT count(*) FROM f JOIN p ON p.k = f.k",
        *(f"SELECT {figure} AS n FROM f JOIN p ON p.k = f.k" for figure in ODD_FIGURES
          if "p.z AS INTEGER" not in figure and "UINTEGER" not in figure),
    ],
)  # fmt: skip
def test_what_is_not_known_to_be_exact_of_a_join_is_not_answered(query: str) -> None:
    with database(random.Random(1)) as con:
        assert answer_from_summary(query, summary(con, ['"k"', '"g"', "lower(k)"])) is None


@pytest.mark.parametrize(
    "query",
    [
        "SELECT f.k, count(*) AS c FROM f LEFT JOIN p ON p.k = f.k WHERE f.k = 'k7' GROUP BY f.k"
        " HAVING count(*) > 1",
        "SELECT f.k, count(*) > 1 AS c FROM f LEFT JOIN p ON p.k = f.k WHERE f.k = 'k7'"
        " GROUP BY f.k",
        "SELECT f.k, CASE WHEN count(f.x) > 100 THEN 'many' ELSE 'few' END AS c"
        " FROM f LEFT JOIN p ON p.k = f.k WHERE f.k = 'k7' GROUP BY f.k",
        "SELECT f.k, count(*) AS c FROM f LEFT JOIN p ON p.k = f.k AND p.name = 'zz'"
        " GROUP BY f.k HAVING count(*) > 150",
        "SELECT f.k, count(*) AS c FROM f LEFT JOIN p ON p.k = f.k GROUP BY f.k"
        " HAVING count(*) FILTER (WHERE p.name IS NULL) > 3",
        "SELECT f.k, avg(f.x) > 3 AS c, sum(f.x) AS s FROM f LEFT JOIN p ON p.k = f.k"
        " WHERE f.k = 'k7' GROUP BY f.k",
    ],
)
@pytest.mark.parametrize("others", [0, 5])
def test_counts_are_compared_as_they_are_where_nothing_is_joined(query: str, others: int) -> None:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE f AS SELECT 'k' || i % 9 AS k, (i % 7)::BIGINT AS x, 1 AS g, 1 AS m,"
            " DATE '2026-01-01' AS d FROM range(2000) r(i)"
        )
        con.execute(
            f"CREATE TABLE p AS SELECT 'k' || i AS k, 'n' AS name FROM range({others}) r(i)"
        )
        change = stored(con)
        answer = answer_from_summary(query, change)
        assert answer is not None
        found = con.execute(answer).fetchall()
        # The engine plans away what is compared of some sums of its own, too.
        con.execute("PRAGMA disable_optimizer")
        own = con.execute(query).fetchall()
        assert own != []
        assert sorted(found) == sorted(own)


def stored(con: duckdb.DuckDBPyConnection) -> CreateSummary:
    table = read_table(con, F)
    assert table is not None
    totals = (("count", ""), ("count", "x"), ("sum", "x"))
    change = CreateSummary(
        table=F, summary=TableName(name="totals"), rewrites=(),
        dimensions=(Dimension(expression='"k"', column="k"),),
        aggregates=tuple(
            Aggregate(function=f, argument=a and f'"{a}"', column=f"a{i}")  # type: ignore[arg-type]
            for i, (f, a) in enumerate(totals)
        ),
    )  # fmt: skip
    for statement in summaries.create(change, table):
        con.execute(statement)
    return change


def test_any_value_is_any_of_the_joined_rows() -> None:
    query = (
        "SELECT p.k, any_value(p.name) AS name, any_value(p.z) FILTER (WHERE p.z > f.g) AS z,"
        " count(*) AS n FROM f JOIN p ON p.k = f.k GROUP BY p.k ORDER BY p.k"
    )
    with database(random.Random(1)) as con:
        con.execute("DELETE FROM p")
        con.execute("INSERT INTO p VALUES ('a', 1, 'one', '1', 0.5), ('b', 1, NULL, '1', 1.5)")
        assert check(con, [(query, True)], summary(con, ['"k"', '"g"'])) == [query]


def test_the_widest_sums_do_not_overflow() -> None:
    query = "SELECT sum(TRY_CAST(p.y AS BIGINT)) AS n FROM f JOIN p ON p.k = f.k"
    with database(random.Random(1)) as con:
        con.execute("DELETE FROM p")
        con.execute("INSERT INTO p VALUES ('a', 1, 'one', '-9223372036854775808', 0.5)")
        con.execute("INSERT INTO f SELECT 'a', 1, NULL, 1, 1 FROM range(100_000)")
        assert check(con, [(query, True)], summary(con, ['"k"'])) == [query]


def shop(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE sales AS SELECT 'p' || i % 40 AS part, i % 7 AS place, i AS amount,"
        " TIMESTAMP '2024-01-01' + to_minutes(i) AS sold, i / 3 AS share, 'x' AS name"
        " FROM range(30000) r(i)"
    )
    con.execute("CREATE TABLE parts (part VARCHAR, maker VARCHAR, size VARCHAR)")
    con.execute("INSERT INTO parts SELECT 'p' || i, 'm' || i % 3, i FROM range(50) r(i)")
    con.execute("CREATE VIEW parts_seen AS SELECT * FROM parts")
    con.execute("CREATE TABLE folded (part VARCHAR COLLATE NOCASE)")
    con.execute("CREATE TABLE spans (part VARCHAR, span INTERVAL)")


BY_MAKER = (
    "SELECT p.maker, count(*) AS n, sum(s.amount) AS total FROM sales s"
    " LEFT JOIN parts p ON p.part = s.part GROUP BY p.maker ORDER BY n DESC, p.maker"
)


def test_a_summary_serves_joins_and_what_reads_its_table_alone(
    con: duckdb.DuckDBPyConnection,
) -> None:
    shop(con)
    queries = [
        BY_MAKER,
        "SELECT part, count(*) AS n FROM sales GROUP BY part",
        "SELECT date_trunc('day', s.sold) AS day, sum(CAST(p.size AS BIGINT)) AS size"
        " FROM parts AS p JOIN sales AS s USING (part) WHERE s.sold < DATE '2024-01-09' GROUP BY 1",
        "SELECT s.part || p.maker AS k, count(*) AS n FROM sales s, parts p"
        " WHERE s.part = p.part AND s.place = 1 GROUP BY k",
    ]
    first, *_ = look(con, queries, {"create_summary"}).candidates
    assert isinstance(first.change, CreateSummary)
    assert {q for q, _ in first.change.rewrites} >= set(queries[:2])
    served = [q for c in look(con, queries, {"create_summary"}).candidates
              if isinstance(c.change, CreateSummary) for q, _ in c.change.rewrites]  # fmt: skip
    assert set(served) == set(queries)
    asked = {q: con.execute(q).fetchall() for q in queries}
    executor.apply(con, first.id, first.change)
    rewrites = executor.dispatch_rewrites(con)
    for query, _ in first.change.rewrites:
        text = dispatched(con, query, rewrites)
        assert text != query
        assert sorted(con.execute(text).fetchall()) == sorted(asked[query])


@pytest.mark.parametrize(
    "query",
    [
        BY_MAKER.replace("parts p", "parts_seen p"),
        BY_MAKER.replace("parts p", "gone p"),
        BY_MAKER.replace("sum(s.amount)", "sum(p.amount)"),
        BY_MAKER.replace("sum(s.amount)", "sum(s.share)"),
        BY_MAKER.replace("s.part", "s.share"),
        "SELECT f.part, count(*) AS n FROM sales s JOIN folded f ON f.part = s.part GROUP BY 1",
        "SELECT t.span, count(*) AS n FROM sales s JOIN spans t ON t.part = s.part GROUP BY 1",
        "SELECT p.maker AS name, count(*) AS n FROM sales s JOIN parts p ON p.part = s.part"
        " GROUP BY name",
        "SELECT name.maker, count(*) AS n FROM sales s JOIN parts name ON name.part = s.part"
        " GROUP BY 1",
        "SELECT p.maker, count(*) AS n FROM sales s JOIN parts p USING (maker) GROUP BY 1",
        "SELECT s.part, count(*) AS n FROM parts p LEFT JOIN sales s ON p.part = s.part GROUP BY 1",
        "SELECT p.maker, count(*) AS n FROM parts p JOIN folded f ON p.part = f.part GROUP BY 1",
    ],
)
def test_no_summary_is_proposed_for_other_joins(con: duckdb.DuckDBPyConnection, query: str) -> None:
    shop(con)
    assert look(con, [BY_MAKER], {"create_summary"}).candidates
    if "gone" in query or "p.amount" in query or "USING (maker)" in query:
        assert not works(con, query)
    assert look(con, [query], {"create_summary"}).candidates == ()


def test_of_two_large_tables_the_one_of_which_all_is_kept_has_the_summary(
    con: duckdb.DuckDBPyConnection,
) -> None:
    shop(con)
    con.execute(
        "CREATE TABLE visits AS SELECT 'p' || i % 40 AS part, i / 3 AS x FROM range(40000) r(i)"
    )
    query = (
        "SELECT v.part, max(v.x) AS x, count(*) AS n FROM visits v JOIN parts p ON p.part = v.part"
        " JOIN sales s ON s.part = p.part GROUP BY 1"
    )
    (found,) = look(con, [query], {"create_summary"}).candidates
    assert found.change.table.name == "visits"
    (found,) = look(
        con, [query.replace("max(v.x)", "sum(s.amount)")], {"create_summary"}
    ).candidates
    assert found.change.table.name == "sales"


def test_an_edited_summary_answers_a_join_anew_whatever_it_calls_the_database() -> None:
    query = "SELECT p.name, count(*) AS n FROM memory.f JOIN memory.main.p ON p.k = f.k GROUP BY 1"
    with database(random.Random(1)) as con:
        bare = summary(con, ['"k"', '"g"'])
    text = answer_from_summary(query, bare, "memory")
    assert text is not None
    offered = bare.model_copy(update={"rewrites": ((query, text),)})
    called = offered.model_copy(update={"summary": TableName(name="sums")})
    assert "sums" in with_own_answers(offered, called).rewrites[0][1]
