"""What a summary holds: its columns, and the query that gives its rows.

Names of the engine's own functions stand in it: what a macro that is called like one had the
triggers write would stay in the summary when the macro is gone.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.messages import GROUPING, KEY, Aggregate, CreateSummary, Dimension, quoted
from tools.product.engine_sql import with_own_functions

_ROWS = "pillion_rows"


def columns_of(change: CreateSummary) -> list[str]:
    """Return the names of a summary's columns in their order."""
    return [*key_columns(change), *figures(change)]


def figures(change: CreateSummary) -> list[str]:
    """Return the names of the columns that are no part of a row's key."""
    return [*(a.column for a in change.aggregates), *([KEY] if change.groupings else [])]


def key_columns(change: CreateSummary) -> list[str]:
    """Return the names of the columns that make a row's key."""
    return [*([GROUPING] if change.groupings else []), *(d.column for d in change.dimensions)]


def rows_column(change: CreateSummary) -> str | None:
    """Return the column that tells of how many rows a group is: of none, once all are gone.

    A group stays then, as nothing: DuckDB 2.0 lets one writer change a row and another delete it
    at once, and loses the change. None where groups that are gone are deleted: what has no
    dimensions has one row always, and what does not count every group's rows cannot tell.
    """
    counts = (a.column for a in change.aggregates if (a.function, a.argument) == ("count", ""))
    column, keys = next(counts, None), {d.column for d in change.dimensions}
    everywhere = all(column in g and not keys.isdisjoint(g) for g in change.groupings)
    return column if keys and everywhere else None


def content(change: CreateSummary) -> str:
    """Return the query that gives what a summary holds."""
    return _grouped(change, change.table.sql, _plain(change))


def kept_rows(change: CreateSummary) -> str:
    """Return the query that gives the rows of a summary of groups that are not gone."""
    rows = rows_column(change)
    alive = f" WHERE {quoted(rows)} <> 0" if rows else ""
    return f"SELECT * FROM {change.summary.sql}{alive}"


def unkeyed(change: CreateSummary, query: str) -> str:
    """Return a query for what `content` or `kept_rows` give, without what only tells rows apart."""
    return f"SELECT * EXCLUDE ({KEY}) FROM ({query})" if change.groupings else query


def content_of(change: CreateSummary, source: str) -> str:
    """Return the query that gives what a summary would hold of a few rows.

    What several groupings read is computed once: most of what it takes is planning.
    """
    if not change.groupings:
        return _grouped(change, source, _plain(change))
    arguments = {a.argument: a.column for a in reversed(change.aggregates) if a.argument}
    once = [_key(d) for d in change.dimensions]
    once += [f"{with_own_functions(text)} AS {quoted(c)}" for text, c in arguments.items()]
    keys = [quoted(d.column) for d in change.dimensions]
    named = [
        _figure(a, quoted(arguments[a.argument]) if a.argument else "*") for a in change.aggregates
    ]
    rows = _grouped(change, _ROWS, _Selected(keys, named))
    return f"WITH {_ROWS} AS MATERIALIZED (SELECT {', '.join(once)} FROM {source}) {rows}"


def keys_of(change: CreateSummary, source: str) -> list[str]:
    """Return the queries that give the keys of a few rows, one for each grouping."""
    return [
        f"SELECT DISTINCT {', '.join(g.keys) or '1'} FROM {source}"
        for g in _all_groupings(change, _plain(change))
    ]


class _Selected(NamedTuple):
    """What is selected for each dimension, and for each aggregate."""

    keys: list[str]
    figures: list[str]


class _Grouping(NamedTuple):
    """What is selected for one grouping's rows, and at which places it is grouped."""

    keys: tuple[str, ...]
    figures: tuple[str, ...]
    places: tuple[int, ...]


def _plain(change: CreateSummary) -> _Selected:
    keys = [_key(d) for d in change.dimensions]
    return _Selected(keys, [_figure(a, a.argument or "*") for a in change.aggregates])


def _key(dimension: Dimension) -> str:
    return f"{with_own_functions(dimension.expression)} AS {quoted(dimension.column)}"


def _figure(aggregate: Aggregate, argument: str) -> str:
    expression = with_own_functions(f"{aggregate.function}({argument})")
    return f"{expression} AS {quoted(aggregate.column)}"


def _all_groupings(change: CreateSummary, selected: _Selected) -> list[_Grouping]:
    if not change.groupings:
        places = tuple(range(1, len(selected.keys) + 1))
        return [_Grouping(tuple(selected.keys), tuple(selected.figures), places)]
    return [_grouping(change, selected, number) for number in range(len(change.groupings))]


def _grouping(change: CreateSummary, selected: _Selected, number: int) -> _Grouping:
    """Return one of several groupings: its number, and NULL for columns that it does without."""
    has = set(change.groupings[number])
    held = [d.column in has for d in change.dimensions]
    keys = (
        key if here else f"NULL AS {quoted(d.column)}"
        for d, key, here in zip(change.dimensions, selected.keys, held, strict=True)
    )
    stored = (
        figure if a.column in has else f"NULL AS {quoted(a.column)}"
        for a, figure in zip(change.aggregates, selected.figures, strict=True)
    )
    places = tuple(place for place, here in enumerate(held, start=2) if here)
    return _Grouping((f"{number} AS {GROUPING}", *keys), tuple(stored), places)


def _grouped(change: CreateSummary, source: str, selected: _Selected) -> str:
    rows = " UNION ALL ".join(
        f"SELECT {', '.join([*g.keys, *g.figures])} FROM {source}{_by(g)}"
        for g in _all_groupings(change, selected)
    )
    return f"SELECT *, {_digest(change)} AS {KEY} FROM ({rows})" if change.groupings else rows


def _digest(change: CreateSummary) -> str:
    """Return a number that rows of different keys do not share.

    The text of a row quotes what could be taken for something else, and tells a missing part.
    """
    parts = ", ".join(quoted(c) for c in key_columns(change))
    return with_own_functions(f"md5_number(CAST(row({parts}) AS VARCHAR))")


def _by(grouping: _Grouping) -> str:
    places = ", ".join(str(p) for p in grouping.places)
    return f" GROUP BY {places}" if places else ""
