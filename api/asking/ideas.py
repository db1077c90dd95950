"""Answers about ideas: one that was proposed, explained, and those that were not, with why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from api.asking.contract import Answer, Source
from api.asking.home import Asked, Home, texts_of
from api.asking.kept import HOW_TO_ANSWER, REASON_WIDTH, line_of, listed, source_of, stands
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
STANDS_STILL = {"running": ", which is still going on", "failed": ", which failed"}
"""What has to be said of a run that did not come to its end."""


def proposal(home: Home, asked: Asked) -> Answer:
    """Explain the proposal that is named, or the one that is spoken of."""
    ids = asked.request.proposals
    found = list(asked.about(home)) if ids else _spoken_of(home, asked)
    if not found:
        return Answer(text=_none(home, asked))
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


def _none(home: Home, asked: Asked) -> str:
    if asked.request.proposals:
        return asked.unknown(home)
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
    source = Source(kind="run", id=thread.id)
    notes = [f"- {quoted(n, REASON_WIDTH)}" for n in home.ledger.report(thread.id).get("notes", ())]
    offered, refused = _offered(home, asked)
    # All of them are told where nothing is about what was asked.
    shown = _concerning(asked, trials) or ([] if offered or refused else trials)
    run = f"The latest run about {thread.product}, {thread.id}{STANDS_STILL.get(thread.status, '')}"
    told = []
    if missing := asked.unheld(_texts(shown, (*offered, *refused))):
        told.append(f"No idea of the latest run, nor a proposal, speaks of {missing}.")
    told += [listed("Proposed:", offered)] if offered else []
    if shown:
        ideas = counted(len(shown), "idea")
        told.append(listed(f"{run}, did not propose {ideas}:", [_lost(t) for t in shown]))
    elif not (offered or refused):
        told.append(f"{run}, gave up no idea.")
    if refused:
        told.append(listed("Refused by people:", refused))
    if notes:
        told.append(listed("Notes of the run:", notes))
    ideas_of = tuple(Source(kind="idea", id=t.candidate.id) for t in shown[:10])
    return Answer(text="\n".join(told), sources=(source, *ideas_of))


def _concerning(asked: Asked, trials: Sequence[Trial]) -> list[Trial]:
    """Return the ideas that are named, else those that hold most words of the request."""
    named = [t for t in trials if t.candidate.id in asked.request.proposals]
    scored = [(shared(asked.subject, _words_of(t)), t) for t in trials]
    best = max((score for score, _ in scored), default=0)
    return named or [t for score, t in scored if best and score == best]


def _words_of(trial: Trial) -> tuple[str, str]:
    change = trial.candidate.change
    return change_target(change), change.kind


def _texts(trials: Iterable[Trial], lines: Iterable[str]) -> Iterator[str]:
    for trial in trials:
        yield from (*_words_of(trial), str(trial.candidate.change.table))
    yield from lines


def _lost(trial: Trial) -> str:
    change, ratio = trial.candidate.change, measured_ratio(trial.evidence)
    measured = f", measured {gain(ratio)}" if ratio else ""
    what = f"{change.kind.replace('_', ' ')} at {quoted(change_target(change))}"
    why = f"{trial_words(trial)}: {quoted(trial.reason, REASON_WIDTH)}"
    query = about_query(trial)
    named = f"; the query is {quoted(query)}" if query else ""
    return f"- {trial.candidate.id}: {what}: {why}{measured}{named}"


def _offered(home: Home, asked: Asked) -> tuple[list[str], list[str]]:
    """Return lines about what was proposed after all, and about what people refused."""
    offered, refused = list[str](), list[str]()
    for offer in home.offers(asked.product):
        named = offer.proposal.id in asked.request.proposals
        if not (named or shared(asked.subject, texts_of(offer))):
            continue
        said = offer.decision
        if said is not None and said.verdict == "reject":
            reason = f": {quoted(said.reason, REASON_WIDTH)}" if said.reason else ""
            refused.append(f"{line_of(offer)}, by {quoted(said.principal.name)}{reason}")
        else:
            offered.append(f"{line_of(offer)}: {stands(offer)}")
    return offered, refused
