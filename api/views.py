"""The JSON shapes of the command line, and the report file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from api.report.html import write_report
from api.wording import about_query, measured_ratio
from graph.ledger import Ledger, Offer
from graph.settings import Settings
from tools.messages import Interval, Trial, change_target
from tools.run_report import RunReport


def offer_view(offer: Offer) -> dict[str, Any]:
    """Return one proposal for machines."""
    p = offer.proposal
    return {
        "id": p.id,
        "product": p.product,
        "thread": offer.thread_id,
        "round": offer.round,
        "kind": p.change.kind,
        "target": change_target(p.change),
        "summary": p.summary,
        "ratio": p.evidence.ratio.model_dump(),
        "expected": p.evidence.expected.model_dump() if p.evidence.expected else None,
        "insert_cost": p.evidence.insert_cost.model_dump() if p.evidence.insert_cost else None,
        "bytes_before": p.evidence.bytes_before,
        "bytes_after": p.evidence.bytes_after,
        "losers": [q.fingerprint for q in p.evidence.losers],
        "risk": list(p.risk),
        "undo": list(p.undo),
        "expires_at": p.expires_at.isoformat(),
        "changed_since": p.changed_since,
        "remeasured": offer.remeasured.model_dump(mode="json") if offer.remeasured else None,
        "approvals": [a.model_dump(mode="json") for a in offer.approvals],
        "approvals_needed": offer.needed,
        "decision": offer.decision.model_dump(mode="json") if offer.decision else None,
        "outcomes": [o.model_dump(mode="json") for o in offer.outcomes],
    }


def trial_view(trial: Trial) -> dict[str, Any]:
    """Return one verdict for machines."""
    ratio = measured_ratio(trial.evidence)
    return {
        "id": trial.candidate.id,
        "kind": trial.candidate.change.kind,
        "target": change_target(trial.candidate.change),
        "status": trial.status,
        "reason": trial.reason,
        "query": about_query(trial) or None,
        "ratio": ratio.model_dump() if ratio else None,
    }


def build_report(ledger: Ledger, thread_id: str) -> RunReport:
    """Collect what is known about one run."""
    thread = ledger.thread(thread_id)
    kept = ledger.report(thread_id)
    offers = ledger.offers(thread_id=thread_id)
    offered = {o.proposal.id for o in offers}
    return RunReport(
        product=thread.product,
        thread_id=thread_id,
        engine=next((o.proposal.evidence.engine for o in offers), ""),
        started_at=datetime.fromisoformat(thread.created_at),
        finished_at=datetime.fromisoformat(thread.updated_at),
        queries=int(kept.get("queries", 0)),
        proposals=tuple(o.proposal for o in offers),
        decisions=tuple(o.decision for o in offers if o.decision),
        outcomes=tuple(x for o in offers for x in o.outcomes),
        trials=tuple(t for t in ledger.trials(thread_id) if t.candidate.id not in offered),
        total=Interval.model_validate(kept["total"]) if kept.get("total") else None,
        notes=tuple(kept.get("notes", ())),
    )


class Saved(NamedTuple):
    """Where the report of a run is, and why it is not as it should be."""

    path: Path
    problem: str | None = None


def save_report(settings: Settings, ledger: Ledger, thread_id: str) -> Saved:
    """Write the run's HTML report.

    All that it shows is in the ledger: where it cannot be written, nothing else has failed.
    """
    path = settings.home / "reports" / f"{thread_id}.html"
    try:
        write_report(build_report(ledger, thread_id), path)
    except OSError as exc:
        return Saved(path, f"The report {path} could not be written: {exc.strerror or exc}.")
    return Saved(path)


def run_view(
    settings: Settings, ledger: Ledger, thread_id: str, *, rejected: bool = False
) -> dict[str, Any]:
    """Return one run for machines."""
    thread = ledger.thread(thread_id)
    trials = ledger.trials(thread_id)
    kept = ledger.report(thread_id)
    saved = save_report(settings, ledger, thread_id)
    view: dict[str, Any] = {
        "thread": thread_id,
        "product": thread.product,
        "status": thread.status,
        "proposals": [offer_view(o) for o in ledger.offers(thread_id=thread_id)],
        "total": kept.get("total"),
        "notes": [*kept.get("notes", []), *([saved.problem] if saved.problem else [])],
        "tried": len(trials),
        "report": None if saved.problem else str(saved.path),
    }
    if rejected:
        view["rejected"] = [trial_view(t) for t in trials if t.status != "accepted"]
    return view
