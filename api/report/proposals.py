"""One proposal of the report: what it changes, what it gains and costs, how it is undone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from api.wording import (
    ANSWER_WORDS,
    asked_by,
    change_details,
    change_words,
    contract_word,
    cost,
    cost_bounds,
    foreseen,
    gain,
    how_measured,
    milliseconds,
    short,
    size,
    size_change,
)
from tools.messages import (
    Decision,
    Evidence,
    Expected,
    Outcome,
    Proposal,
    change_target,
)
from tools.outcome_status import IN_PLACE, OutcomeStatus
from tools.plain_text import plain
from tools.words.proposals import facts_of

OUTCOME_WORDS: dict[OutcomeStatus, str] = {
    "applied": "applied",
    "verified": "applied and verified",
    "unproven": "applied, not proven on live",
    "rolled_back": "rolled back",
    "undone": "undone",
    "expired": "expired",
    "failed": "failed, nothing changed",
}
_OUTCOME_STYLES = {"applied": "good", "verified": "good", "rolled_back": "bad", "failed": "bad"}
_SQL_WIDTH = 600


def e(text: object) -> str:
    """Return hostile text for use in HTML: escaped, control and bidi characters made visible."""
    return escape(plain(text))


def proposal_card(
    proposal: Proposal, decision: Decision | None, outcome: Outcome | None, picture: str
) -> str:
    """Return one proposal as HTML; `picture` is HTML already."""
    target = e(change_target(proposal.change))
    facts = "".join(
        f"<dt>{e(name)}</dt><dd>{value}</dd>" for name, value in _facts(proposal, outcome)
    )
    return (
        f'<article id="{e(proposal.id)}"><h3>{e(proposal.summary)}{_state(decision, outcome)}</h3>'
        f'<p class="soft small">{e(proposal.id)} · {e(change_words(proposal.change))} · {target} · '
        f"proposed by the {e(proposal.principal.name)} agent</p>"
        f"<p>{e(facts_of(proposal).text)}</p>{picture}<dl>{facts}</dl></article>"
    )


def _state(decision: Decision | None, outcome: Outcome | None) -> str:
    if outcome is not None:
        style = _OUTCOME_STYLES.get(outcome.status, "soft")
        return f' <span class="tag {style}">{e(OUTCOME_WORDS[outcome.status])}</span>'
    word = ANSWER_WORDS[decision.verdict] if decision is not None else "waits for an answer"
    return f' <span class="tag soft">{e(word)}</span>'


def _facts(proposal: Proposal, outcome: Outcome | None) -> list[tuple[str, str]]:
    evidence = proposal.evidence
    facts = [("gain", f"<strong>{e(gain(evidence.ratio))}</strong> of the whole workload's time")]
    if evidence.expected is not None:
        facts.append(("expect", _expectation(evidence.expected)))
    if evidence.alone is not None and evidence.given:
        facts.append(("by itself", e(gain(evidence.alone))))
    facts.append(("how measured", e(how_measured(evidence))))
    if evidence.losers:
        facts.append(("gets slower", _losers(evidence)))
    facts += _costs(evidence)
    facts += [
        (name, f"<code>{e(short(sql, _SQL_WIDTH))}</code>")
        for name, sql in change_details(proposal.change)
    ]
    facts.append(("contract", _contract(proposal)))
    facts.append(("risk", _listed(proposal.risk or ("none known",))))
    if proposal.affects:
        facts.append(("affects", e(", ".join(proposal.affects))))
    if proposal.changed_since:
        facts.append(("changed since", e(proposal.changed_since)))
    facts.append(("undo does", _listed(proposal.undo)))
    facts.append(("rehearsal", _rehearsal(evidence)))
    if outcome is not None and outcome.status in IN_PLACE:
        facts.append(("undo it", f"<code>pillion undo {e(proposal.id)}</code>"))
    return facts


def _expectation(expected: Expected) -> str:
    note = f'<br><span class="soft">{e(expected.note)}</span>' if expected.note else ""
    return f"{e(foreseen(expected))}{note}"


def _losers(evidence: Evidence) -> str:
    lost = (
        f'<li><span class="bad">{e(gain(q.ratio))}</span> <code>{e(short(q.sql, 160))}</code>'
        f"{e(asked_by(q))}</li>"
        for q in sorted(evidence.losers, key=lambda q: q.ratio.mid)
    )
    return f"<ul>{''.join(lost)}</ul>"


def _costs(evidence: Evidence) -> list[tuple[str, str]]:
    costs = []
    if evidence.insert_cost is not None:
        text = f"{cost(evidence.insert_cost)} time ({cost_bounds(evidence.insert_cost)})"
        costs.append(("inserts", e(text)))
    if evidence.bytes_before or evidence.bytes_after:
        change = size_change(evidence.bytes_before, evidence.bytes_after)
        sizes = f"{size(evidence.bytes_before)} → {size(evidence.bytes_after)} ({change})"
        costs.append(("space", e(sizes)))
    return costs


def _contract(proposal: Proposal) -> str:
    verdict = proposal.contract
    style = "good" if verdict.compatible else "bad"
    found = (
        f"<li>{e(f.severity)}: <code>{e(f.path)}</code> {e(f.message)}</li>"
        for f in verdict.findings
    )
    listed = f"<ul>{''.join(found)}</ul>" if verdict.findings else ""
    return f'<span class="{style}">{e(contract_word(verdict))}</span>{listed}'


def _listed(lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return e(lines[0])
    return f"<ol>{''.join(f'<li>{e(line)}</li>' for line in lines)}</ol>"


def _rehearsal(evidence: Evidence) -> str:
    rehearsal = evidence.rehearsal
    if rehearsal is None:
        return "not rehearsed"
    style, word = ("good", "undo worked") if rehearsal.ok else ("bad", "undo failed")
    times = f"{milliseconds(rehearsal.apply_ms)} to apply, {milliseconds(rehearsal.undo_ms)}"
    said = f": {rehearsal.detail} ({times} to undo)"
    return f'<span class="{style}">{word}</span>{e(said)}'
