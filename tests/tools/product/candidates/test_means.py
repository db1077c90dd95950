"""A mean from a summary is the engine's own, to the last bit, or there is no summary for it."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from tools.messages import CreateSummary
from tools.product import summaries
from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.context import CandidateContext
from tools.product.candidates.summary import find_summaries
from tools.product.catalog import read_catalog
from tools.product.fingerprint import analyse
from tools.product.workload import QueryPattern, Workload

BY = " FROM sales GROUP BY shop"
NOTE = "no summary of sales for AVG(v): its last digits could differ"
Found = tuple[CreateSummary | None, tuple[str, ...]]


def found(con: duckdb.DuckDBPyConnection, sql: str) -> Found:
    """Return the summary that the finder makes for a query of a table taken for a large one."""
    catalog = read_catalog(con, macros=())
    tables = tuple(t.model_copy(update={"rows": 10**6}) for t in catalog.tables)
    catalog = catalog.model_copy(update={"tables": tables})
    facts = analyse(sql, catalog)
    pattern = QueryPattern(
        fingerprint=facts.fingerprint, sql=sql, normalized=facts.normalized, runs=1, total_ms=1,
        tables=facts.tables, columns=facts.columns, star=facts.star, source="sql_file",
    )  # fmt: skip

    def probe(text: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        return con.execute(text, list(parameters)).fetchall()

    context = CandidateContext(
        product="p", catalog=catalog, workload=Workload(patterns=(pattern,)), probe=probe
    )
    made = find_summaries(context)
    changes = [c.change for c in made.candidates if isinstance(c.change, CreateSummary)]
    return (changes[0] if changes else None), made.notes


def filled(con: duckdb.DuckDBPyConnection, kind: str, groups: int = 3000) -> None:
    """Make groups of 1 to 60 rows with values from all over a type, a tenth of them NULL."""
    con.execute(f"CREATE TABLE sales (shop INTEGER, v {kind})")
    digits = "(hash(g, i) >> 1)::HUGEINT * (hash(i, g) >> 2)"
    top = {
        "TINYINT": 2**7, "SMALLINT": 2**15, "INTEGER": 2**31, "UINTEGER": 2**32, "BIGINT": 2**63,
        "HUGEINT": 2**112,
    }.get(kind)  # fmt: skip
    if top is None:
        precision, scale = map(int, kind.removeprefix("DECIMAL(").removesuffix(")").split(","))
        whole = f"lpad(({digits} % {10**precision})::VARCHAR, {precision}, '0')"
        value = f"(left({whole}, {precision - scale}) || '.' || right({whole}, {scale}))::{kind}"
    else:
        value = f"({digits} % {top})::{kind}"
    sign = "" if kind.startswith("U") else "CASE WHEN hash(i) % 3 = 0 THEN -1 ELSE 1 END * "
    con.execute(
        f"INSERT INTO sales SELECT g, CASE WHEN hash(i, g, 7) % 10 > 0 THEN ({sign}{value})::{kind}"
        f" END FROM range({groups}) AS a(g), range(60) AS b(i) WHERE i <= g % 60"
    )


KINDS = [
    *(f"DECIMAL({p},{s})" for p, s in ((4, 1), (9, 2), (9, 0), (12, 3), (18, 6), (30, 4), (18, 0))),
    "TINYINT", "SMALLINT", "INTEGER", "UINTEGER", "BIGINT", "HUGEINT",
]  # fmt: skip
QUERIES = [
    "SELECT shop, avg(v) AS m" + BY,
    "SELECT shop, avg(v) AS m, count(*) AS n" + BY,
    "SELECT shop, avg(v) AS m, count(v) AS n" + BY,
    "SELECT sum(v) AS s, round(avg(v), 1) AS m, shop" + BY,
    "SELECT shop, count(v) AS n" + BY + " HAVING avg(v) > 3.5",
    "SELECT shop, avg(v) FILTER (v > 3) AS m, count(v) AS n" + BY,
    "SELECT shop, avg(CASE WHEN v > 3 THEN v END) AS m, sum(v) AS s" + BY,
    "SELECT shop, avg(CASE WHEN v > 3 THEN v END) AS m, count(CASE WHEN v > 3 THEN v END) AS n"
    + BY,
    "SELECT avg(v) AS m, max(v) AS top FROM sales",
    "SELECT avg(v) AS m FROM sales WHERE shop % 7 = 3",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mean_from_a_summary_is_the_engines_to_the_last_bit(kind: str) -> None:
    answered = 0
    with duckdb.connect() as con:
        filled(con, kind)
        (table,) = read_catalog(con, macros=()).tables
        for query in QUERIES:
            change, _ = found(con, query)
            answer = answer_from_summary(query, change) if change else None
            if change is None or answer is None:
                continue
            con.execute("BEGIN")
            for statement in summaries.create(change, table):
                con.execute(statement)
            own = con.execute(f"{query} ORDER BY ALL").fetchall()
            assert con.execute(f"{answer} ORDER BY ALL").fetchall() == own, query
            con.execute("ROLLBACK")
            answered += 1
    assert answered >= 6


def test_a_mean_that_could_differ_is_left_alone_and_said() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE sales (shop INTEGER, v DECIMAL(10,2), w INTEGER, b BIGINT)")
        change, notes = found(con, "SELECT shop, round(avg(v), 2) AS m" + BY)
        assert change is None
        assert any(note.startswith(NOTE) for note in notes)
        assert found(con, "SELECT shop, avg(b) AS m, count(*) AS n" + BY)[0] is None
        assert found(con, "SELECT shop, avg(v) AS m, sum(v) AS s" + BY)[0] is not None
        assert found(con, "SELECT shop, avg(w) AS m" + BY)[0] is not None
