"""What is told of a column is true of the column, and of no more rows than were read."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pytest

from tests.tools.words.cases import make_column, make_table
from tools.product.catalog import read_catalog
from tools.product.profile import ColumnProfile, profile
from tools.words.checks import Checked, check
from tools.words.columns import Known, facts_of_column

NOTHING = Known((), {}, {})
SEEN: dict[str, object] = {"missing": 0.0, "distinct": 1}
CASES: list[tuple[dict[str, object], str]] = [
    ({"range": "always positive"}, "All of them are positive"),
    ({"range": "0 to 1"}, "They lie between 0 and 1"),
    ({"span": "a year", "kind": "DATE"}, "They lie within a year"),
    ({"length": 2, "kind": "VARCHAR"}, "Each is 2 characters long"),
    ({"missing": 0.0}, "It is never empty"),
    ({"missing": 1.0, "distinct": 0}, "It is always empty"),
    ({"missing": 0.25}, "It is empty in 25 % of the rows"),
    ({"distinct": 1}, "All rows"),
]


def told(column: ColumnProfile, looked_at: int) -> list[str]:
    table = make_table(column).model_copy(update={"rows": 336_776, "looked_at": looked_at})
    return list(facts_of_column(table, column, NOTHING).sentences)


@pytest.mark.parametrize(("fields", "said"), CASES)
def test_what_only_a_sample_showed_is_said_of_a_sample(
    fields: dict[str, object], said: str
) -> None:
    column = make_column(**(SEEN | fields))  # type: ignore[arg-type]
    (of_all,) = [s for s in told(column, 336_776) if s.startswith(said)]
    (of_some,) = [s for s in told(column, 100_352) if s.startswith(said)]
    assert "sample" not in of_all and " in a sample" in of_some


def test_every_sentence_about_values_of_a_sample_says_so() -> None:
    column = make_column(kind="INTEGER", missing=0.5, distinct=3, range="negative too")
    head, *rest = told(column, 100_352)
    assert rest and all("in a sample" in sentence for sentence in rest)


def sentences(sql: str) -> Sequence[str]:
    """Return what is told of the one column of a table that some SQL makes."""
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t AS {sql}")
        (table,) = read_catalog(con).tables
        found = profile(table, lambda asked: con.execute(asked).fetchall())
        facts = facts_of_column(found, found.columns[0], NOTHING)
    assert check(facts.text, facts) == Checked(facts.text)
    return facts.sentences


def test_rows_without_a_value_are_not_counted_among_those_that_have_the_same() -> None:
    same = sentences("SELECT CASE WHEN i % 2 = 0 THEN 'x' END AS c FROM range(100) AS r(i)")
    assert "All its values are the same." in same
    apart = sentences("SELECT CASE WHEN i % 2 = 0 THEN i END AS c FROM range(100) AS r(i)")
    assert "All its values are different." in apart
    assert not any("rows have the same" in s for s in (*same, *apart))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("'ab'::BLOB", "bytes"), ("'101'::BIT", "bits"), ("INTERVAL 1 DAY", "spans of time"),
        ("gen_random_uuid()", "identifiers"), ("'x'", "text"), ("1", "whole numbers"),
        ("TIMESTAMPTZ '2024-01-01 00:00:00+00'", "points in time"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_not_called_text(value: str, kind: str) -> None:
    assert sentences(f"SELECT {value} AS c")[0] == f'The column "c" of the table "t" holds {kind}.'
