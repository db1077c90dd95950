"""What a query reads of a moment, answered from the day, hour or month of it."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.finding import look, works
from tools.messages import Aggregate, CreateSummary, Dimension, TableName
from tools.product import executor, summaries
from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.grains import GRAINS, grain_of
from tools.product.candidates.grouped import parse_part
from tools.product.catalog import read_catalog, read_table
from tools.product.dispatch import alike, dispatched
from tools.product.errors import Refused
from tools.product.results import capture, difference

T = TableName(name="t")
COLUMNS = "ts TIMESTAMP, s VARCHAR, d DATE, g VARCHAR, n INTEGER"
MOMENTS = {"ts": "ts", "cast": "CAST(ts AS TIMESTAMP)", "try": "TRY_CAST(s AS TIMESTAMP)"}
TIMES = (
    "2013-12-01 00:00:00", "2013-11-30 23:59:59.999999", "2013-12-01 00:00:00.000001",
    "2013-12-01 05:00:00", "2013-12-01 04:59:59.5", "2013-12-02", "2013-12-31 23:00:00",
    "2014-01-01", "1970-01-01", "1969-12-31 23:59:59.999999", "1969-12-31 00:00:00.5",
    "0001-01-01", "0001-12-31 (BC) 23:00:01", "0044-03-15 (BC) 13:00:01", "infinity", "-infinity",
    "294247-01-10 04:00:54.775806", None,
)  # fmt: skip
TEXTS = (*TIMES, "", "soon", "2013-12-01T00:00:00", "2013-12-01 00:00:00+02", "2013-13-01")
DATES = ("2013-12-01", "2013-11-30", "2014-01-01", "0044-03-15 (BC)", "infinity", None)
CONSTANTS = (
    "TIMESTAMP '2013-12-01'", "TIMESTAMP '2013-12-01 00:00:00'", "DATE '2013-12-01'",
    "'2013-12-01'", "'2013-12-01 05:00:00'", "TIMESTAMP '2013-12-01 05:00:00'",
    "TIMESTAMP '2013-12-01 05:00:01'", "TIMESTAMP '2013-11-30 23:59:59.999999'",
    "CAST('1970-01-01' AS TIMESTAMP)", "DATE '1969-12-31'", "TIMESTAMP 'infinity'",
    "DATE '2013-12-31' - INTERVAL 30 DAY", "current_date - INTERVAL 13 YEAR", "'0001-01-01'",
    "TIMESTAMP '2013-12-01 24:00:00'", "TIMESTAMP '0044-03-15 (BC)'", "current_date",
)  # fmt: skip
CONDITIONS = (
    "{x} >= {l}", "{x} < {l}", "{l} <= {x}", "{l} > {x}", "{x} > {l}", "{x} <= {l}", "{x} = {l}",
    "NOT ({x} >= {l})", "{x} BETWEEN {l} AND {l} + INTERVAL 1 DAY", "({x}) >= ({l})",
    "CAST({x} AS DATE) = DATE '2013-12-01'", "CAST({x} AS DATE) >= {l}", "{x} IS NULL",
    "CAST({x} AS DATE) BETWEEN DATE '1969-12-31' AND DATE '2013-12-01'", "{x} IS NOT NULL",
    "date_trunc('month', {x}) = TIMESTAMP '2013-12-01'", "year({x}) = 2013", "{x} <> {l}",
    "strftime({x}, '%Y-%m') = '2013-12'", "strftime({x}, '%H:%M') = '05:00'", "hour({x}) = 23",
    "extract(month FROM {x}) = 12", "{x} IN ({l})", "{x} >= {l} OR g = 'a'", "n > 1",
    "{x} >= {l} AND {x} < TIMESTAMP '2014-01-01'", "s >= {l}", "d >= {l}",
)  # fmt: skip
KEYS = (
    "g", "date_trunc('day', {x})", "date_trunc('month', {x})", "date_trunc('hour', {x})",
    "date_trunc('week', {x})", "date_trunc('year', CAST({x} AS DATE))", "CAST({x} AS DATE)",
    "year({x})", "month({x}) + 1", "dayname({x})", "strftime({x}, '%Y-%m-%d')", "hour({x})", "{x}",
    "date_trunc('minute', {x})", "{x} >= {l}", "strftime({x}, '%c')", "isodow({x})", "dayofyear(d)",
    "date_trunc('month', d)", "extract(week FROM {x})", "CAST({x} AS VARCHAR)", "quarter({x})",
)  # fmt: skip
ROW = st.tuples(
    st.sampled_from(TIMES), st.sampled_from(TEXTS), st.sampled_from(DATES),
    st.sampled_from(["a", "b", None]), st.sampled_from([1, 2, None]),
)  # fmt: skip


@st.composite
def queries(draw: Any) -> str:
    """Return a query that groups and filters by moments."""

    def part(choices: tuple[str, ...]) -> str:
        moment = MOMENTS[draw(st.sampled_from([*MOMENTS, "ts"]))]
        return draw(st.sampled_from(choices)).format(x=moment, l=draw(st.sampled_from(CONSTANTS)))

    keys = [part(KEYS) for _ in range(draw(st.integers(0, 2)))]
    figures = ["count(*) AS n_all", "sum(n) AS total"]
    if draw(st.booleans()):
        figures.append(f"count(*) FILTER (WHERE {part(CONDITIONS)}) AS some")
    shown = [f"{k} AS k{i}" for i, k in enumerate(keys)]
    where = " AND ".join(part(CONDITIONS) for _ in range(draw(st.integers(0, 2))))
    text = f"SELECT {', '.join([*shown, *figures])} FROM t"
    text += f" WHERE {where}" if where else ""
    text += " GROUP BY ALL" if keys else ""
    return text + draw(st.sampled_from(["", " ORDER BY ALL", " HAVING count(*) > 1"]))


def summary(dimensions: list[str], con: duckdb.DuckDBPyConnection) -> CreateSummary:
    """Return a summary of counts and sums, made for real."""
    table = read_table(con, T)
    assert table is not None
    change = CreateSummary(
        table=T, summary=TableName(name="totals"), rewrites=(),
        dimensions=tuple(
            Dimension(expression=e, column=f"d{i}", grain=grain_of(parse_part(e), table))
            for i, e in enumerate(dimensions)
        ),
        aggregates=tuple(
            Aggregate(function=f, argument=a, column=f"a{i}")
            for i, (f, a) in enumerate([("count", ""), ("sum", "n"), ("count", "n")])
        ),
    )  # fmt: skip
    for statement in summaries.create(change, table):
        con.execute(statement)
    return change


def check(con: duckdb.DuckDBPyConnection, texts: list[str], change: CreateSummary) -> int:
    answered = 0
    for query in texts:
        answer = answer_from_summary(query, change)
        if answer is not None and works(con, query):
            answered += 1
            assert difference(capture(con, query), capture(con, answer)) is None, (query, answer)
            assert alike(con, query, answer)
    return answered


DIMENSIONS = st.lists(
    st.sampled_from(
        [f"date_trunc('{g}', {x})" for g in GRAINS for x in (*MOMENTS.values(), "d")] + ["ts", "g"]
    ),
    min_size=1, max_size=4, unique=True,
)  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(ROW, max_size=12), st.lists(ROW, max_size=6), DIMENSIONS,
    st.lists(queries(), min_size=4, max_size=12),
)  # fmt: skip
def test_what_is_answered_from_a_grain_is_the_querys_own_whatever_is_written_later(
    before: list[tuple[Any, ...]],
    later: list[tuple[Any, ...]],
    dimensions: list[str],
    texts: list[str],
) -> None:
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t ({COLUMNS})")
        for row in before:
            con.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", row)
        change = summary(dimensions, con)
        check(con, texts, change)
        for row in later:
            con.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", row)
        con.execute("UPDATE t SET ts = TIMESTAMP '2013-12-01' WHERE n = 2")
        con.execute("DELETE FROM t WHERE g = 'a'")
        con.execute("UPDATE t SET s = '2013-11-30 23:59:59.999999', n = 4 WHERE g = 'b'")
        check(con, texts, change)


@pytest.mark.parametrize("moment", ["ts", "TRY_CAST(s AS TIMESTAMP)"])
def test_every_reading_of_a_moment_is_exact_at_every_boundary(moment: str) -> None:
    conditions = [c.format(x=moment, l=k) for c in CONDITIONS[:13] for k in CONSTANTS]
    conditions += [c.format(x=moment, l=CONSTANTS[0]) for c in CONDITIONS[13:]]
    texts = [f"SELECT count(*) AS n FROM t WHERE {c}" for c in dict.fromkeys(conditions)]
    keys = [k.format(x=moment, l=CONSTANTS[0]) for k in KEYS]
    texts += [f"SELECT {k} AS k, count(*) AS n FROM t GROUP BY 1" for k in keys]
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t ({COLUMNS})")
        for time in TIMES:
            con.execute("INSERT INTO t VALUES (?, ?, '2013-12-01', 'a', 1)", [time, time])
        for grain in GRAINS:
            change = summary([f"date_trunc('{grain}', {moment})"], con)
            assert check(con, texts, change) > 20
            for statement in summaries.drop(change, triggers(con)):
                con.execute(statement)


def triggers(con: duckdb.DuckDBPyConnection) -> list[str]:
    return [t.name for table in read_catalog(con, macros=()).tables for t in table.triggers]


@pytest.mark.parametrize("grain", ["hour", "day"])
@pytest.mark.parametrize("extreme", ["290309-12-22 (BC)", "294247-01-10 04:00:54.775806"])
def test_no_moment_is_too_far_for_its_day(grain: str, extreme: str) -> None:
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t ({COLUMNS})")
        change = summary([f"date_trunc('{grain}', ts)"], con)
        con.execute("INSERT INTO t (ts) VALUES (?)", [extreme])
        texts = [f"SELECT count(*) AS n FROM t WHERE ts {o} '2013-12-01'" for o in (">=", "<")]
        assert check(con, texts, change) == 2


@pytest.mark.parametrize(
    ("condition", "grain", "answered"),
    [
        ("ts >= TIMESTAMP '2013-12-01'", "day", True),
        ("ts < '2013-12-01'", "day", True),
        ("DATE '2013-12-01' <= ts", "day", True),
        ("ts >= current_date - INTERVAL 30 DAY", "day", True),
        ("ts >= DATE '2013-12-01' AND ts < DATE '2013-12-08'", "day", True),
        ("CAST(ts AS DATE) BETWEEN DATE '2013-12-01' AND DATE '2013-12-07'", "day", True),
        ("ts > TIMESTAMP '2013-12-01'", "day", False),
        ("ts <= TIMESTAMP '2013-12-01'", "day", False),
        ("ts = TIMESTAMP '2013-12-01'", "day", False),
        ("TIMESTAMP '2013-12-01' >= ts", "day", False),
        ("ts BETWEEN TIMESTAMP '2013-12-01' AND TIMESTAMP '2013-12-07'", "day", False),
        ("ts >= TIMESTAMP '2013-12-01 05:00:00'", "day", False),
        ("ts >= TIMESTAMP '2013-12-01 05:00:00'", "hour", True),
        ("ts >= TIMESTAMP '2013-12-01 05:00:01'", "hour", False),
        ("ts >= TIMESTAMP '2013-12-01'", "month", True),
        ("ts >= TIMESTAMP '2013-12-02'", "month", False),
        ("ts >= now()::TIMESTAMP", "day", False),
        ("TRY_CAST(ts AS TIMESTAMP) >= TIMESTAMP '2013-12-01'", "day", False),
        ("ts >= other", "day", False),
    ],
)
def test_a_query_of_other_constants_is_answered_exactly_or_not_at_all(
    condition: str, grain: str, answered: bool
) -> None:
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t ({COLUMNS}, other TIMESTAMP)")
        change = summary([f"date_trunc('{grain}', ts)"], con)
    answer = answer_from_summary(f"SELECT count(*) AS n FROM t WHERE {condition}", change)
    assert (answer is not None) is answered


@pytest.mark.parametrize(
    ("kind", "grain"),
    [("TIMESTAMP", "day"), ("DATE", "day"), ("TIMESTAMP_NS", None), ("TIMESTAMP_S", None),
     ("TIMESTAMP WITH TIME ZONE", None), ("INTERVAL", None)],
)  # fmt: skip
def test_a_truncated_moment_stands_for_another_only_where_its_type_tells_all(
    con: duckdb.DuckDBPyConnection, kind: str, grain: str | None
) -> None:
    con.execute(f"CREATE TABLE t (x {kind})")
    table = read_catalog(con).tables[0]
    assert grain_of(parse_part("date_trunc('day', x)"), table) == grain


def test_hours_that_a_comparison_with_a_date_leaves_out_count_for_nothing() -> None:
    query = "SELECT count(*) AS n FROM t WHERE d >= '2013-12-01 05:00:00'"
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t ({COLUMNS})")
        con.execute("INSERT INTO t (d) VALUES ('2013-12-01')")
        change = summary(["date_trunc('hour', d)"], con)
        assert con.execute(query).fetchall() == [(1,)]
        assert answer_from_summary(query, change) is None


def test_nanoseconds_before_a_boundary_stay_before_it(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t (ts TIMESTAMP_NS, n INTEGER)")
    con.execute("INSERT INTO t VALUES ('1969-12-31 23:59:59.9999999', 1)")
    change = summary(["date_trunc('day', ts)"], con)
    query = "SELECT count(*) AS n FROM t WHERE ts >= TIMESTAMP '1970-01-01'"
    assert answer_from_summary(query, change) is None


def made(con: duckdb.DuckDBPyConnection, queries: list[str]) -> list[CreateSummary]:
    found = look(con, queries, {"create_summary"}).candidates
    return [c.change for c in found if isinstance(c.change, CreateSummary)]


EVENTS = (
    "CREATE TABLE t AS SELECT TIMESTAMP '2013-01-01' + INTERVAL (i * 617) SECOND AS ts,"
    " CAST(TIMESTAMP '2013-01-01' + INTERVAL (i * 617) SECOND AS DATE) AS d, i % 5 AS g, i AS n,"
    " CAST(TIMESTAMP '2013-01-01' + INTERVAL (i * 617) SECOND AS VARCHAR) AS s,"
    " CAST(TIMESTAMP '2013-01-01' + INTERVAL (i * 617) SECOND AS TIMESTAMP_NS) AS ns"
    " FROM range(40000) r(i)"
)
LAST = "SELECT g, sum(n) AS total FROM t WHERE {} GROUP BY g"


@pytest.mark.parametrize(
    ("condition", "dimension"),
    [
        ("ts >= TIMESTAMP '2013-07-04'", "date_trunc('day', ts)"),
        ("ts >= TIMESTAMP '2013-07-01'", "date_trunc('day', ts)"),
        ("TRY_CAST(s AS TIMESTAMP) < '2013-07-04'", "date_trunc('day', TRY_CAST(s AS TIMESTAMP))"),
        ("CAST(ts AS DATE) = DATE '2013-07-04'", "date_trunc('day', ts)"),
        ("d >= DATE '2013-07-04'", "d"),
        ("d > DATE '2013-07-04'", "d"),
    ],
)
def test_a_filter_by_days_asks_for_a_summary_by_day(
    con: duckdb.DuckDBPyConnection, condition: str, dimension: str
) -> None:
    con.execute(EVENTS)
    first = made(con, [LAST.format(condition)])[0]
    keys = {parse_part(d.expression).sql().replace('"', "") for d in first.dimensions}
    assert keys == {"g", parse_part(dimension).sql()}
    assert len(first.rewrites) == 1


@pytest.mark.parametrize("condition", ["ts > TIMESTAMP '2013-07-04'", "ns >= '2013-07-04'"])
def test_a_filter_that_days_do_not_tell_gets_no_summary_by_day(
    con: duckdb.DuckDBPyConnection, condition: str
) -> None:
    con.execute(EVENTS)
    found = look(con, [LAST.format(condition)], {"create_summary"})
    assert found.candidates == ()
    assert "groups for 40000 rows" in found.notes[0]


def test_days_of_one_query_give_the_months_of_another(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(EVENTS)
    by_month = "SELECT date_trunc('month', ts) AS m, sum(n) AS total FROM t GROUP BY 1"
    since = by_month.replace("GROUP BY", "WHERE ts >= '2013-06-01' GROUP BY")
    both = made(con, [LAST.format("ts >= TIMESTAMP '2013-07-04'"), by_month, since])[0]
    assert len(both.dimensions) == 2
    assert len(both.rewrites) == 3
    assert sorted(d.grain or "" for d in both.dimensions) == ["", "day"]


def test_a_summary_names_a_grain_only_where_a_query_needs_it(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(EVENTS)
    by_month = "SELECT date_trunc('month', ts) AS m, sum(n) AS total FROM t GROUP BY 1"
    plain = made(con, [by_month])[0]
    assert [d.grain for d in plain.dimensions] == [None]
    assert "grain" not in plain.model_dump_json()
    assert answer_from_summary(by_month, plain) == plain.rewrites[0][1]


def test_no_summary_counts_on_filters_that_begin_with_months(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(EVENTS)
    by_month = (
        "SELECT date_trunc('month', {0}) AS m, sum(n) AS x FROM t WHERE {0} >= '{1}' GROUP BY 1"
    )
    for moment in ("ts", "d"):
        change = made(con, [by_month.format(moment, "2013-06-01")])[0]
        assert answer_from_summary(by_month.format(moment, "2013-06-14"), change) is not None


def test_hours_and_days_of_a_moment_share_a_summary_by_hour(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT TIMESTAMP '2013-01-01' + INTERVAL (i * 61) SECOND AS ts,"
        " i % 2 AS g, i AS n FROM range(40000) r(i)"
    )
    queries = [
        LAST.format("ts >= TIMESTAMP '2013-01-04 05:00:00'"),
        LAST.format("ts < TIMESTAMP '2013-01-09'"),
        "SELECT CAST(ts AS DATE) AS day, count(*) AS c FROM t GROUP BY day",
    ]
    first = made(con, queries)[0]
    assert len(first.rewrites) == 3
    assert [d.grain for d in first.dimensions] == [None, "hour"]


def test_what_the_heaviest_query_leaves_out_is_joined_by_itself(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(EVENTS.replace("i AS n,", "i AS n, i % 2000 AS many, i % 5 // 2 AS h,"))
    heaviest = "SELECT many, sum(n) AS total FROM t GROUP BY many"
    by_h = "SELECT h, count(*) AS c FROM t GROUP BY h"
    others = [LAST.format("ts >= TIMESTAMP '2013-07-04'"), by_h]
    found = made(con, [heaviest, *others])
    served = [{old for old, _ in change.rewrites} for change in found]
    assert {heaviest} in served
    assert set(others) in served


def test_the_gateway_answers_tomorrows_text_or_runs_it_as_it_is(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(EVENTS)
    asked = LAST.format("ts >= TIMESTAMP '2013-07-04'") + " ORDER BY g"
    (candidate, *_) = look(con, [asked], {"create_summary"}).candidates
    executor.apply(con, candidate.id, candidate.change)
    con.execute("INSERT INTO t (ts, g, n) VALUES ('2013-07-04 23:59:59.9', 1, 5), (NULL, 2, 6)")
    con.execute("UPDATE t SET ts = ts + INTERVAL 1 MICROSECOND WHERE n % 1000 = 0")
    con.execute("DELETE FROM t WHERE ts >= '2013-09-01' AND g = 3")
    rewrites = executor.dispatch_rewrites(con)
    for text, answered in (("2013-07-05", True), ("2013-07-05 00:00:00", True),
                           ("2013-07-05 00:00:00.001", False), ("0001-01-01", True)):  # fmt: skip
        sql = asked.replace("2013-07-04", text)
        run = dispatched(con, sql, rewrites)
        assert (run != sql) is answered
        assert con.execute(run).fetchall() == con.execute(sql).fetchall()


def test_a_summary_of_a_column_that_got_another_type_is_refused(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(EVENTS)
    change = made(con, [LAST.format("ts >= TIMESTAMP '2013-07-04'")])[0]
    con.execute("ALTER TABLE t ALTER ts TYPE TIMESTAMP_NS")
    with pytest.raises(Refused, match="does not tell the day of a column as it is"):
        executor.apply(con, "p1", change)
