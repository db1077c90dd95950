"""Tables, columns and terms in sentences, out of structure, counts and how queries use them.

No value of a text column is part of them, nor of any other: what leaves the product is counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tools.messages import TableName
from tools.numbers import counted, share
from tools.plain_text import quoted
from tools.product.logical_types import family, is_text, normal_type
from tools.product.profile import ColumnProfile, Range, Span, TableProfile
from tools.product.workload import ColumnUse, QueryPattern, Role
from tools.words.facts import Facts, joined

COMMENT_WIDTH = 200
MOST_NAMES = 5
_KINDS = {
    "string": "text", "integer": "whole numbers", "number": "numbers", "boolean": "true or false",
    "date": "dates", "timestamp": "points in time", "time": "times of the day",
    "object": "structures", "array": "lists",
}  # fmt: skip
_OTHERS = {
    "BLOB": "bytes", "BIT": "bits", "INTERVAL": "spans of time", "UUID": "identifiers",
    "GEOMETRY": "shapes",
}  # fmt: skip
"""Of types that are neither text nor one of those kinds."""
_RANGES: dict[Range, str] = {
    "negative too": "Some of them are negative",
    "never negative": "None of them is negative",
    "always positive": "All of them are positive",
    "0 to 1": "They lie between 0 and 1",
}
_SPANS: dict[Span, str] = {
    "a day": "They lie within a day",
    "a month": "They lie within a month",
    "a year": "They lie within a year",
    "some years": "They span some years",
    "many years": "They span many years",
}
_ROLES: tuple[tuple[Role, str], ...] = (
    ("filter", "filter by it"), ("join", "join by it"), ("group", "group by it"),
    ("order", "order by it"), ("aggregate", "aggregate it"), ("select", "show it"),
)  # fmt: skip


class Known(NamedTuple):
    """What is known of a product besides the profile of one table."""

    patterns: Sequence[QueryPattern]
    """The queries of the workload."""
    comments: Mapping[tuple[TableName, str], str]
    """Comments in the database by table and column."""
    meanings: Mapping[tuple[TableName, str], str]
    """Logical types that the contract gives columns."""


class Named(NamedTuple):
    """A column as structure alone tells of it."""

    table: TableName
    name: str
    type: str
    key: bool
    """Whether the table's structure makes its values unique."""


def facts_of_column(table: TableProfile, column: ColumnProfile, known: Known) -> Facts:
    """Return what may be told of a column."""
    meaning = known.meanings.get((table.table, column.name), "string")
    kind = _kind(column.type)
    if is_text(column.type) and meaning != "string" and meaning in _KINDS:
        kind = f"{_KINDS[meaning]}, stored as text"
    sentences = (
        f"The column {quoted(column.name)} of the table {quoted(table.table)} holds {kind}.",
        *_presence(column, table),
        *_values(column, table),
        *_links(table, column, known),
        *_use(table, column, known),
        *_comment(known.comments.get((table.table, column.name))),
    )
    return Facts(about="column", subject=quoted(column.name), sentences=sentences)


def facts_of_table(table: TableProfile, known: Known) -> Facts:
    """Return what may be told of a table."""
    columns, rows = counted(len(table.columns), "column"), counted(table.rows, "row")
    keys = [quoted(c.name) for c in table.columns if c.key][:MOST_NAMES]
    reading = [p for p in known.patterns if table.table in p.tables]
    beside = Counter(t for p in reading for t in set(p.tables) if t != table.table)
    near = [quoted(t) for t, _ in sorted(beside.items(), key=lambda i: (-i[1], str(i[0])))]
    sentences = [f"The table {quoted(table.table)} has {rows} and {columns}."]
    if keys:
        sentences.append(f"Its rows are identified by {joined(keys)}.")
    if near:
        sentences.append(f"Queries read it together with {joined(near[:MOST_NAMES])}.")
    sentences.append(_queries([(len(reading), "read it")], len(known.patterns)))
    return Facts(about="table", subject=quoted(table.table), sentences=tuple(sentences))


def named(table: TableProfile) -> Iterator[Named]:
    """Yield a table's columns as structure tells of them."""
    yield from (Named(table.table, c.name, c.type, c.key) for c in table.columns)


def facts_of_terms(columns: Iterable[Named]) -> Iterator[tuple[str, Facts]]:
    """Yield each name that columns of several tables have, with what may be told of it."""
    found: dict[str, list[Named]] = {}
    for column in columns:
        found.setdefault(column.name.lower(), []).append(column)
    for _, uses in sorted(found.items()):
        if len(uses) > 1:
            yield uses[0].name, _term(uses)


