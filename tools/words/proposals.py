"""A proposal in sentences: what changes and why, who gains and loses, what it costs, how back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tools.messages import (
    AddCheck,
    AddNotNull,
    ChangeType,
    CreateIndex,
    CreateSummary,
    DropColumn,
    DropIndex,
    DropTable,
    Evidence,
    Interval,
    Proposal,
    QueryTiming,
    RewriteQuery,
    SortTable,
)
from tools.numbers import counted, factor, milliseconds, size
from tools.plain_text import quoted
from tools.product.logical_types import is_text
from tools.words.facts import Facts, Topic, Trend, inverse, joined, trend

SHOWN = 3
_ROUNDING = 1e-9
"""What sums of shares differ by from what they are."""
_MEASURED = {
    "shadow": "Measured on a copy with",
    "sample": "Measured on a sample of a table with",
    "metadata": "Estimated for a table with",
    "contract": "Estimated for a table with",
}


def facts_of(proposal: Proposal) -> Facts:
    """Return what may be told of a proposal; no text of SQL, reason or comment is part of it."""
    evidence = proposal.evidence
    sentences = (
        *_change(proposal.change),
        *_gain(evidence),
        *_winners(evidence.queries),
        *_losers(evidence),
        *_costs(evidence),
        *_safety(proposal),
    )
    pace = trend(evidence.ratio)
    inserts = inverse(evidence.insert_cost)
    topics: tuple[Topic, ...] = ("inserts",) if inserts == "worse" else ()
    return Facts(
        about="proposal",
        sentences=sentences,
        subject=quoted(_subject(proposal.change)),
        workload=pace,
        inserts=inserts,
        space=_space(evidence),
        losers=bool(evidence.losers),
        winners=any(q.ratio.low > 1 for q in evidence.queries),
        needed=() if pace == "same" else (factor(evidence.ratio.mid),),
        warnings=tuple(_warnings(proposal)),
        needed_topics=topics,
    )


def _change(change: Any) -> tuple[str, ...]:
    """Return what is done, and by what it is to help."""
    match change:
        case ChangeType(table=table, column=column, from_type=old, to_type=new):
            return (
                f"The column {quoted(column)} of the table {quoted(table)} is stored as"
                f" {_type(new)} instead of {_type(old)}.",
                "Every value in it is kept exactly"
                + (
                    ", and queries need not convert it from text any more." if is_text(old) else "."
                ),
            )
        case CreateIndex(table=table, columns=columns):
            return (
                f"An index on {_names(columns)} is added to the table {quoted(table)}.",
                "With it a query finds single values without reading the whole table.",
            )
        case DropIndex(table=table, name=name):
            return (
                f"The index {quoted(name)} of the table {quoted(table)} is removed.",
                "Each insert has to keep it up to date now.",
            )
        case SortTable(table=table, order_by=columns):
            return (
                f"The rows of the table {quoted(table)} are stored in the order of"
                f" {_names(columns)}.",
                "Similar rows then lie together, so a query can pass over the rest.",
            )
        case CreateSummary(table=table, summary=summary, rewrites=rewrites):
            answers = counted(len(rewrites), "query", "queries")
            return (
                f"A small table {quoted(summary)} keeps what {answers} would otherwise compute from"
                f" {quoted(table)} each time.",
                "It is updated whenever the data is, so results stay exact.",
            )
        case RewriteQuery(table=table):
            return (
                f"A query of the table {quoted(table)} is answered by an equivalent text.",
                "The result is the same, and the data stays as it is.",
            )
    return _removed(change)


def _removed(change: Any) -> tuple[str, ...]:
    match change:
        case DropColumn(table=table, column=column):
            return (
                f"The column {quoted(column)} of the table {quoted(table)} is removed.",
                "No known query reads it and no contract promises it.",
            )
        case DropTable(table=table):
            return (
                f"The table {quoted(table)} is removed.",
                "No known query reads it and no contract promises it.",
            )
        case AddNotNull(table=table, column=column):
            return (
                f"The column {quoted(column)} of the table {quoted(table)} may not be empty any"
                " more.",
                "No row is empty there now.",
            )
        case AddCheck(table=table, column=column):
            return (
                f"A rule of the contract is enforced on the column {quoted(column)} of the table"
                f" {quoted(table)}.",
                "No row is against it now.",
            )
    raise TypeError(f"not a change: {change!r}")


def _subject(change: Any) -> object:
    """Return what a change is about most: a column where it is about one, else a table."""
    match change:
        case ChangeType() | DropColumn() | AddNotNull() | AddCheck():
            return change.column
        case DropIndex(name=name):
            return name
        case CreateSummary(summary=summary):
            return summary
    return change.table


def _type(name: str) -> str:
    """Return a type's name; an enumeration is not told with its values, which are data."""
    return quoted(name.partition("(")[0].strip() if "'" in name else name)


