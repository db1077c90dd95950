"""Answers from the ledger: what waits, what was gained, who decided what, how runs stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from api.asking.contract import Answer, Source
from api.asking.home import Asked, Home, texts_of
from api.wording import counted, gain, measured_again, quoted, size_change
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
SPACE = re.compile(r"\b(space|size|smaller|bytes|disk|storage|shrink|shrunk)\b")
ASKED_FOR = {
    "proposal.approve": re.compile(r"\b(approv|accept|sign)\w*"),
    "proposal.reject": re.compile(r"\b(reject|refus|declin|den(y|ied))\w*"),
    "proposal.edit": re.compile(r"\bedit\w*"),
}
"""Answers that may be asked for by what they are."""
STANDING = {
    "failed": re.compile(r"\b(fail(ed|s)?|crash(ed)?)\b"),
    "running": re.compile(r"\b(still|right now|going on|busy)\b"),
}
STANDS = {"failed": "failed", "running": "is still going on"}
"""How a run stands, as it is asked for and as it is told."""
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
    if asked.request.proposals:
        return _waits(home, asked)
    if not found:
        of = f" of {asked.product}" if asked.product else ""
        return Answer(text=f"Nothing{of} waits for an answer.")
    waits = "proposal waits" if len(found) == 1 else "proposals wait"
    text = listed(f"{len(found):,} {waits} for an answer:", [line_of(o) for o in found])
    return Answer(text=f"{text}\n{HOW_TO_ANSWER}", sources=tuple(map(source_of, found[:MOST])))


def _waits(home: Home, asked: Asked) -> Answer:
    """Say of each proposal that is named whether it waits."""
    found = list(asked.about(home))
    lines = [f"{line_of(o)}: {stands(o)}" for o in found]
    how = [HOW_TO_ANSWER] if any(o.waiting for o in found) else []
    unknown = asked.unknown(home)
    told = [*lines, *([unknown] if unknown else []), *how]
    return Answer(text="\n".join(told), sources=tuple(map(source_of, found)))


def stands(offer: Offer) -> str:
    """Return whether a proposal waits, else who answered it and what came of it."""
    if offer.decision is None:
        later = offer.remeasured
        again = f", and was tried again by {quoted(measured_again(later))}" if later else ""
        return f"waits for an answer{again}"
    told = "closed unanswered"
    if offer.decision.verdict != "expire":
        verb = ANSWERS[f"proposal.{offer.decision.verdict}"]
        told = f"{verb} by {quoted(offer.decision.principal.name)}"
    last = f", {offer.outcomes[-1].status.replace('_', ' ')}" if offer.outcomes else ""
    return f"waits no more, {told}{last}"


def gained(home: Home, asked: Asked) -> Answer:
    """Say what was applied, with the gain that was proved on live, and what was taken back."""
    every = [o for o in asked.about(home) if o.outcomes]
    if not every:
        return Answer(text=_nothing_made(home, asked))
    made = asked.spoken_of(every) or every
    standing = [o for o in made if o.outcomes[-1].status in IN_PLACE]
    gone = [o for o in made if o not in standing]
    parts = []
    if missing := asked.unheld(text for o in made for text in texts_of(o)):
        parts.append(f"No change that was made speaks of {missing}.")
    if standing:
        title = f"{counted(len(standing), 'change')} in place, each with its gain:"
        parts.append(listed(title, [_gained(o, asked) for o in standing]))
    if gone:
        parts.append(listed("Not in place any more, or never:", [_gained(o, asked) for o in gone]))
    shown = (*standing[:MOST], *gone[:MOST])
    return Answer(text="\n".join(parts), sources=tuple(map(source_of, shown)))


def _nothing_made(home: Home, asked: Asked) -> str:
    if asked.request.proposals:
        known = " and ".join(dict.fromkeys(o.proposal.id for o in asked.about(home)))
        none = f"Nothing came of {known} in the data yet, so nothing was gained by it."
        return "\n".join(filter(None, (none if known else "", asked.unknown(home))))
    where = f" in {asked.product}" if asked.product else ""
    return f"Nothing was changed{where} yet, so nothing was gained."


def _gained(offer: Offer, asked: Asked) -> str:
    last = offer.outcomes[-1]
    live = next((o.ratio for o in reversed(offer.outcomes) if o.ratio is not None), None)
    proved = f"{gain(live)} on live" if live else f"{gain(offer.proposal.evidence.ratio)} on a copy"
    told = f"{last.status.replace('_', ' ')}, {proved}"
    p = offer.proposal
    if SPACE.search(asked.request.words):
        told += f", size {size_change(p.evidence.bytes_before, p.evidence.bytes_after)} on a copy"
    return f"- {p.id} ({p.product}): {quoted(p.summary, REASON_WIDTH)}: {told}"


def decisions(home: Home, asked: Asked) -> Answer:
    """Say who answered what and why, with the rows of the trail that hold it."""
    if unknown := asked.unknown(home):
        return Answer(text=unknown)
    about = list(asked.about(home))
    offers = {o.proposal.id: o for o in asked.spoken_of(about) or about}
    rows = [r for r in home.ledger.audit_about(offers) if r.action in ANSWERS]
    answered = {_name(r) for r in rows}
    people = mentioned(asked.request, answered)
    rows = [r for r in rows if not people or _name(r) in people]
    if not rows:
        return Answer(text="Nobody has answered that yet; `pillion status` shows what waits.")
    rows.reverse()
    said = f"{counted(len(rows), 'answer')}, latest first:"
    held = (t for r in rows for t in (*texts_of(offers[r.subject]), r.subject, *answered))
    if missing := asked.unheld(held):
        said = f"No answer is about, or by, {missing}. All there is: {said}"
    wanted = [a for a, words in ASKED_FOR.items() if words.search(asked.request.words)]
    if len(wanted) == 1 and not any(r.action in (wanted[0], f"{wanted[0][:-1]}al") for r in rows):
        said = f"None of these answers {ANSWERS[wanted[0]]} anything. {said}"
    lines = [_decided(row, offers[row.subject]) for row in rows]
    return Answer(
        text=listed(said, lines),
        sources=tuple(Source(kind="audit", id=str(r.seq)) for r in rows[:MOST]),
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
    """Say how the runs stand that are named, else the latest ones, or those that stand so."""
    threads = home.threads(asked.product)
    named = [t for t in threads if t.id in asked.request.runs]
    if asked.request.runs and not named:
        return Answer(text=f"There is no run {quoted(asked.request.runs[0])}.")
    latest = re.search(r"\b(last|latest|current|the) run\b", asked.request.words)
    shown = named or threads[: 1 if latest else MOST_RUNS]
    if not shown:
        return Answer(text="There was no run yet; `pillion run PRODUCT` starts one.")
    told = []
    status = next((s for s, words in STANDING.items() if words.search(asked.request.words)), None)
    if status is not None and not (named or latest):
        standing = [t for t in threads if t.status == status]
        shown = standing[:MOST] or shown
        told = [f"{counted(len(standing), 'run')} of {len(threads):,} {STANDS[status]}:"]
        if not standing:
            told = [f"No run of {len(threads):,} {STANDS[status]}. The latest:"]
    told += [line for t in shown for line in _run(home, t)]
    return Answer(text="\n".join(told), sources=tuple(Source(kind="run", id=t.id) for t in shown))


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
