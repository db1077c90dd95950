"""The final report of a run: one self-contained HTML file that runs no code and fetches nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from api.report.pictures import svg_before_after, svg_ratio_intervals
from api.report.proposals import OUTCOME_WORDS, e, proposal_card
from api.report.style import SHEET
from api.wording import (
    MISSING,
    about_query,
    change_words,
    cost,
    counted,
    gain,
    measured_ratio,
    milliseconds,
    ratio_number,
    short,
    size_change,
    trial_words,
)
from tools.drafts import draft_beside
from tools.failpoints import crash_point
from tools.messages import Interval, Proposal, QueryTiming, Trial, change_target
from tools.run_report import RunReport

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_INTERVALS_SHOWN = 24


def render_report(report: RunReport) -> str:
    """Return the whole report as an HTML document; every name and text in it is escaped."""
    body = "".join(
        (
            _head(report),
            _total(report),
            _proposals(report),
            _intervals(report),
            _answers(report),
            _losers(report.trials),
            _notes(report),
        )
    )
    return document(f"Pillion: {report.product}", body)


def document(title: str, body: str) -> str:
    """Return a page of the report's look; `body` is HTML already."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{e(title)}</title><style>{SHEET}</style></head><body><main>{body}</main></body></html>\n"
    )


def write_report(report: RunReport, path: Path) -> None:
    """Write the report at once: readers see the old file or the whole new one."""
    write_page(render_report(report), path)


