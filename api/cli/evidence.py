"""One proposal with everything a person needs to answer it."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from api.cli.cells import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    NumbersTable,
    facts,
    gain_cell,
    ratio_style,
    space_cell,
    stacked,
    text,
)
from api.wording import (
    asked_by,
    change_details,
    change_words,
    contract_word,
    cost,
    cost_bounds,
    counted,
    foreseen,
    gain,
    how_measured,
    measured_again,
    milliseconds,
    share,
    short,
    size,
    spoken,
)
from graph.offers import Remeasured
from tools.messages import Evidence, Expected, Proposal, QueryTiming, change_target
from tools.words.proposals import facts_of
from tools.words.told import Words, template

_SEVERITY_STYLES = {"breaking": BAD, "warning": NOTE, "info": QUIET}
_SQL_WIDTH, _LABEL_WIDTH = 400, 76
_UNCHANGED_SHOWN = 8
"""Queries shown, as far as those with a clear change leave room for others."""


def evidence_panel(
    proposal: Proposal, words: Words | None = None, later: Remeasured | None = None
) -> RenderableType:
    """Return the words about it, gain, queries, costs, contract, risk, undo and rehearsal.

    `later` is what a run since found of it.
    """
    evidence = proposal.evidence
    told = words or template(facts_of(proposal))
    parts: list[RenderableType] = [text(proposal.summary, "bold"), Text(), text(spoken(told))]
    parts.append(Text())
    parts.append(facts(_head(proposal, later)))
    if evidence.queries:
        told_apart, alike = _told_apart(evidence.queries)
        parts += [Text(), query_table(told_apart)]
        if alike:
            rest = counted(len(alike), "more query", "more queries")
            parts += [text(f" {rest} without a clear change; the report shows all", QUIET), Text()]
    else:
        parts.append(Text())
    parts += [facts(_costs(evidence)), Text(), facts(_safety(proposal))]
    return Panel(
        Group(*parts),
        title=text(proposal.id, "bold"),
        title_align="left",
        padding=(1, 2),
        box=box.ROUNDED,
    )


def _told_apart(
    timings: Sequence[QueryTiming],
) -> tuple[list[QueryTiming], list[QueryTiming]]:
    """Return the queries to show, all that change clearly among them, and the rest."""
    ordered = sorted(timings, key=lambda t: -t.ratio.mid)
    plain = [t for t in ordered if t.ratio.low <= 1 <= t.ratio.high and t.equal and not t.error]
    room = max(_UNCHANGED_SHOWN - (len(ordered) - len(plain)), 0)
    alike = plain[room:]
    return [t for t in ordered if t not in alike], alike


def query_table(timings: Sequence[QueryTiming]) -> NumbersTable:
    """Return one row per query, most gained first, with those that get slower marked."""
    table = NumbersTable("query", ("before", "after", "gain"))
    for timing in sorted(timings, key=lambda t: -t.ratio.mid):
        table.add(
            stacked(text(short(timing.sql, _LABEL_WIDTH)), _notes(timing)),
            Text(milliseconds(timing.before_ms.mid)),
            Text(milliseconds(timing.after_ms.mid)),
            gain_cell(timing.ratio),
        )
    return table


def _notes(timing: QueryTiming) -> Text:
    """Return what is to know about one query; what is wrong comes first."""
    notes = Text()
    if timing.error:
        notes += text(f"error: {short(timing.error, 100)}  ", BAD)
    if not timing.equal:
        notes += text("another result  ", BAD)
    if timing.ratio.high < 1:
        notes += text("slower  ", BAD)
    runs = f"{timing.runs:,} {'run' if timing.runs == 1 else 'runs'}"
    told = f"{share(timing.share)} of all time, {runs}{asked_by(timing)}"
    groups = (timing.row_groups_before, timing.row_groups_after)
    if None not in groups and groups[0] != groups[1]:
        told += f", reads {groups[0]} → {groups[1]} row groups"
    return notes + text(told, QUIET)


def _head(proposal: Proposal, later: Remeasured | None) -> list[tuple[str, Text]]:
    evidence = proposal.evidence
    rows = [
        ("change", text(change_words(proposal.change))),
        ("where", text(change_target(proposal.change))),
        *((name, text(short(sql, _SQL_WIDTH))) for name, sql in change_details(proposal.change)),
        ("gain", _gain(evidence)),
    ]
    if evidence.expected is not None:
        rows += _expectation(evidence.expected)
    if evidence.alone is not None and evidence.given:
        rows.append(("by itself", text(gain(evidence.alone))))
    rows.append(("how", text(how_measured(evidence))))
    if proposal.changed_since:
        rows.append(("changed since", text(proposal.changed_since, NOTE)))
    if later is not None:
        rows.append(("tried again", text(measured_again(later), NOTE)))
    return rows


def _gain(evidence: Evidence) -> Text:
    told = text(gain(evidence.ratio), ratio_style(evidence.ratio))
    return told + text(" time of the whole workload, before / after, 95 % interval", QUIET)


def _expectation(expected: Expected) -> list[tuple[str, Text]]:
    note = [("", text(expected.note, QUIET))] if expected.note else []
    return [("expect", text(foreseen(expected))), *note]


def _costs(evidence: Evidence) -> list[tuple[str, Text]]:
    insert = Text("not measured", style=QUIET)
    if evidence.insert_cost is not None:
        insert = text(f"{cost(evidence.insert_cost)} time ({cost_bounds(evidence.insert_cost)})")
    space = Text("not measured", style=QUIET)
    if evidence.bytes_before or evidence.bytes_after:
        sizes = f"{size(evidence.bytes_before)} → {size(evidence.bytes_after)}"
        space = text(f"{sizes} ({space_cell(evidence)})")
    return [("inserts", insert), ("space", space)]


def _safety(proposal: Proposal) -> list[tuple[str, Text]]:
    verdict = proposal.contract
    findings = (
        ("", text(f"{f.severity}  {f.path}  {f.message}", _SEVERITY_STYLES[f.severity]))
        for f in verdict.findings
    )
    return [
        ("contract", text(contract_word(verdict), GOOD if verdict.compatible else BAD)),
        *findings,
        *_lines("risk", proposal.risk or ("none known",)),
        *_lines("affects", proposal.affects),
        *_lines("undo", proposal.undo, numbered=len(proposal.undo) > 1),
        ("rehearsal", _rehearsal(proposal.evidence)),
    ]


def _rehearsal(evidence: Evidence) -> Text:
    rehearsal = evidence.rehearsal
    if rehearsal is None:
        return Text("not rehearsed", style=QUIET)
    times = (
        f"{milliseconds(rehearsal.apply_ms)} to apply, {milliseconds(rehearsal.undo_ms)} to undo"
    )
    word = text("undo worked", GOOD) if rehearsal.ok else text("undo FAILED", BAD)
    return Text.assemble(word, text(f": {rehearsal.detail} ({times})"))


def _lines(label: str, lines: Sequence[str], numbered: bool = False) -> list[tuple[str, Text]]:
    return [
        (label if at == 1 else "", text(f"{at}. {line}" if numbered else line))
        for at, line in enumerate(lines, start=1)
    ]
