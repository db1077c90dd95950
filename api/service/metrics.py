"""What an operator watches, in Prometheus' text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import psutil
from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from api.service.access import Auditor
from api.service.service import Served, Service
from graph.ledger import Offer, now
from graph.words import FILE as WORDS
from graph.words import Tried, tried_at
from tools.histogram import Histogram
from tools.slm.times import TIMES

router = APIRouter(tags=["service"])
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FILES = ("ledger.db", "service.db", "checkpoints.db", "store.db", WORDS)
Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One number; a suffix belongs to the parts of a summary or a histogram."""

    value: float
    labels: Labels = ()
    suffix: str = ""


Samples = Iterable[Sample]


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: Served, caller: Auditor) -> PlainTextResponse:
    """Return runs, offers and answers, how long they took and wait, and what the service costs."""
    # Thousands of offers at once are too many to be cleared away in one go.
    offered = await service.read_ledger(lambda it: list(_proposal_families(it.each_offer())))
    lines = [line for family in _families(service, offered) for line in family]
    return PlainTextResponse("\n".join(lines) + "\n", media_type=CONTENT_TYPE)


def _families(service: Service, offered: list[list[str]]) -> Iterable[list[str]]:
    yield from _run_families(service)
    yield from _word_families(tried_at(service.settings.home))
    yield from offered
    undelivered = [d for each in service.ledger.undelivered().values() for d in each]
    yield _family("pillion_outbox", "gauge", "Answers no run has taken yet.",
                  [Sample(len(undelivered))])  # fmt: skip
    since = min((d.decided_at for d in undelivered), default=None)
    yield _family("pillion_outbox_oldest_seconds", "gauge", "Age of the oldest of those.",
                  [Sample(_age(since))])  # fmt: skip
    yield _family("pillion_http_seconds", "histogram", "Time to the first byte.",
                  _histograms(
                      ((("method", method), ("route", route), ("status", status)), held)
                      for (method, route, status), held in list(service.requests.items())
                  ))  # fmt: skip
    yield _family("pillion_model_seconds", "histogram", "Time of models, and of rules before them.",
                  _histograms(
                      ((("operation", operation), ("outcome", outcome)), held)
                      for (operation, outcome), held in TIMES.all().items()
                  ))  # fmt: skip
    sizes = [
        Sample(path.stat().st_size, (("file", name),))
        for name in FILES
        if (path := service.settings.home / name).exists()
    ]
    yield _family("pillion_file_bytes", "gauge", "Size of the files of state.", sizes)
    yield from _process_families()


def _run_families(service: Service) -> Iterable[list[str]]:
    records = service.engine.records
    runs = [Sample(n, (("status", status),)) for status, n in records.counts().items()]
    yield _family("pillion_runs", "gauge", "Runs by status.", runs)
    threads = Counter((t.product, t.status) for t in service.ledger.threads())
    yield _family(
        "pillion_threads", "gauge", "Runs about products by product and status.",
        [Sample(n, (("product", p), ("status", s))) for (p, s), n in threads.items()],
    )  # fmt: skip
    took: dict[Labels, tuple[int, float]] = {
        (("graph", graph), ("status", status)): found
        for (graph, status), found in records.durations().items()
    }
    yield _family(
        "pillion_run_duration_seconds", "summary", "From being asked for to the end.",
        _summaries(took),
    )  # fmt: skip
    yield _family("pillion_retries", "gauge", "What failed and is tried again later.",
                  [Sample(records.retries())])  # fmt: skip
    yield _family(
        "pillion_run_oldest_pending_seconds", "gauge", "Age of the oldest run not yet begun.",
        [Sample(_age(records.oldest_pending()))],
    )  # fmt: skip


def _proposal_families(offers: Iterable[Offer]) -> Iterable[list[str]]:
    waiting, given = Counter[str](), Counter[str]()
    oldest: dict[str, datetime] = {}
    verdicts, outcomes = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    took: dict[Labels, tuple[int, float]] = {}
    for offer in offers:
        product = offer.proposal.product
        if offer.decision is None:
            waiting[product] += 1
            given[product] += len(offer.approvals)
            oldest[product] = min(oldest.get(product, offer.offered_at), offer.offered_at)
        else:
            verdicts[product, offer.decision.verdict] += 1
            count, total = took.get((("product", product),), (0, 0.0))
            took[("product", product),] = (count + 1, total + offer.decision.seconds)
        outcomes.update((product, o.status) for o in offer.outcomes)
    yield _family("pillion_proposals_waiting", "gauge", "Proposals without an answer.",
                  [Sample(n, (("product", p),)) for p, n in waiting.items()])  # fmt: skip
    yield _family("pillion_approvals_waiting", "gauge", "Approvals of proposals that want more.",
                  [Sample(n, (("product", p),)) for p, n in given.items()])  # fmt: skip
    yield _family(
        "pillion_proposal_oldest_waiting_seconds", "gauge", "Age of the oldest without an answer.",
        [Sample(_age(at), (("product", p),)) for p, at in oldest.items()],
    )  # fmt: skip
    yield _family("pillion_decisions", "gauge", "Standing answers by verdict.",
                  [Sample(n, (("product", p), ("verdict", v))) for (p, v), n in verdicts.items()]
                  )  # fmt: skip
    yield _family("pillion_decision_seconds", "summary", "From offer to answer.", _summaries(took))
    yield _family("pillion_outcomes", "gauge", "What became of changes.",
                  [Sample(n, (("product", p), ("status", s))) for (p, s), n in outcomes.items()]
                  )  # fmt: skip


def _word_families(tried: list[Tried]) -> Iterable[list[str]]:
    took = [(t, (("about", t.about), ("model", t.model), ("outcome", t.outcome))) for t in tried]
    yield _family(
        "pillion_words_total", "counter", "Wordings asked of a model, by how they ended.",
        [Sample(t.number, labels) for t, labels in took],
    )  # fmt: skip
    yield _family("pillion_words_seconds_total", "counter", "Time those took.",
                  [Sample(t.seconds, labels) for t, labels in took])  # fmt: skip


def _process_families() -> Iterable[list[str]]:
    process = psutil.Process()
    times = process.cpu_times()
    for name, kind, about, value in (
        ("cpu_seconds_total", "counter", "Processor time.", times.user + times.system),
        ("resident_memory_bytes", "gauge", "Resident memory.", process.memory_info().rss),
        ("start_time_seconds", "gauge", "Start, since the epoch.", process.create_time()),
    ):
        yield _family(f"process_{name}", kind, about, [Sample(value)])


def _age(since: datetime | None) -> float:
    return max(0.0, (now() - since).total_seconds()) if since else 0.0


def _summaries(took: Mapping[Labels, tuple[int, float]]) -> Samples:
    for labels, (count, total) in took.items():
        yield Sample(total, labels, "_sum")
        yield Sample(count, labels, "_count")


def _histograms(found: Iterable[tuple[Labels, Histogram]]) -> Samples:
    for labels, held in found:
        yield from _buckets(labels, held)
        yield Sample(held.total, labels, "_sum")
        yield Sample(sum(held.counts), labels, "_count")


def _buckets(labels: Labels, held: Histogram) -> Samples:
    below = 0
    for bound, count in zip((*map(str, held.bounds), "+Inf"), held.counts, strict=True):
        below += count
        yield Sample(below, (*labels, ("le", bound)), "_bucket")


def _family(name: str, kind: str, about: str, samples: Samples) -> list[str]:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    for value, labels, suffix in samples:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        lines.append(f"{name}{suffix}{f'{{{inner}}}' if inner else ''} {value!r}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
