"""What an operator watches, in Prometheus' text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from api.service.access import Auditor
from api.service.service import Served, Service

router = APIRouter(tags=["service"])
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = tuple[tuple[str, str], ...]
Samples = Mapping[Labels, float]


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: Served, caller: Auditor) -> PlainTextResponse:
    """Return counts of runs, offers and answers, and how long people took."""
    lines = [line for family in _families(service) for line in family]
    return PlainTextResponse("\n".join(lines) + "\n", media_type=CONTENT_TYPE)


def _families(service: Service) -> Iterable[list[str]]:
    counts = service.engine.records.counts()
    runs: Samples = {(("status", status),): count for status, count in counts.items()}
    yield _family("pillion_runs", "gauge", "Runs by status.", runs)
    ledger = service.ledger
    threads: Counter[Labels] = Counter(
        (("product", t.product), ("status", t.status)) for t in ledger.threads()
    )
    yield _family("pillion_threads", "gauge", "Steward runs by product and status.", threads)
    waiting: Counter[Labels] = Counter()
    answered: Counter[Labels] = Counter()
    seconds: Counter[Labels] = Counter()
    outcomes: Counter[Labels] = Counter()
    for offer in ledger.offers():
        product = ("product", offer.proposal.product)
        if offer.decision is None:
            waiting[(product,)] += 1
        else:
            answered[product, ("verdict", offer.decision.verdict)] += 1
            seconds[(product,)] += int(offer.decision.seconds)
        for outcome in offer.outcomes:
            outcomes[product, ("status", outcome.status)] += 1
    yield _family("pillion_proposals_waiting", "gauge", "Proposals without an answer.", waiting)
    yield _family("pillion_decisions", "gauge", "Standing answers by verdict.", answered)
    yield _family(
        "pillion_decision_seconds", "gauge", "Seconds from offer to answer, summed.", seconds
    )
    yield _family("pillion_outcomes", "gauge", "What became of changes.", outcomes)
    undelivered = sum(map(len, ledger.undelivered().values()))
    yield _family(
        "pillion_outbox", "gauge", "Answers no run has taken yet.", {(): float(undelivered)}
    )


def _family(name: str, kind: str, about: str, samples: Samples) -> list[str]:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    for labels, value in sorted(samples.items()):
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        lines.append(f"{name}{{{inner}}} {value:g}" if inner else f"{name} {value:g}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