def _names(columns: tuple[str, ...]) -> str:
    return joined(map(quoted, columns)) if columns else "nothing"


def _gain(evidence: Evidence) -> Iterator[str]:
    rows = counted(evidence.rows, "row")
    measured = f"{_MEASURED[evidence.method]} {rows}"
    ratio = evidence.ratio
    told = {
        "better": f"the whole workload runs {factor(ratio.mid)} as fast",
        "worse": f"the whole workload is slower and runs {factor(ratio.mid)} as fast",
    }.get(trend(ratio), "the whole workload keeps its pace")
    yield f"{measured}, {told} (with 95 % confidence between {_bounds(ratio)})."
    if evidence.expected is not None and trend(ratio) != "same":
        yield f"Later it is expected to run between {_bounds(evidence.expected.ratio)} as fast."


def _bounds(interval: Interval) -> str:
    return f"{factor(interval.low)} and {factor(interval.high)}"


def _winners(timings: tuple[QueryTiming, ...]) -> Iterator[str]:
    faster = [q for q in timings if q.ratio.low > 1]
    if not faster:
        return
    among = counted(len(timings), "measured query", "measured queries")
    verb = "is" if len(faster) == 1 else "are"
    most = max(faster, key=lambda q: (q.ratio.mid, q.fingerprint))
    yield f"{len(faster)} of {among} {verb} faster for certain, the most so {_one(most)}."


def _one(timing: QueryTiming) -> str:
    """Return one query by who asks it and its times; its text may hold values of the data."""
    who = f"asked by {_names(timing.callers[:SHOWN])}, " if timing.callers else ""
    before, after = milliseconds(timing.before_ms.mid), milliseconds(timing.after_ms.mid)
    return f"one {who}with {after} instead of {before}"


def _losers(evidence: Evidence) -> Iterator[str]:
    losers = evidence.losers
    if not losers:
        if trend(evidence.ratio) != "worse":
            yield "No query is slower for certain."
        return
    many = counted(len(losers), "query is", "queries are")
    worst = min(losers, key=lambda q: (q.ratio.mid, q.fingerprint))
    part = _at_most(sum(q.share for q in losers))
    yield f"{many} slower for certain, at most {part} of the workload, the most so {_one(worst)}."


def _at_most(part: float) -> str:
    """Return a share of the whole that is never rounded down, for it is called the most."""
    percent = 100 * min(1.0, max(0.0, part))
    return f"{max(1, math.ceil(percent - _ROUNDING))} %"


def _costs(evidence: Evidence) -> Iterator[str]:
    cost = evidence.insert_cost
    if cost is None:
        yield "What an insert costs was not measured."
    else:
        yield f"An insert {_takes(cost)}."
    before, after = evidence.bytes_before, evidence.bytes_after
    if before or after:
        if before == after:
            yield f"The file stays at a size of {size(after)}."
        else:
            word = "less" if after < before else "more"
            told = f"{size(abs(after - before))} {word} space"
            yield f"The data takes {told}, {size(after)} instead of {size(before)}."


def _takes(cost: Interval) -> str:
    """Return what an insert takes, in the words that its interval bears out."""
    worth: Trend = inverse(cost)
    if worth == "same":
        return "keeps its pace"
    word = "less" if worth == "better" else "more"
    return f"takes {word} time, {factor(cost.mid)} of what it took"


def _space(evidence: Evidence) -> Trend:
    if not (evidence.bytes_before or evidence.bytes_after):
        return "unknown"
    moved = evidence.bytes_after - evidence.bytes_before
    return "same" if moved == 0 else "better" if moved < 0 else "worse"


def _safety(proposal: Proposal) -> tuple[str, ...]:
    evidence, verdict = proposal.evidence, proposal.contract
    said = list(_warnings(proposal))
    warned = sum(f.severity == "warning" for f in verdict.findings)
    if verdict.compatible:
        noted = f", with {counted(warned, 'thing')} to note" if warned else ""
        said.append(f"The contract is kept{noted}.")
    if evidence.rehearsal is not None and evidence.rehearsal.ok:
        took = milliseconds(evidence.rehearsal.undo_ms)
        said.append(f"The way back was rehearsed on a copy, worked and took {took}.")
    return tuple(said)


def _warnings(proposal: Proposal) -> Iterator[str]:
    """Yield what nobody who answers may miss."""
    evidence, rehearsal = proposal.evidence, proposal.evidence.rehearsal
    if not evidence.equal:
        unequal = sum(not q.equal for q in evidence.queries)
        yield f"Warning: {counted(unequal, 'query gives', 'queries give')} a different result."
    if not proposal.contract.compatible:
        yield "The contract is not kept."
    if rehearsal is None:
        yield "The way back was not rehearsed."
    elif not rehearsal.ok:
        yield "The way back was rehearsed on a copy and failed."
