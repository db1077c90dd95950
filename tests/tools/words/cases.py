"""Proposals and columns to tell of, believable and hostile."""

from __future__ import annotations

from collections.abc import Iterator

from tests.factories import (
    FLIGHTS,
    make_change,
    make_evidence,
    make_interval,
    make_proposal,
    make_summary_proposal,
    make_timing,
)
from tools.messages import (
    AddCheck,
    AddNotNull,
    Change,
    CreateIndex,
    DropColumn,
    DropIndex,
    DropTable,
    Proposal,
    RewriteQuery,
    SortTable,
    TableName,
)
from tools.product.profile import ColumnProfile, TableProfile
from tools.product.workload import ColumnUse, QueryPattern
from tools.words.columns import (
    Known,
    facts_of_column,
    facts_of_table,
    facts_of_terms,
    named,
)
from tools.words.facts import Facts
from tools.words.proposals import facts_of

AIRLINES = TableName(name="airlines")
CHANGES: tuple[Change, ...] = (
    make_change(),
    CreateIndex(table=FLIGHTS, columns=("tailnum", "month"), name="by_tail"),
    DropIndex(table=FLIGHTS, name="by_month", definition="CREATE INDEX by_month ON flights(month)"),
    SortTable(table=FLIGHTS, order_by=("time_hour",)),
    RewriteQuery(
        table=FLIGHTS, fingerprint="q1", rule="union", original="SELECT 1", rewritten="SELECT 2"
    ),
    DropColumn(table=FLIGHTS, column="dep_delay", type="VARCHAR"),
    DropTable(table=FLIGHTS),
    AddNotNull(table=FLIGHTS, column="dep_delay"),
    AddCheck(table=FLIGHTS, column="month", expression="month BETWEEN 1 AND 12"),
)


def proposals() -> Iterator[Proposal]:
    """Yield a proposal of every kind."""
    yield from (make_proposal(change) for change in CHANGES)
    yield make_summary_proposal()


def plain_facts() -> Facts:
    """Return facts with a gain, a loser, dearer inserts and less space."""
    lost = make_timing("SELECT 2", 3.0, 3.41, share=0.02, callers=("nightly_job",))
    evidence = make_evidence(
        queries=(make_timing("SELECT 1", 24.4, 8.12), lost), insert_cost=make_interval(1.31, 0.02)
    )
    return facts_of(make_proposal(evidence=evidence))


def make_column(name: str = "dep_delay", kind: str = "INTEGER", **fields: object) -> ColumnProfile:
    """Return the profile of a column of numbers, some missing."""
    values = {"name": name, "type": kind, "missing": 0.025, "distinct": 527} | fields
    return ColumnProfile.model_validate(values)


def make_table(*columns: ColumnProfile, table: TableName = FLIGHTS) -> TableProfile:
    """Return the profile of a table."""
    return TableProfile(table=table, rows=336_776, looked_at=100_352, columns=columns)


def make_pattern() -> QueryPattern:
    """Return a query that joins flights with airlines and filters."""
    return QueryPattern(
        fingerprint="q1", sql="SELECT 1", normalized="SELECT ?", runs=3, total_ms=9.0,
        tables=(FLIGHTS, AIRLINES), source="tap",
        columns=(
            ColumnUse(table=FLIGHTS, column="carrier", roles=("join", "filter")),
            ColumnUse(table=AIRLINES, column="code", roles=("join",)),
        ),
    )  # fmt: skip


def described() -> Iterator[Facts]:
    """Yield what is told of tables, columns and terms."""
    known = Known((make_pattern(),), {(FLIGHTS, "carrier"): "two letters; see IATA"}, {})
    carrier = make_column("carrier", "VARCHAR", length=2, range=None)
    columns = (
        carrier, make_column(range="negative too"), make_column("id", "BIGINT", key=True),
        make_column("at", "TIMESTAMP", span="some years", missing=0.0, unique=True),
        make_column("tags", "VARCHAR[]", distinct=None, missing=1.0),
        make_column("ref", "INTEGER", references=AIRLINES, missing=0.001, distinct=1),
    )  # fmt: skip
    table = make_table(*columns)
    yield facts_of_table(table, known)
    yield from (facts_of_column(table, column, known) for column in columns)
    tables = (table, make_table(carrier, table=AIRLINES))
    yield from (facts for _, facts in facts_of_terms(c for t in tables for c in named(t)))
