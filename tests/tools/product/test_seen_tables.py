from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tools.messages import TableName
from tools.product import seen_tables
from tools.product.catalog import read_table, table_hash

T = TableName(name="t")
MADE = "CREATE TABLE t (a INTEGER, b VARCHAR DEFAULT 'x', CHECK (a > 0)); CREATE INDEX i ON t (a)"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE t ADD COLUMN later DATE", "column later is new"),
        ("DROP INDEX i; ALTER TABLE t DROP b; CREATE INDEX i ON t (a)", "column b is gone"),
        ("DROP INDEX i; ALTER TABLE t ALTER b TYPE DATE USING NULL; CREATE INDEX i ON t (a)",
         "column b is DATE, was VARCHAR"),
        ("ALTER TABLE t ALTER b SET DEFAULT 'y'", "column b has another default"),
        ("DROP INDEX i; ALTER TABLE t ALTER b SET NOT NULL; CREATE INDEX i ON t (a)",
         "rule NOT NULL of b is new"),
        ("DROP INDEX i", "index i is gone"),
        ("DROP INDEX i; CREATE INDEX i ON t (b)", "index i is another"),
        ("DROP TABLE t", "the table is gone"),
        ("DROP TABLE t; CREATE TABLE t (b VARCHAR DEFAULT 'x', a INTEGER)",
         "the columns stand in another order, rule CHECK((a > 0)) of a is gone, index i is gone"),
        ("DROP TABLE t; CREATE TABLE t (c INTEGER)",
         "column c is new, column a is gone, column b is gone, and 2 more"),
        ("INSERT INTO t VALUES (1, '')", ""),
    ],
)  # fmt: skip
def test_what_somebody_changed_since_is_told(change: str, said: str, tmp_path: Path) -> None:
    with duckdb.connect() as con:
        con.execute(MADE)
        before = read_table(con, T)
        assert before is not None
        seen_tables.keep(tmp_path / "evidence", before)
        con.execute(change)
        judged = table_hash(T, before)
        assert seen_tables.told(tmp_path / "evidence", judged, read_table(con, T)) == said


def test_a_structure_that_was_not_kept_is_no_reason_to_fail(tmp_path: Path) -> None:
    assert seen_tables.told(tmp_path, "0" * 16, None) == ""
    (tmp_path / f"table-{'0' * 16}.json").write_text("{")
    assert seen_tables.told(tmp_path, "0" * 16, None) == ""
