"""Types are judged as the engine judges them."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot

from tools.product.catalog import read_catalog
from tools.product.number_types import fits, narrow, type_of

EXTREMES = {
    "TINYINT": ["-128", "127"], "SMALLINT": ["-32768", "32767"],
    "INTEGER": ["-2147483648", "2147483647"],
    "BIGINT": ["-9223372036854775808", "9223372036854775807"], "UTINYINT": ["0", "255"],
    "USMALLINT": ["65535"], "UINTEGER": ["4294967295"], "UBIGINT": ["18446744073709551615"],
    "HUGEINT": [str(-(2**127)), str(2**127 - 1)], "UHUGEINT": [str(2**128 - 1)],
    "FLOAT": ["1e38", "nan"], "DOUBLE": ["1e300", "inf"], "BOOLEAN": ["true"],
} | {
    kind: [most, f"-{most}"]
    for kind, most in (
        ("DECIMAL(4,2)", "99.99"), ("DECIMAL(5,2)", "999.99"), ("DECIMAL(3,0)", "999"),
        ("DECIMAL(18,6)", "999999999999.999999"), ("DECIMAL(38,0)", "9" * 38),
        ("DECIMAL(3,3)", "0.999"),
    )
}  # fmt: skip


def test_what_fits_is_what_the_engine_casts() -> None:
    with duckdb.connect() as con:
        for source, values in EXTREMES.items():
            shown = ", ".join(f"('{value}'::{source})" for value in values)
            for target in EXTREMES:
                failing = con.execute(
                    f"SELECT bool_or(TRY_CAST(v AS {target}) IS NULL) FROM (VALUES {shown}) AS t(v)"
                ).fetchall()
                assert failing == [(not fits(source, target),)], (source, target)


@pytest.mark.parametrize(
    "text",
    ["a + b", "a * a", "a + i", "i - 5", "a + 1000", "-a", "u + 1", "i + u", "round(d)",
     "d * i", "CAST(a AS BIGINT) + i", "(a)", "i + 3000000000", "b * u", "abs(i)"],
)  # fmt: skip
def test_the_type_of_an_expression_is_the_engines(text: str) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t (a TINYINT, b SMALLINT, i INTEGER, u UTINYINT, d DOUBLE)")
        con.execute("INSERT INTO t VALUES (1, 1, 1, 1, 1)")
        table = read_catalog(con).tables[0]
        engines = con.execute(f"SELECT typeof({text}) FROM t").fetchall()[0][0]
    kind = type_of(sqlglot.parse_one(text, dialect="duckdb"), table)
    assert kind is not None
    assert kind == engines
    assert narrow(kind) is (engines not in ("BIGINT", "DOUBLE"))
