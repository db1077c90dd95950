"""Random queries that join a fact table with others, and what these hold."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import duckdb

FACT = "k VARCHAR, g INTEGER, m TIMESTAMP, x INTEGER, d DECIMAL(9,2)"
PARTS = "k VARCHAR, g INTEGER, name VARCHAR, y VARCHAR, z DOUBLE"
PLACES = "g INTEGER, name VARCHAR, w INTEGER"
TEXTS = ("a", "b", "B", "", "é", None)
NUMBERS = (0, 1, 2, -3, None)
MOMENTS = ("2013-12-01", "2013-12-01 05:00:00", "2013-11-30 23:59:59", None)
VALUES: dict[str, tuple[tuple[Any, ...], ...]] = {
    "f": (TEXTS, NUMBERS, MOMENTS, (0, 1, -3, 2_147_483_647, None), ("1.10", "-7.05", None)),
    "p": (TEXTS, NUMBERS, TEXTS, ("1", "-9223372036854775808", "many", None), (0.5, -0.25, 1e300)),
    "q": (NUMBERS, TEXTS, (1, -2_147_483_648, None)),
}
DIMENSIONS = ('"g"', "date_trunc('day', m)", '"g" % 2', "lower(k)", '"m"')
JOINS = (
    "f JOIN p ON p.k = f.k", "f LEFT JOIN p ON p.k = f.k", "p JOIN f ON f.k = p.k",
    "f LEFT JOIN p ON p.k = f.k AND f.g > 0", "f, p", "f CROSS JOIN p", "p, f",
    "f LEFT OUTER JOIN p ON p.g = f.g OR p.k = f.k", "f INNER JOIN p USING (k)",
    "f LEFT JOIN p USING (k, g)", "f JOIN p ON p.k = f.k LEFT JOIN q ON q.g = f.g",
    "p JOIN f USING (k)", "f LEFT JOIN p ON lower(p.k) = lower(f.k) JOIN q ON q.name = p.name",
    "p LEFT JOIN q ON q.g = p.g JOIN f ON f.k = p.k", "f JOIN p ON p.g % 2 = f.g % 2",
    "main.f LEFT JOIN main.p ON p.k IS NOT DISTINCT FROM f.k", "F JOIN p ON P.k = f.K",
    "f LEFT JOIN p ON p.k = f.k AND f.m >= TIMESTAMP '2013-12-01'", "q, f LEFT JOIN p USING (k)",
)  # fmt: skip
ODD_JOINS = (
    "p LEFT JOIN f ON f.k = p.k", "f RIGHT JOIN p ON f.k = p.k", "f FULL JOIN p USING (k)",
    "f SEMI JOIN p ON p.k = f.k", "f ANTI JOIN p ON p.k = f.k", "f POSITIONAL JOIN p",
    "f JOIN p ON p.k = f.k JOIN f AS f2 ON f2.k = p.k", "f JOIN (SELECT * FROM p) AS p USING (k)",
    "f NATURAL JOIN p", "f ASOF JOIN p ON p.k = f.k AND p.g >= f.g", "f JOIN p(a, b) ON p.a = f.k",
    "f JOIN p TABLESAMPLE 50% ON p.k = f.k", "f JOIN p AS f2 ON f2.k = f.k, LATERAL p",
    "f JOIN (p JOIN q ON p.g = q.g) ON p.k = f.k", "f, range(3) AS p(k)",
)  # fmt: skip
KEYS = (
    "p.name", "f.k", "coalesce(p.name, f.k)", "f.g % 2", "p.g", "k", "lower(f.k)", "f.g + p.g",
    "date_trunc('day', f.m)", "least(2 - TRY_CAST(p.y AS INTEGER), 5)", "p.z", "year(f.m)",
    "CASE WHEN p.z < 0 THEN f.k ELSE 'wind' END", "p.k", "f.g", "p.name IS NULL", "F.K", "P.NAME",
)  # fmt: skip
ODD_KEYS = ("q.name", "f.x", "name", "5", "upper(reverse(p.name))", "n0", "f.g + f.x", "#2", "p")
FIGURES = (
    "count(*)", "count(f.x)", "sum(f.x)", "avg(f.x)", "min(f.x)", "max(f.x)", "sum(f.d)",
    "count(p.y)", "min(p.name)", "max(p.z)", "count(f.x) + count(p.k)", "count(1)", "max(f.k)",
    "sum(TRY_CAST(p.y AS BIGINT))", "sum(TRY_CAST(p.y AS TINYINT))", "count(p.y IS NULL)",
    "sum(CAST(p.g AS SMALLINT))", "count(*) FILTER (WHERE p.g = 1)", "round(avg(f.x), 2)",
    "count(*) FILTER (WHERE f.g = 1 OR p.g = 0)", "sum(f.x) FILTER (WHERE p.z > 0)",
    "sum(f.x) FILTER (WHERE f.k = 'a')", "avg(f.x) FILTER (WHERE p.name IS NOT NULL)",
    "min(p.z) FILTER (WHERE f.g > 0 AND p.z < 9)", "100.0 * count(p.k) / count(*)",
    "count(p.z) FILTER (WHERE p.g = 1 OR f.k IS NULL)", "count(CASE WHEN p.g = 1 THEN 1 END)",
    "sum(CAST(p.g AS INTEGER)) FILTER (WHERE f.g = p.g)", "CASE WHEN sum(f.x) > 1 THEN 'a' END",
)  # fmt: skip
ODD_FIGURES = (
    "count(p.name || f.k)", "sum(p.g)", "avg(p.g)", "sum(p.z)", "count(DISTINCT p.name)",
    "sum(CAST(p.g AS UINTEGER))", "sum(CAST(p.z AS INTEGER))", "count(k)", "sum(f.x + p.g)",
    "max(f.x) FILTER (WHERE f.x > 0)", "sum(CASE WHEN p.g = 1 THEN 1 END)", "sum(p.g > 0)",
    "count(*) FILTER (WHERE random() > 2)", "string_agg(p.name, '')", "sum(CAST(p.g AS HUGEINT))",
    "min(p.z, 2)", "arg_min(p.z, p.g)", "min(f.m)", "sum(n0)", "min(p.z + random())", "p.k",
    "count(*) OVER ()", "sum(CAST(p.g AS DECIMAL(9, 2)))", "count(p.*)", "p.name.upper()",
)  # fmt: skip
WHERES = (
    "f.k = 'a'", "p.name = 'b'", "f.g = p.g", "f.m >= TIMESTAMP '2013-12-01'", "f.k = p.k",
    "p.y IS NULL OR f.g = 1", "CAST(f.m AS DATE) = DATE '2013-12-01'", "f.k >= p.name",
    "p.k IS NOT NULL AND f.g IN (0, 1)", "NOT (p.z > f.g)",
)  # fmt: skip
ODD_WHERES = (
    "p.z > f.x", "random() >= 0", "k = 'a'", "k0 = 'a'", "f.k IN (SELECT name FROM q)", "f.m > p.k",
    "f.m >= TIMESTAMP '2013-12-01 05:00:01'", "#1 = 'a'", "f.k.upper() = 'A'", "f.rowid > 1",
)  # fmt: skip
HAVINGS = ("count(*) > 1", "n0 > 1", "f.k = 'a'", "min(p.name) <> 'b'", "k0 IS NOT NULL", "k > ''")
NAMES = ("k{i}", "k{i}", "k{i}", "", "name", "k", "g", "x")


def random_query(rng: random.Random) -> tuple[str, bool]:
    """Return a query and whether it tells the order of all its rows."""

    def one(usual: Sequence[str], odd: Sequence[str]) -> str:
        return rng.choice(odd if odd and rng.random() < 0.06 else usual)

    keys = [one(KEYS, ODD_KEYS) for _ in range(rng.randint(0, 3))]
    figures = [one(FIGURES, ODD_FIGURES) for _ in range(rng.randint(1, 3))]
    names = [rng.choice(NAMES).format(i=i) for i in range(len(keys))]
    shown = [f"{k} AS {n}" if n else k for k, n in zip(keys, names, strict=True)]
    shown += [f"{f} AS n{i}" for i, f in enumerate(figures)]
    by_name = ", ".join(n or str(i + 1) for i, n in enumerate(names))
    places = ", ".join(str(i + 1) for i in range(len(keys)))
    ordered = rng.random() < 0.5
    least = rng.choice(["n0 DESC, ", "count(*), ", "k0 NULLS FIRST, ", "f.k, ", ""])
    every = ", ".join(str(i + 1) for i in range(len(shown)))
    parts = {
        "FROM": one(JOINS, ODD_JOINS),
        "WHERE": one(WHERES, ODD_WHERES) if rng.random() < 0.3 else "",
        "GROUP BY": rng.choice([by_name, ", ".join(keys), places, "ALL"]) if keys else "",
        "HAVING": rng.choice(HAVINGS) if rng.random() < 0.2 else "",
        "ORDER BY": least + every if ordered else "",
        "LIMIT": rng.choice(["", "2"]) if ordered else "",
    }
    text = "".join(f" {word} {part}" for word, part in parts.items() if part)
    return f"SELECT {', '.join(shown)}{text}", ordered


def database(rng: random.Random) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for name, columns in (("f", FACT), ("p", PARTS), ("q", PLACES)):
        con.execute(f"CREATE TABLE {name} ({columns})")
    write(con, rng)
    return con


def write(con: duckdb.DuckDBPyConnection, rng: random.Random) -> None:
    """Add some rows to each table, or none."""
    for name, most in (("f", 30), ("p", 6), ("q", 4)):
        for _ in range(rng.randint(0, most)):
            row = [rng.choice(values) for values in VALUES[name]]
            con.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
