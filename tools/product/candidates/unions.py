"""Which queries of a table share a summary: what they need together, in one grouping or several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tools.messages import Dimension, TableName
from tools.product.candidates.context import weight
from tools.product.candidates.group_counts import MAX_SHARE_OF_ONE, GroupCounts
from tools.product.candidates.summary_shape import SummaryShape
from tools.product.catalog import Catalog, Table
from tools.product.sound_summaries import ungroupable

MAX_DIMENSIONS = 6
MAX_UNIONS = 3
"""Unions of a table that begin with another query each."""
MAX_GROUPINGS = 6
"""Most groupings of one summary."""
MAX_SEVERAL = 2
"""Summaries of several groupings that are measured beside those of one."""

Groupings = tuple[frozenset[str], ...]
"""Dimensions of each grouping of one summary."""
Wanted = tuple[TableName, Groupings]
_Choices = Mapping[str, Iterable[frozenset[str]]]
"""Dimensions that serve a query, by its fingerprint."""


def unions(catalog: Catalog, shapes: list[SummaryShape], groups: GroupCounts) -> Iterator[Wanted]:
    """Yield what several queries need together, heaviest first: a table can have one summary.

    A query that would make too many groups is passed over, not what comes after it; what is left
    out so begins another union, and a summary may have several of them as its groupings. The
    second one takes moments as they are.
    """
    mine: dict[TableName, list[SummaryShape]] = {}
    for shape in sorted(shapes, key=lambda s: -weight(s.pattern)):
        mine.setdefault(shape.table, []).append(shape)
    coarse: _Choices = {s.pattern.fingerprint: s.choices for s in shapes}
    plain: _Choices = {s.pattern.fingerprint: (s.plain,) for s in shapes}
    left = dict(mine)
    # Each table has its first before one has another: only so many sets are counted.
    for choices in (coarse, plain, *[coarse] * (MAX_UNIONS - 1)):
        for table in [t for t, waiting in left.items() if waiting]:
            first = left[table][:1] if choices is coarse else []
            joint: frozenset[str] | None = None
            for joint in _union([*first, *mine[table]], choices, groups):
                yield table, (joint,)
            if choices is coarse:
                rest = left[table][1:]
                left[table] = [s for s in rest if joint is None or not s.served_by(joint)]
    for table, asked in mine.items():
        yield from _together(catalog.table(table), asked, coarse, groups)


def _together(
    table: Table | None, shapes: list[SummaryShape], choices: _Choices, groups: GroupCounts
) -> Iterator[Wanted]:
    """Yield summaries of ever more groupings, each of what queries left out by those before need.

    A query whose groups are too many to be joined by others may have a grouping of its own.
    """
    groupings, found = list[frozenset[str]](), list[Wanted]()
    left = [s for s in shapes if table and not _ungroupable(choices[s.pattern.fingerprint], table)]
    while table is not None and left and len(groupings) < MAX_GROUPINGS:
        heaviest, *left = left
        *_, joint = (frozenset[str](), *_union([heaviest, *left], choices, groups))
        if not joint or not heaviest.served_by(joint):
            alone = choices[heaviest.pattern.fingerprint]
            joint = next((c for c in alone if groups.few(table.name, c, MAX_SHARE_OF_ONE)), joint)
        if not joint or not heaviest.served_by(joint):
            continue
        groupings.append(joint)
        left = [s for s in left if not s.served_by(joint)]
        if len(groupings) > 1:
            few = sorted(groupings, key=lambda g: (groups.counted[table.name, g], sorted(g)))
            found.append((table.name, tuple(few)))
    # Fewer groupings are for when more are not worth their upkeep.
    yield from found[-MAX_SEVERAL:]


def _ungroupable(groupings: Iterable[frozenset[str]], table: Table) -> bool:
    keys = (Dimension(expression=k, column="") for g in groupings for k in g)
    return ungroupable(keys, table) is not None


def _union(
    shapes: Iterable[SummaryShape], choices: _Choices, groups: GroupCounts
) -> Iterator[frozenset[str]]:
    """Yield what ever more queries need together, of each the first choice that is few."""
    joint: frozenset[str] = frozenset()
    taken: list[SummaryShape] = []
    for shape in shapes:
        held = bool(taken) and shape.served_by(joint)
        for choice in [joint] if held else choices[shape.pattern.fingerprint]:
            wider = needed(joint | choice, [*taken, shape])
            if len(wider) <= MAX_DIMENSIONS and groups.few(shape.table, wider):
                joint = wider
                taken.append(shape)
                yield joint
                break


def needed(dimensions: frozenset[str], shapes: list[SummaryShape]) -> frozenset[str]:
    """Return dimensions without those that no query needs, as another one tells them."""
    for one in sorted(dimensions):
        fewer = dimensions - {one}
        dimensions = fewer if all(s.served_by(fewer) for s in shapes) else dimensions
    return dimensions


def served_of(
    shapes: list[SummaryShape], table: TableName, groupings: Groupings
) -> list[SummaryShape]:
    """Return the queries that a summary of those groupings answers."""
    return [s for s in shapes if s.table == table and serves(groupings, s)]


def serves(groupings: Groupings, shape: SummaryShape) -> bool:
    """Whether one of the groupings holds what a query needs."""
    return any(shape.served_by(dimensions) for dimensions in groupings)


def worth(shapes: list[SummaryShape], table: TableName, groupings: Groupings) -> float:
    """Return what the queries cost that a summary of those groupings answers."""
    return sum(weight(s.pattern) for s in served_of(shapes, table, groupings))