def write_page(page: str, path: Path) -> None:
    """Write a page at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_beside(path)
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        crash_point("page.before_rename")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _head(report: RunReport) -> str:
    when = f"{report.started_at:%Y-%m-%d %H:%M}"
    if report.finished_at is not None:
        seconds = (report.finished_at - report.started_at).total_seconds()
        when += f", took {milliseconds(max(seconds, 0) * 1000)}"
    facts = [when, f"run {report.thread_id}", report.engine]
    if report.queries:
        facts.append(counted(report.queries, "query", "queries") + " in the workload")
    line = " · ".join(e(fact) for fact in facts if fact)
    return f'<h1>{_headline(report)}</h1><p class="soft">{line}</p>'


def _headline(report: RunReport) -> str:
    name, standing, offered = e(report.product), len(report.standing), len(report.proposals)
    if standing:
        return f"{name}: {counted(standing, 'change', 'changes')} in place"
    if offered:
        return f"{name}: {counted(offered, 'change', 'changes')} proposed, none in place"
    late = sum(t.status == "unmeasured" for t in report.trials)
    if late:
        return f"{name}: nothing found yet, {counted(late, 'idea')} not measured for want of time"
    return f"{name}: nothing is worth changing"


def _total(report: RunReport) -> str:
    total = report.total
    if total is None or not total.mid > 0:
        return '<p class="total said">The workload was not measured as a whole.</p>'
    after = 100 / total.mid
    widest = max(100.0, after)
    bars = "".join(
        f'<span>{name}</span><div class="bar {name}" style="width:{width / widest * 100:.1f}%">'
        "</div>"
        for name, width in (("before", 100.0), ("after", after))
    )
    worse = " bad" if total.high < 1 else ""
    return (
        f'<section class="total"><div class="number{worse}">×{ratio_number(total.mid)}</div>'
        f'<div class="track">{bars}</div><p class="said">{_in_words(total)}</p></section>'
    )


def _in_words(total: Interval) -> str:
    said = (
        f"For every 100 seconds the workload took before, it takes {100 / total.mid:.0f} with the "
        "measured set of changes."
    )
    if total.low <= 1 <= total.high:
        said += " The difference is within what chance explains."
    spread = f"95 % interval of the gain: {ratio_number(total.low)} to {ratio_number(total.high)}."
    return f'{said} <span class="soft">{spread}</span>'


def _proposals(report: RunReport) -> str:
    if not report.proposals:
        return ""
    decisions = {d.proposal_id: d for d in report.decisions}
    cards = (
        proposal_card(p, decisions.get(p.id), report.latest.get(p.id), _picture(p))
        for p in report.proposals
    )
    return f"<h2>What was proposed</h2>{''.join(cards)}"


def _picture(proposal: Proposal) -> str:
    drawn = svg_before_after(proposal.evidence.queries)
    return f"<h4>Its queries</h4>{scroll(drawn)}" if drawn else ""


def scroll(inner: str) -> str:
    """Return HTML that is scrolled where it is wider than the page."""
    return f'<div class="scroll" tabindex="0">{inner}</div>'


def _intervals(report: RunReport) -> str:
    measured = [
        (f"{change_words(p.change)}: {change_target(p.change)}", p.evidence.ratio)
        for p in report.proposals
    ]
    measured += [
        (f"{change_words(t.candidate.change)}: {change_target(t.candidate.change)}", ratio)
        for t in report.trials
        if t.status != "accepted" and (ratio := measured_ratio(t.evidence)) is not None
    ]
    drawn = svg_ratio_intervals(measured[:_INTERVALS_SHOWN])
    if not drawn or len(measured) < 2:
        return ""
    intro = "Gain of the whole workload by each idea that was measured, winners and losers."
    return f'<h2>What each idea is worth</h2><p class="soft">{intro}</p>{scroll(drawn)}'


def _answers(report: RunReport) -> str:
    decided = (
        (
            f"<code>{e(d.proposal_id)}</code>",
            e(d.verdict),
            e(f"{d.principal.name}, {d.channel}"),
            e(f"{d.decided_at:%Y-%m-%d %H:%M}"),
            e(milliseconds(d.seconds * 1000) if d.seconds else MISSING),
            e(d.reason or MISSING),
        )
        for d in report.decisions
    )
    became = (
        (
            f"<code>{e(o.proposal_id)}</code>",
            e(OUTCOME_WORDS[o.status]),
            e(gain(o.ratio)),
            e(o.detail or MISSING),
        )
        for o in report.outcomes
    )
    heads = ("proposal", "answer", "who", "when", "took", "reason")
    answers = table(heads, decided, numbers=(4,))
    outcomes = table(("proposal", "outcome", "live gain", "detail"), became, numbers=(2,))
    return (f"<h2>What people answered</h2>{answers}" if report.decisions else "") + (
        f"<h2>What became of it</h2>{outcomes}" if report.outcomes else ""
    )


def _losers(trials: Sequence[Trial]) -> str:
    lost = [t for t in trials if t.status != "accepted"]
    if not lost:
        return ""
    rows = (_loser(t) for t in lost)
    heads = ("idea", "gain", "inserts", "space", "why not")
    return (
        "<h2>What was tried and left alone</h2>"
        '<p class="soft">Ideas that were not proposed, each with its number and the reason.</p>'
        f"{table(heads, rows, numbers=(1, 2, 3))}"
    )


def _loser(trial: Trial) -> tuple[str, ...]:
    change, evidence = trial.candidate.change, trial.evidence
    slowest: QueryTiming | None = None
    if evidence is not None and evidence.losers:
        slowest = min(evidence.losers, key=lambda q: q.ratio.mid)
    worst = (
        ""
        if slowest is None
        else f'<br><span class="soft small">slowest: {e(gain(slowest.ratio))} '
        f"{e(short(slowest.sql, 90))}</span>"
    )
    if query := about_query(trial):
        worst += f'<br><span class="soft small">{e(query)}</span>'
    ratio = measured_ratio(evidence)
    style = "bad" if ratio is not None and ratio.high < 1 else ""
    return (
        f'{e(change_words(change))}<br><span class="soft">{e(change_target(change))}</span>',
        f'<span class="{style}">{e(gain(ratio))}</span>',
        e(cost(evidence.insert_cost if evidence else None)),
        e(size_change(evidence.bytes_before, evidence.bytes_after) if evidence else MISSING),
        f"{e(trial_words(trial))}: {e(trial.reason)}{worst}",
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Return a table; heads are text, cells are HTML that is escaped already."""
    marks = ['class="n"' if at in numbers else "" for at in range(len(heads))]
    head = "".join(f"<th {m}>{e(h)}</th>" for h, m in zip(heads, marks, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td {m}>{c}</td>" for c, m in zip(row, marks, strict=True)) + "</tr>"
        for row in rows
    )
    return scroll(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _notes(report: RunReport) -> str:
    if not report.notes:
        return ""
    items = "".join(f"<li>{e(note)}</li>" for note in report.notes)
    return f"<h2>Notes</h2><ul>{items}</ul>"
