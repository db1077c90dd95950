"""Why something is slow: the heaviest queries of the workload that match, with their proposals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from api.asking.contract import Answer, Source
from api.asking.home import Asked, Home
from api.wording import counted, factor, milliseconds, quoted, share
from graph.ledger import Offer
from tools.asking.names import parts, stem, subject
from tools.messages import QueryTiming
from tools.outcome_status import IN_PLACE
from tools.product.workload import QueryPattern

SHOWN = 5
LOOKED_AT = 500
SQL_WIDTH = 300
SLOWEST = re.compile(r"\b(slowest|longest running|takes? (the )?longest)\b")
"""Asks for single runs; other words ask for what takes the time of all runs together."""


async def slow(home: Home, asked: Asked) -> Answer:
    """Return the heaviest queries that hold most words of the request; all where none holds any."""
    assert asked.product is not None
    async with home.open(asked.product) as client:
        report = await client.read_workload(LOOKED_AT)
    patterns = report.workload.patterns
    if not patterns:
        return Answer(
            text=f"No query of {asked.product} is known, so nothing can be said about what is slow:"
            " give some with `pillion init --queries`, or let `pillion serve` watch them."
        )
    wanted = subject(asked.request)
    found = matching(patterns, wanted)
    if not found:
        # Queries seldom name their own product.
        own = {stem(w) for w in parts(asked.product)}
        wanted = tuple(w for w in wanted if w not in own)
    slowest = SLOWEST.search(asked.request.words) is not None
    ordered = sorted(found or patterns, key=_each) if slowest else found or list(patterns)
    shown = ordered[:SHOWN]
    offers = _by_query(home.offers(asked.product))
    total = sum(p.total_ms for p in patterns)
    # Of fewer queries than there are, a share would be too large.
    whole = total if report.patterns_total <= len(patterns) else 0.0
    lines = [line for p in shown for line in _told(p, whole, offers.get(p.fingerprint, ()))]
    kind = counted(len(shown), "query", "queries")
    for word in _first_by(ordered, total, slowest=slowest):
        kind = f"{word} query" if len(shown) == 1 else f"{len(shown)} {word} queries"
    title = _title(f"{kind} of {asked.product}", asked.product, wanted, found)
    proposed = (o for p in shown for o in offers.get(p.fingerprint, ()))
    ids = dict.fromkeys(o.proposal.id for o in proposed)
    hint = [] if ids else [
        "No proposal is known to make them faster; `pillion run` looks for improvements."
    ]  # fmt: skip
    return Answer(
        text="\n".join([title, *lines, *hint]),
        sources=(
            *(Source(kind="query", id=p.fingerprint) for p in shown),
            *(Source(kind="proposal", id=i) for i in ids),
        ),
    )


def matching(patterns: Iterable[QueryPattern], wanted: Sequence[str]) -> list[QueryPattern]:
    """Return the queries that hold most of the wanted words, heaviest first."""
    scored = [(sum(w in _words(p) for w in wanted), p) for p in patterns]
    best = max((score for score, _ in scored), default=0)
    kept = [p for score, p in scored if best and score == best]
    return sorted(kept, key=lambda p: (-p.total_ms, -p.runs, p.fingerprint))


def _first_by(ordered: Sequence[QueryPattern], total: float, *, slowest: bool) -> Iterator[str]:
    """Yield the word for what puts the first ones first; nothing where they are all alike."""
    if total:
        yield "slowest" if slowest else "heaviest"
    elif len({p.runs for p in ordered}) > 1:
        yield "most often asked"


def _each(pattern: QueryPattern) -> tuple[float, str]:
    """Return the order in which the slowest of single runs come first."""
    return -pattern.total_ms / max(1, pattern.runs), pattern.fingerprint


def _words(pattern: QueryPattern) -> set[str]:
    """Return the words of a query's text and of who asks it."""
    return {stem(w) for text in (pattern.normalized, *pattern.callers) for w in parts(text)}


def _title(shown: str, product: str, wanted: Sequence[str], found: Sequence[QueryPattern]) -> str:
    if found:
        held = [w for w in wanted if any(w in _words(p) for p in found)]
        about = ", ".join(map(quoted, held))
        if len(found) == 1:
            return f"The one query of {product} that speaks of {about}:"
        return f"The {shown} that speak of {about} ({len(found):,} do):"
    if not wanted:
        return f"The {shown}:"
    about = ", ".join(map(quoted, wanted))
    return f"No query of {product} speaks of {about}. The {shown}, whatever they speak of:"


def _by_query(offers: Iterable[Offer]) -> Mapping[str, list[Offer]]:
    found: dict[str, list[Offer]] = {}
    for offer in offers:
        for timing in offer.proposal.evidence.queries:
            if timing.ratio.low > 1:
                found.setdefault(timing.fingerprint, []).append(offer)
    return found


def _told(pattern: QueryPattern, total: float, offers: Sequence[Offer]) -> Iterator[str]:
    timed = [(o, _timing(o, pattern.fingerprint)) for o in offers[:SHOWN]]
    spent = "no times are known"
    if pattern.total_ms:
        part = f", {share(pattern.total_ms / total)}" if total else ""
        each = milliseconds(pattern.total_ms / max(1, pattern.runs))
        spent = f"{milliseconds(pattern.total_ms)} in all{part}, {each} each"
    elif timed:
        spent = f"{milliseconds(timed[-1][1].before_ms.mid)} each when it was measured"
    asked = f", asked by {', '.join(map(quoted, pattern.callers))}" if pattern.callers else ""
    yield (
        f"- {pattern.fingerprint}: {counted(pattern.runs, 'run')}, {spent}{asked}:"
        f" {quoted(pattern.sql, SQL_WIDTH)}"
    )
    for offer, timing in timed:
        stands: str = offer.decision.verdict if offer.decision else "waits for an answer"
        if offer.outcomes:
            stands = offer.outcomes[-1].status.replace("_", " ")
        made = bool(offer.outcomes) and offer.outcomes[-1].status in IN_PLACE
        gains = f"{'makes' if made else 'would make'} it {factor(timing.ratio.mid)} as fast"
        yield f"  - proposal {offer.proposal.id} {gains}; {stands}"


def _timing(offer: Offer, fingerprint: str) -> QueryTiming:
    timings = offer.proposal.evidence.queries
    return next(q for q in timings if q.fingerprint == fingerprint)
