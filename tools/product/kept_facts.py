"""The facts of a text as they are kept between calls, or why it has none."""

from __future__ import annotations

import json

from tools.product.catalog import Catalog, facts_key
from tools.product.errors import ParseFailed
from tools.product.fingerprint import QueryFacts, analyse, uses_stored
from tools.product.workload import ColumnUse, QueryPattern

_ANALYSIS = 3
"""Raised when facts are found in another way: those that were kept count no more."""


def key_of(catalog: Catalog) -> str:
    """Return what kept facts depend on, besides their text."""
    return f"{_ANALYSIS}-{facts_key(catalog)}"


def facts_of(sql: str, catalog: Catalog) -> QueryFacts | str:
    """Return the facts of a text, or why it has none."""
    try:
        facts = analyse(sql, catalog)
    except ParseFailed as exc:
        return str(exc)
    if not facts.tables and uses_stored(sql, catalog):
        return "No table of this product is under the view or macro that it reads."
    return facts if facts.tables else "It reads no table of this product."


def dump(facts: QueryFacts | str) -> str:
    """Return facts as JSON."""
    if isinstance(facts, str):
        return json.dumps(facts)
    body = {
        "fingerprint": facts.fingerprint,
        "normalized": facts.normalized,
        "tables": [[t.schema_name, t.name] for t in facts.tables],
        "columns": [c.model_dump(mode="json") for c in facts.columns],
        "star": facts.star,
        "ordered": facts.ordered,
    }
    return json.dumps(body)


def load(body: str) -> QueryFacts | str:
    """Return facts as they were kept."""
    from_json = json.loads(body)
    if isinstance(from_json, str):
        return from_json
    columns = tuple(ColumnUse.model_validate(c) for c in from_json["columns"])
    tables = [{"schema_name": s, "name": n} for s, n in from_json["tables"]]
    pattern = QueryPattern.model_validate(
        {**from_json, "columns": columns, "tables": tables, "sql": "", "runs": 0,
         "total_ms": 0.0, "source": "tap"}
    )  # fmt: skip
    return QueryFacts(
        fingerprint=pattern.fingerprint, normalized=pattern.normalized, tables=pattern.tables,
        columns=pattern.columns, star=pattern.star, ordered=pattern.ordered,
    )  # fmt: skip
