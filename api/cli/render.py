"""Tables for the terminal: proposals, tried ideas, outcomes, the audit trail, the status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from api.cli.cells import (
    BAD,
    GOOD,
    QUIET,
    NumbersTable,
    change_cell,
    gain_cell,
    open_table,
    space_cell,
    stacked,
    text,
)
from api.cli.evidence import evidence_panel
from api.wording import (
    MISSING,
    about_query,
    approvals,
    between,
    contract_word,
    cost,
    gain,
    measured_ratio,
    safe,
    trial_words,
)
from tools.messages import Evidence, Interval, Outcome, Proposal, Trial, change_target

__all__ = [
    "audit_table",
    "evidence_panel",
    "outcome_table",
    "proposal_table",
    "safe",
    "status_table",
    "trials_table",
]

_OUTCOME_STYLES = {"applied": GOOD, "verified": GOOD, "rolled_back": BAD, "failed": BAD}
LEGEND = (
    "gain: time of the whole workload, before / after; expect: the same later; slower: queries that"
    " lose; insert: time of one; space: of the data."
)
_NUMBERS = ("gain", "expect", "slower", "insert", "space")


def _numbers(table: Table, names: Sequence[str]) -> None:
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)


def _slower(evidence: Evidence) -> Text:
    count = len(evidence.losers)
    return Text(str(count) if count else "none", style=BAD if count else QUIET)


def _expected(evidence: Evidence) -> str:
    return between(evidence.expected.ratio) if evidence.expected else MISSING


def proposal_table(proposals: Sequence[Proposal]) -> NumbersTable:
    """Return one row per proposal: what, where, gain now and later, costs, contract."""
    table = NumbersTable("proposal", _NUMBERS, "contract")
    for proposal in proposals:
        evidence, verdict = proposal.evidence, proposal.contract
        table.add(
            stacked(text(proposal.id, "bold"), change_cell(proposal.change)),
            gain_cell(evidence.ratio),
            Text(_expected(evidence)),
            _slower(evidence),
            Text(cost(evidence.insert_cost)),
            Text(space_cell(evidence)),
            Text(contract_word(verdict), style="" if verdict.compatible else BAD),
        )
    return table


def trials_table(trials: Sequence[Trial], all: bool = False) -> NumbersTable:
    """Return the ideas that lost with their numbers and reasons; with `all` the winners too."""
    table = NumbersTable("idea", ("gain", "insert", "space"), "verdict")
    for trial in trials:
        if trial.status == "accepted" and not all:
            continue
        evidence = trial.evidence
        style = GOOD if trial.status == "accepted" else ""
        table.add(
            change_cell(trial.candidate.change),
            gain_cell(measured_ratio(evidence)),
            Text(cost(evidence.insert_cost if evidence else None)),
            Text(space_cell(evidence)),
            stacked(text(trial_words(trial), style), *_reason(trial)),
        )
    return table


def _reason(trial: Trial) -> list[Text]:
    query = about_query(trial)
    return [text(trial.reason, QUIET), *([text(query)] if query else [])]


def outcome_table(outcomes: Sequence[Outcome]) -> Table:
    """Return what became of each decided proposal, with the live gain where it was verified."""
    table = open_table()
    table.add_column("proposal", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    _numbers(table, ("live gain",))
    table.add_column("detail", overflow="fold")
    for outcome in outcomes:
        word = outcome.status.replace("_", " ")
        table.add_row(
            text(outcome.proposal_id),
            Text(word, style=_OUTCOME_STYLES.get(outcome.status, "")),
            gain(outcome.ratio),
            text(outcome.detail),
        )
    return table


def _moment(value: object) -> str:
    return str(value)[:19].replace("T", " ")


def audit_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the audit trail: who did what to what, and the start of each row's hash."""
    table = open_table()
    _numbers(table, ("#",))
    for name in ("at (UTC)", "actor", "action, subject"):
        table.add_column(name, overflow="fold")
    table.add_column("hash", overflow="fold", style=QUIET)
    for row in rows:
        table.add_row(
            text(row.get("seq", "")),
            text(_moment(row.get("at", ""))),
            text(row.get("actor", "")),
            stacked(text(row.get("action", "")), text(row.get("subject", ""), QUIET)),
            text(str(row.get("hash", ""))[:8]),
        )
    return table


def _rows_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = open_table(title)
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        table.add_column(text(name.replace("_", " ")), overflow="fold")
    for row in rows:
        cells = ((name, row.get(name)) for name in names)
        table.add_row(*(_row_cell(name, value) for name, value in cells))
    return table


def _row_cell(name: str, value: object) -> Text:
    if value is None or value == "":
        return Text(MISSING, style=QUIET)
    return text(_moment(value) if name.endswith("_at") else value)


def _runs_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row per run; its id, which commands take, stays on one line."""
    table = open_table("Runs")
    table.add_column("run", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("asked for", overflow="fold")
    table.add_column("updated (UTC)", overflow="fold")
    for row in rows:
        updated = text(_moment(row.get("updated_at", ""))[:-3], QUIET)
        named = (text(row.get(name, "")) for name in ("id", "status", "request"))
        table.add_row(*named, updated)
    return table


def _waiting_table(rows: Sequence[Proposal | Mapping[str, Any]]) -> Table:
    table = open_table("Waiting for an answer", leading=1)
    table.add_column("proposal", overflow="fold")
    _numbers(table, ("gain",))
    for row in rows:
        if isinstance(row, Mapping):
            ratio = Interval.model_validate(row["ratio"]) if row.get("ratio") else None
            named = (row.get("id", ""), row.get("product", ""), row.get("summary", ""))
            where = " · ".join(filter(None, (row.get("target", ""), _approvals(row))))
        else:
            ratio, where = row.evidence.ratio, change_target(row.change)
            named = (row.id, row.product, row.summary)
        head = Text(" · ").join((text(named[0], "bold"), text(named[1])))
        table.add_row(stacked(head, text(named[2]), text(where, QUIET)), gain_cell(ratio))
    return table


def _approvals(row: Mapping[str, Any]) -> str:
    given = [a["principal"]["name"] for a in row.get("approvals", ())]
    return approvals(given, row.get("approvals_needed", 1))


def status_table(
    products: Sequence[Mapping[str, Any]],
    threads: Sequence[Mapping[str, Any]],
    waiting: Sequence[Proposal | Mapping[str, Any]],
) -> RenderableType:
    """Return products and runs, their columns named by the rows' keys, and what waits."""
    parts: list[RenderableType] = []
    if products:
        parts.append(_rows_table("Products", products))
    else:
        parts.append(Text("No products yet. Add one: pillion init --database FILE\n"))
    if threads:
        parts.append(_runs_table(threads))
    if waiting:
        parts += [_waiting_table(waiting), Text("Answer them: pillion review", style=QUIET)]
    else:
        parts.append(Text("Nothing waits for an answer.", style=QUIET))
    return Group(*parts)
