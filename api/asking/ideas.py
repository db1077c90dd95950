"""Answers about ideas: one that was proposed, explained, and those that were not, with why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from api.asking.contract import Answer, Source
from api.asking.home import Asked, Home, texts_of
from api.asking.kept import HOW_TO_ANSWER, REASON_WIDTH, line_of, listed, source_of
from api.wording import about_query, counted, gain, measured_ratio, quoted, spoken, trial_words
from graph.ledger import Offer
from tools.asking.names import shared
from tools.lazy import lazy
from tools.messages import Trial, change_target
from tools.words.proposals import facts_of

if TYPE_CHECKING:
    from api.ide import words
else:
    # The terminal need not wait for the service to be imported where nothing is explained.
    words = lazy("api.ide.words")

MOST_SHOWN = 3


def proposal(home: Home, asked: Asked) -> Answer:
    """Explain the proposal that is named, or the one that is spoken of."""
    ids = asked.request.proposals
    found = list(asked.about(home)) if ids else _spoken_of(home, asked)
    if not found:
        return Answer(text=_none(asked))
    if len(found) > 1:
        text = listed("Which of these? Ask again with its id:", [line_of(o) for o in found])
        return Answer(text=text, sources=tuple(map(source_of, found[:MOST_SHOWN])))
    (offer,) = found
    told = [spoken(home.explain(facts_of(offer.proposal))), words.in_words(offer)]
    if offer.decision is not None:
        told.append(f"Answer: {words.standing(offer.decision)}")
    told += [f"Then: {o.status}: {quoted(o.detail, REASON_WIDTH)}" for o in offer.outcomes]
    if offer.waiting:
        told.append(HOW_TO_ANSWER)
    p = offer.proposal
    queries = (Source(kind="query", id=q.fingerprint) for q in p.evidence.queries)
    promises = (Source(kind="contract", id=f.path) for f in p.contract.findings)
    return Answer(text="\n".join(told), sources=(source_of(offer), *queries, *promises))


def _none(asked: Asked) -> str:
    if asked.request.proposals:
        return f"There is no proposal {asked.request.proposals[0]}; `pillion status` lists them."
    return "No proposal speaks of that; ask with its id, which `pillion status` shows."


def _spoken_of(home: Home, asked: Asked) -> list[Offer]:
    """Return the proposals that are spoken of; those that wait where nothing is."""
    found = asked.spoken_of(asked.about(home))
    return found or ([] if asked.subject else list(asked.about(home, waiting=True)))


def unproposed(home: Home, asked: Asked) -> Answer:
    """Say what the latest run tried and did not propose, and what people refused before."""
    thread = next(iter(home.threads(asked.product)), None)
    if thread is None:
        return Answer(text="There was no run yet, so nothing was tried; `pillion run` starts one.")
    trials = [t for t in home.ledger.trials(thread.id) if t.status != "accepted"]
    fitting = [t for t in trials if _concerns(asked, t)]
    shown = fitting or trials
    source = Source(kind="run", id=thread.id)
    notes = [f"- {quoted(n, REASON_WIDTH)}" for n in home.ledger.report(thread.id).get("notes", ())]
    refused = list(_refused(home, asked))
    title = f"The latest run about {thread.product}, {thread.id}, did not propose"
    ideas = counted(len(shown), "idea")
    told = [listed(f"{title} {ideas}:", [_lost(t) for t in shown])] if shown else []
    if not shown:
        told.append(f"The latest run about {thread.product}, {thread.id}, gave up no idea.")
    if refused:
        told.append(listed("Refused by people:", refused))
    if notes:
        told.append(listed("Notes of the run:", notes))
    ideas_of = tuple(Source(kind="idea", id=t.candidate.id) for t in shown[:10])
    return Answer(text="\n".join(told), sources=(source, *ideas_of))


def _concerns(asked: Asked, trial: Trial) -> bool:
    change = trial.candidate.change
    named = trial.candidate.id in asked.request.proposals
    return named or shared(asked.subject, (change_target(change),)) > 0


def _lost(trial: Trial) -> str:
    change, ratio = trial.candidate.change, measured_ratio(trial.evidence)
    measured = f", measured {gain(ratio)}" if ratio else ""
    what = f"{change.kind.replace('_', ' ')} at {quoted(change_target(change))}"
    why = f"{trial_words(trial)}: {quoted(trial.reason, REASON_WIDTH)}"
    query = about_query(trial)
    named = f"; the query is {quoted(query)}" if query else ""
    return f"- {trial.candidate.id}: {what}: {why}{measured}{named}"


def _refused(home: Home, asked: Asked) -> Iterable[str]:
    for offer in home.offers(asked.product):
        said = offer.decision
        if said is None or said.verdict != "reject":
            continue
        named = offer.proposal.id in asked.request.proposals
        if named or shared(asked.subject, texts_of(offer)):
            reason = f": {quoted(said.reason, REASON_WIDTH)}" if said.reason else ""
            yield f"{line_of(offer)}, by {quoted(said.principal.name)}{reason}"