def _term(uses: Sequence[Named]) -> Facts:
    name = quoted(uses[0].name)
    tables = [quoted(u.table) for u in uses]
    rest = len(tables) - MOST_NAMES
    more = f", and of {counted(rest, 'other table')}" if rest > 0 else ""
    kinds = sorted({_kind(u.type) for u in uses})
    owners = [quoted(u.table) for u in uses if u.key][:MOST_NAMES]
    sentences = [
        f"{name} is a column of the tables {joined(tables[:MOST_NAMES])}{more}.",
        f"It holds {joined(kinds)}.",
    ]
    if owners:
        sentences.append(f"It identifies a row of {joined(owners)}.")
    return Facts(about="term", subject=name, sentences=tuple(sentences))


def _kind(name: str) -> str:
    """Return what a type holds, in words."""
    return _OTHERS.get(normal_type(name)) or _KINDS[family(name)]


def _sample(table: TableProfile) -> str:
    """Return the words that go with what was seen of some rows only."""
    return "" if table.looked_at == table.rows else " in a sample"


def _presence(column: ColumnProfile, table: TableProfile) -> Iterator[str]:
    sample = _sample(table)
    if not table.looked_at:
        return
    if column.missing in (0, 1):
        yield f"It is {'always' if column.missing else 'never'} empty{sample}."
    elif column.missing < 0.01:
        yield f"It is empty in at most 1 % of the rows{sample}."
    else:
        yield f"It is empty in {share(min(column.missing, 0.99))} of the rows{sample}."


def _values(column: ColumnProfile, table: TableProfile) -> Iterator[str]:
    sample = _sample(table)
    if column.key:
        yield "It identifies a row."
    elif column.unique:
        rows = (
            "All its values{} are different."
            if column.missing
            else "No two rows{} have the same value."
        )
        yield rows.format(sample)
    elif column.distinct == 1:
        rows = "All its values{} are the same." if column.missing else \
            "All rows{} have the same value."  # fmt: skip
        yield rows.format(sample)
    elif column.distinct:
        yield f"It has {column.distinct:,} different values{sample}."
    if column.range is not None:
        yield f"{_RANGES[column.range]}{sample}."
    if column.span is not None:
        yield f"{_SPANS[column.span]}{sample}."
    if column.length is not None:
        yield f"Each is {counted(column.length, 'character')} long{sample}."


def _links(table: TableProfile, column: ColumnProfile, known: Known) -> Iterator[str]:
    if column.references is not None:
        yield f"It refers to the table {quoted(column.references)}."
    partners = Counter(
        (other.table, other.column)
        for pattern in known.patterns
        if "join" in _roles(pattern, table.table, column.name)
        for other in _joined_with(pattern, table.table)
    )
    if partners:
        (there, name), _ = min(partners.items(), key=lambda i: (-i[1], str(i[0])))
        yield f"Queries join it with {quoted(name)} of {quoted(there)}."


def _joined_with(pattern: QueryPattern, table: TableName) -> Sequence[ColumnUse]:
    """Return the one column on the other side of a join; nothing where it could be several."""
    others = [u for u in pattern.columns if "join" in u.roles and u.table != table]
    own = [u for u in pattern.columns if "join" in u.roles and u.table == table]
    return others if len(others) == len(own) == 1 else ()


def _use(table: TableProfile, column: ColumnProfile, known: Known) -> Iterator[str]:
    roles = [_roles(p, table.table, column.name) for p in known.patterns]
    if not known.patterns:
        return
    if not any(roles):
        yield "No known query names it."
        return
    told = [(sum(role in found for found in roles), words) for role, words in _ROLES]
    yield _queries(sorted((t for t in told if t[0]), key=lambda t: -t[0])[:2], len(roles))


def _queries(uses: Sequence[tuple[int, str]], total: int) -> str:
    """Return what numbers of the known queries do."""
    does = [f"{n:,} {_does(words) if n == 1 else words}" for n, words in uses]
    return f"Of {counted(total, 'known query', 'known queries')} {joined(does)}."


def _does(words: str) -> str:
    verb, _, rest = words.partition(" ")
    return f"{verb}s {rest}"


def _roles(pattern: QueryPattern, table: TableName, column: str) -> frozenset[Role]:
    found = (
        u.roles for u in pattern.columns if u.table == table and u.column.lower() == column.lower()
    )
    return frozenset(role for roles in found for role in roles)


def _comment(text: str | None) -> Iterator[str]:
    if text:
        yield f"The comment in the database is {quoted(text, COMMENT_WIDTH)}."
