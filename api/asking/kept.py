"""Answers from the ledger: what waits, what was gained, who decided what, how runs stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from api.asking.contract import Answer, Source
from api.asking.home import Asked, Home
from api.wording import counted, gain, quoted
from graph.audit import AuditRow
from graph.ledger import Offer, Thread
from tools.asking.names import mentioned
from tools.messages import change_target
from tools.outcome_status import IN_PLACE

MOST, MOST_RUNS = 10, 3
REASON_WIDTH = 300
ANSWERS = {
    "proposal.approve": "approved",
    "proposal.approval": "gave one of several approvals to",
    "proposal.reject": "rejected",
    "proposal.edit": "edited",
    "undo.requested": "asked to undo",
}
"""Actions of the trail that are people's answers, in words."""
HOW_TO_ANSWER = (
    "To answer: `pillion review`, or `pillion decide ID approve` (or reject, edit); in an editor"
    " the tools review_proposals and decide."
)


def source_of(offer: Offer) -> Source:
    """Return a proposal as a source."""
    return Source(kind="proposal", id=offer.proposal.id)


def line_of(offer: Offer) -> str:
    """Return a proposal on a line."""
    p = offer.proposal
    return f"- {p.id} ({p.product}): {quoted(p.summary, REASON_WIDTH)}, {gain(p.evidence.ratio)}"


def listed(title: str, lines: Sequence[str], most: int = MOST) -> str:
    """Return lines under a title, the rest of a long list counted."""
    rest = [f"- and {len(lines) - most:,} more"] if len(lines) > most else []
    return "\n".join([title, *lines[:most], *rest])


def waiting(home: Home, asked: Asked) -> Answer:
    """Say what waits for an answer, most certain gain first."""
    found = sorted(asked.about(home, waiting=True), key=lambda o: -o.proposal.evidence.ratio.low)
    if not found:
        return Answer(text="Nothing waits for an answer.")
    waits = "proposal waits" if len(found) == 1 else "proposals wait"
    text = listed(f"{len(found):,} {waits} for an answer:", [line_of(o) for o in found])
    return Answer(text=f"{text}\n{HOW_TO_ANSWER}", sources=tuple(map(source_of, found[:MOST])))


def gained(home: Home, asked: Asked) -> Answer:
    """Say what was applied, with the gain that was proved on live, and what was taken back."""
    made = [o for o in asked.about(home) if o.outcomes]
    if not made:
        return Answer(text="Nothing was changed yet, so nothing was gained.")
    standing = [o for o in made if o.outcomes[-1].status in IN_PLACE]
    gone = [o for o in made if o not in standing]
    parts = []
    if standing:
        title = f"{counted(len(standing), 'change')} in place, each with its gain:"
        parts.append(listed(title, [_gained(o) for o in standing]))
    if gone:
        parts.append(listed("Not in place any more, or never:", [_gained(o) for o in gone]))
    shown = (*standing[:MOST], *gone[:MOST])
    return Answer(text="\n".join(parts), sources=tuple(map(source_of, shown)))


def _gained(offer: Offer) -> str:
    last = offer.outcomes[-1]
    live = next((o.ratio for o in reversed(offer.outcomes) if o.ratio is not None), None)
    proved = f"{gain(live)} on live" if live else f"{gain(offer.proposal.evidence.ratio)} on a copy"
    told = f"{last.status.replace('_', ' ')}, {proved}"
    p = offer.proposal
    return f"- {p.id} ({p.product}): {quoted(p.summary, REASON_WIDTH)}: {told}"


def decisions(home: Home, asked: Asked) -> Answer:
    """Say who answered what and why, with the rows of the trail that hold it."""
    about = list(asked.about(home))
    offers = {o.proposal.id: o for o in asked.spoken_of(about) or about}
    rows = [r for r in home.ledger.audit_about(offers) if r.action in ANSWERS]
    people = mentioned(asked.request, {_name(r) for r in rows})
    rows = [r for r in rows if not people or _name(r) in people]
    if not rows:
        return Answer(text="Nobody has answered that yet; `pillion status` shows what waits.")
    rows.reverse()
    lines = [_decided(row, offers[row.subject]) for row in rows]
    text = listed(f"{counted(len(rows), 'answer')}, latest first:", lines)
    return Answer(
        text=text, sources=tuple(Source(kind="audit", id=str(r.seq)) for r in rows[:MOST])
    )


def _name(row: AuditRow) -> str:
    return row.actor.partition(":")[2]


def _decided(row: AuditRow, offer: Offer) -> str:
    reason = json.loads(row.body).get("reason")
    because = f", because {quoted(reason, REASON_WIDTH)}" if reason else ""
    target = quoted(change_target(offer.proposal.change))
    told = f"{ANSWERS[row.action]} {row.subject} ({target}){because}"
    return f"- {row.at[:16]} {quoted(_name(row))}: {told} [row {row.seq}]"


def runs(home: Home, asked: Asked) -> Answer:
    """Say how the runs stand that are named, else the latest ones."""
    threads = home.threads(asked.product)
    named = [t for t in threads if t.id in asked.request.runs]
    if asked.request.runs and not named:
        return Answer(text=f"There is no run {quoted(asked.request.runs[0])}.")
    latest = re.search(r"\b(last|latest|current|the) run\b", asked.request.words)
    shown = named or threads[: 1 if latest else MOST_RUNS]
    if not shown:
        return Answer(text="There was no run yet; `pillion run PRODUCT` starts one.")
    text = "\n".join(line for t in shown for line in _run(home, t))
    return Answer(text=text, sources=tuple(Source(kind="run", id=t.id) for t in shown))


def _run(home: Home, thread: Thread) -> Iterable[str]:
    offers = home.ledger.offers(thread_id=thread.id)
    waits = sum(o.waiting for o in offers)
    yield (
        f"Run {thread.id} about {thread.product} is {thread.status}: began"
        f" {thread.created_at[:16]}, last changed {thread.updated_at[:16]},"
        f" {counted(len(offers), 'proposal')}, {waits} waiting."
    )
    for note in home.ledger.report(thread.id).get("notes", ())[:MOST]:
        yield f"- note: {quoted(note, REASON_WIDTH)}"
