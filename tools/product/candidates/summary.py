"""Summary tables: one small table that answers the heaviest grouped queries exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from math import inf

from tools.messages import (
    Aggregate,
    Candidate,
    CreateSummary,
    Dimension,
    TableName,
    change_id,
    quoted,
)
from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.context import CandidateContext, Found, weight
from tools.product.candidates.grains import grain_of
from tools.product.candidates.group_counts import MAX_SHARE, MAX_SHARE_OF_ONE, GroupCounts
from tools.product.candidates.grouped import parse_part
from tools.product.candidates.summary_shape import SummaryShape, shape_of
from tools.product.candidates.unions import (
    MAX_SEVERAL,
    Groupings,
    Wanted,
    needed,
    served_of,
    serves,
    unions,
    worth,
)
from tools.product.candidates.whole_numbers import LARGEST, Fractions
from tools.product.candidates.written import Written
from tools.product.catalog import Table
from tools.product.errors import DatabaseUnusable, ProductError
from tools.product.fingerprint import uses_stored
from tools.product.identifiers import folded
from tools.product.summaries import WRITTEN_WITH
from tools.product.summary_refusals import Refusal, refused_rows
from tools.product.workload import QueryPattern

MAX_PATTERNS = 60
MAX_SUMMARIES = 4
_ROWS = ("count", "")
"""The aggregate that every summary stores: of how many rows each group is."""
MAX_TRIED = 14
MAX_SAFER = 2
"""Summaries without some of the queries for which another would be refused, beside the last."""


def find_summaries(context: CandidateContext) -> Found:
    """Propose the summaries that answer most of the workload, each with its rewritten queries."""
    if uses_stored(WRITTEN_WITH, context.catalog):
        return Found((), ("no summary: a macro is called like a function that summaries need",))
    asked = (p for p in context.workload.patterns[:MAX_PATTERNS] if not p.rewritten)
    shapes = [s for p in asked if (s := shape_of(context, p)) is not None]
    inexact = dict.fromkeys((s.table, s.inexact) for s in shapes if s.inexact)
    unfit = dict.fromkeys((s.table, s.unfit) for s in shapes if s.unfit)
    shapes = [s for s in shapes if not s.inexact and not s.unfit]
    written = Written(context.workload)
    broken = dict.fromkeys(s.table for s in shapes if written.upserts(s.table))
    shapes = [s for s in shapes if s.table not in broken]
    shapes, fractional = _whole(context, shapes)
    groups = GroupCounts(context)
    single: dict[Wanted, SummaryShape] = {
        (s.table, (c,)): s for s in shapes for c in (s.choices[0], s.plain)
    }
    wanted = single.keys() | set(unions(context.catalog, shapes, groups))
    found: dict[Wanted, Candidate] = {}
    why = (
        "the log holds MERGE or upserts into it, or writes that may be such, which the engine"
        " refuses while a table has triggers"
    )
    notes = [f"no summary of {table}: {reason}" for table, reason in unfit]
    notes += [f"no summary of {table}: {why}" for table in broken]
    notes += [f"no summary of {t} for {mean}: its last digits could differ, as the sum or count of"
              " the same is not asked for beside it" for t, mean in inexact]  # fmt: skip
    notes += fractional
    failed: dict[Wanted, str] = {}
    ranked = sorted(wanted, key=lambda w: _rank(shapes, groups, w))
    for one in _best_of_each_first(ranked)[:MAX_TRIED]:
        try:
            candidate, note = _candidate(context, shapes, groups, one)
        except DatabaseUnusable:
            raise
        except ProductError as exc:
            candidate, note = None, f"a summary of {one[0]}: {str(exc).splitlines()[0][:300]}"
        found |= {one: candidate} if candidate else {}
        # Nobody asked for what several queries would need together.
        failed |= {one: note} if note and one in single else {}
    made = _chosen([w for w in ranked if w in found])
    notes += [n for w, n in failed.items() if not _other_way(single[w], made)]
    offered = {
        c.id: c for w in made for c in (found[w], *_safer(context, shapes, groups, w, found[w]))
    }
    return Found(tuple(offered.values()), tuple(notes))


def _whole(
    context: CandidateContext, shapes: list[SummaryShape]
) -> tuple[list[SummaryShape], list[str]]:
    """Return the queries whose floats to be summed are whole numbers, and notes on the others."""
    fractions = Fractions(context)
    looked = [(s, fractions.among(s.table, s.aggregates)) for s in shapes]
    found = dict.fromkeys((s.table, value) for s, value in looked if value)
    notes = [
        f"no summary of {table} for sums or means of {value[:100]}: some values are no whole"
        f" numbers up to {LARGEST}, and a sum of such depends on the order of rows"
        for table, value in found
    ]
    return [s for s, value in looked if not value], notes


def _safer(
    context: CandidateContext,
    shapes: list[SummaryShape],
    groups: GroupCounts,
    wanted: Wanted,
    whole: Candidate,
) -> Iterator[Candidate]:
    """Yield the same without the queries for which it would be refused, where there are some.

    One that casts text of some rows would otherwise leave all others of its table without. Those
    of one column go after another, the cheapest first: a type may be proposed for the dearest.
    """
    table = context.catalog.table(wanted[0])
    change = whole.change
    if table is None or not isinstance(change, CreateSummary) or not refused_rows(change, table):
        return
    served, found = served_of(shapes, *wanted), list[Candidate]()
    while at_risk := [(s, r) for s in served if (r := _refused(s, served, table))]:
        costs: dict[str, float] = {}
        for shape, refusal in at_risk:
            costs[refusal.column] = costs.get(refusal.column, 0.0) + weight(shape.pattern)
        lightest = min(costs, key=lambda column: (costs[column], column))
        without = [id(s) for s, r in at_risk if r.column == lightest]
        served = [s for s in served if id(s) not in without]
        mine = [(g, [s for s in served if s.served_by(g)]) for g in wanted[1]]
        fewer = dict.fromkeys(needed(g, some) for g, some in mine if some)
        candidate, _ = _candidate(context, served, groups, (table.name, tuple(fewer)))
        found += [candidate] if candidate else []
    # The columns in between may have another type by then.
    yield from {c.id: c for c in (*found[:MAX_SAFER], *found[-1:])}.values()


def _refused(shape: SummaryShape, together: list[SummaryShape], table: Table) -> Refusal | None:
    """Return why what a query needs would refuse rows that all of these queries answer."""
    originals = tuple((s.pattern.sql, s.pattern.sql) for s in together)
    alone = _change(table, shape.choices[:1], [shape])
    return refused_rows(alone.model_copy(update={"rewrites": originals}), table)


def _chosen(ranked: list[Wanted]) -> list[Wanted]:
    """Return what is measured: those of several groupings take no other's place."""
    several = _best_of_each_first(w for w in ranked if len(w[1]) > 1)[:MAX_SEVERAL]
    single = _best_of_each_first(w for w in ranked if len(w[1]) == 1)[:MAX_SUMMARIES]
    return [*several, *single]


