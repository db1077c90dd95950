"""Query rewrites worth measuring: every rule on every pattern."""

from __future__ import annotations

from sqlglot import exp

from tools.messages import Candidate, RewriteQuery, change_id
from tools.product.candidates.context import CandidateContext, Found, weight
from tools.product.candidates.rules import RULES, apply_rule, ranges_of
from tools.product.catalog import Catalog
from tools.product.errors import ParseFailed
from tools.product.fingerprint import parse, uses_stored
from tools.product.structure import collated
from tools.product.workload import QueryPattern

MAX_PATTERNS = 100
DATES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"})
"""Types whose months and years don't depend on a session's time zone.

Not TIMESTAMP_NS: its years end in 2262, so a bound may be none where the query had an answer.
"""


def find_rewrites(context: CandidateContext) -> Found:
    """Propose an equivalent text wherever a rule applies and the types make it exact."""
    found: list[Candidate] = []
    asked = (p for p in context.workload.patterns[:MAX_PATTERNS] if not p.rewritten)
    for pattern in asked:
        for rule in RULES:
            rewritten = apply_rule(rule, pattern.sql)
            if (
                rewritten is None
                or not _has_rows(pattern, context.catalog)
                or not _exact(rule, pattern, context.catalog)
            ):
                continue
            change = RewriteQuery(
                table=pattern.tables[0], fingerprint=pattern.fingerprint, rule=rule,
                original=pattern.sql, rewritten=rewritten,
            )  # fmt: skip
            found.append(
                Candidate(
                    id=change_id(context.product, change),
                    agent="query",
                    change=change,
                    reason=f"the rule {rule} turns a computed filter into a range",
                    fingerprints=(pattern.fingerprint,),
                    promise=weight(pattern) * 0.5,
                )
            )
    return Found(tuple(found))


def _has_rows(pattern: QueryPattern, catalog: Catalog) -> bool:
    """Whether there is anything to read: on no rows both texts take what planning takes."""
    read = map(catalog.table, pattern.tables)
    return any(table.rows for table in read if table is not None)


def _exact(rule: str, pattern: QueryPattern, catalog: Catalog) -> bool:
    """Whether every column a rule turns into a range is a table's, of a type it is meant for."""
    try:
        if uses_stored(pattern.sql, catalog):
            # A view's column may be called like a table's, and a macro like a function.
            return False
        sources = [r.source for _, r in ranges_of(rule, parse(pattern.sql))]
    except (ParseFailed, RecursionError):
        return False
    return all(_fits(rule, source, pattern, catalog) for source in sources)


def _fits(rule: str, source: exp.Expr, pattern: QueryPattern, catalog: Catalog) -> bool:
    if isinstance(source, exp.Cast | exp.TryCast):
        return source.to.sql(dialect="duckdb").upper() in DATES
    named = [u for u in pattern.columns if u.column.lower() == source.name.lower()]
    tables = [catalog.table(u.table) for u in named]
    columns = [t.column(u.column) for t, u in zip(tables, named, strict=True) if t]
    kinds = {c.type for c in columns if c}
    if rule == "prefix_text":
        # A collation compares in another order than that of the characters.
        return kinds == {"VARCHAR"} and not any(t is not None and collated(t) for t in tables)
    return bool(kinds) and kinds <= DATES