def _best_of_each_first(ranked: Iterable[Wanted]) -> list[Wanted]:
    """Put each table's best before what else there is of any, so that none crowds out another."""
    best: dict[TableName, Wanted] = {}
    others = [w for w in ranked if best.setdefault(w[0], w) is not w]
    return [*best.values(), *others]


def _rank(shapes: list[SummaryShape], groups: GroupCounts, wanted: Wanted) -> tuple[object, ...]:
    """Order by what is served, then by groups, as far as they were counted."""
    table, groupings = wanted
    many = sum(groups.counted.get((table, g), inf) for g in groupings)
    return -worth(shapes, table, groupings), many, str(table), [sorted(g) for g in groupings]


def _other_way(shape: SummaryShape, made: Iterable[Wanted]) -> bool:
    """Whether a query that one choice of dimensions would not serve is served by another."""
    return any(shape.table == table and serves(groupings, shape) for table, groupings in made)


def _candidate(
    context: CandidateContext, shapes: list[SummaryShape], groups: GroupCounts, wanted: Wanted
) -> tuple[Candidate | None, str]:
    name, groupings = wanted
    table = context.catalog.table(name)
    if table is None:
        return None, ""
    served = served_of(shapes, name, groupings)
    share = MAX_SHARE if len(groupings) == 1 else MAX_SHARE_OF_ONE
    counted = [groups.count(name, dimensions) for dimensions in groupings]
    for dimensions, many in zip(groupings, counted, strict=True):
        if many > table.rows * share:
            return None, (
                f"a summary of {name} by {', '.join(sorted(dimensions))} would have {many} "
                f"groups for {table.rows} rows"
            )
    change = _change(table, groupings, served)
    answers = _answers(context, served, change)
    if not answers:
        return None, ""
    ungrained = _ungrained(change)
    if not change.groupings and len(some := _answers(context, served, ungrained)) == len(answers):
        # No version before grains reads a summary that has some.
        change, answers = ungrained, some
    answered = [p for p, _ in answers]
    rewrites = tuple((p.sql, text) for p, text in answers)
    final = change.model_copy(update={"rewrites": rewrites})
    return Candidate(
        id=change_id(context.product, final),
        agent="query",
        change=final,
        reason=(
            f"{len(rewrites)} grouped queries read {table.rows} rows to make {sum(counted)} groups"
        ),
        fingerprints=tuple(p.fingerprint for p in answered),
        promise=sum(weight(p) for p in answered) * 0.9,
    ), ""


def _answers(
    context: CandidateContext, served: list[SummaryShape], change: CreateSummary
) -> list[tuple[QueryPattern, str]]:
    here = context.catalog.database
    texts = ((s.pattern, answer_from_summary(s.pattern.sql, change, here)) for s in served)
    return [(pattern, text) for pattern, text in texts if text is not None]


def _ungrained(change: CreateSummary) -> CreateSummary:
    dimensions = tuple(d.model_copy(update={"grain": None}) for d in change.dimensions)
    return change.model_copy(update={"dimensions": dimensions})


def _change(table: Table, groupings: Groupings, served: list[SummaryShape]) -> CreateSummary:
    several = len(groupings) > 1
    keys = sorted(frozenset().union(*groupings))
    figures = sorted({a for s in served for a in s.aggregates} | {_ROWS})
    stored = [(sorted(g), sorted(_asked_of(groupings, g, served))) for g in groupings]
    named = (keys, figures, stored) if several else (keys, figures)
    digest = hashlib.sha256(repr(named).encode()).hexdigest()[:8]
    taken = {folded(c.name) for c in table.columns}
    columns = {k: _column(table, k, _free(f"d{i}", taken)) for i, k in enumerate(keys)}
    totals = {a: _free(f"{a[0]}_{i}", taken) for i, a in enumerate(figures)}
    return CreateSummary(
        table=table.name,
        summary=TableName(
            schema_name=table.name.schema_name, name=f"summary_{table.name.name[:180]}_{digest}"
        ),
        dimensions=tuple(
            Dimension(expression=k, column=c, grain=grain_of(parse_part(k), table))
            for k, c in columns.items()
        ),
        aggregates=tuple(
            Aggregate(function=f, argument=a, column=c) for (f, a), c in totals.items()
        ),
        groupings=tuple(
            (*(columns[k] for k in by), *(totals[a] for a in of)) for by, of in stored if several
        ),
        rewrites=(),
    )


def _asked_of(
    groupings: Groupings, one: frozenset[str], served: list[SummaryShape]
) -> set[tuple[str, str]]:
    """Return what queries ask of one of several groupings: each asks the first that serves it."""
    asking = [s for s in served if next(g for g in groupings if s.served_by(g)) == one]
    return {a for s in asking for a in s.aggregates} | {_ROWS}


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no column of the base table has."""
    while name in taken:
        name += "_"
    return name


def _column(table: Table, key: str, fallback: str) -> str:
    """Name a dimension after its column where it is one, as the table spells it."""
    return next((c.name for c in table.columns if quoted(folded(c.name)) == key), fallback)
