"""How often a proof on live counts each query: as the workload does by now, literals apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from pydantic import Field

from tools.messages import Message
from tools.product.errors import ParseFailed
from tools.product.fingerprint import fingerprint_of
from tools.product.workload import QueryPattern

MOST = 2**63 - 1


class QueryWeight(Message):
    """How often a query counted when its change was measured."""

    sql: str
    """The text to time, which may be an approved rewrite of what was asked."""
    fingerprint: str
    """Of what was asked."""
    weight: int = Field(ge=0, le=MOST)


def weights_now(
    texts: Iterable[str],
    measured: Iterable[QueryWeight],
    asked: Iterable[QueryPattern],
    answered: Iterable[QueryPattern],
) -> dict[str, float]:
    """Return how often each text counts, by the fingerprint of the query that it stands for.

    What the workload knows no more counts as it was measured; `asked` are its queries as they
    are asked, `answered` the same as they are answered.
    """
    wanted = tuple(dict.fromkeys(texts))
    then: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for query in measured:
        then[query.sql][query.fingerprint] = query.weight
    now = {p.fingerprint: p.weight for p in asked}
    known = {t: then[t] for t in wanted if t in then}
    known |= dict(_found([t for t in wanted if t not in then], now, answered))
    # Texts of one query share its runs, or it would count once for each.
    sharing = Counter(f for fingerprints in known.values() for f in fingerprints)
    return {
        text: sum(
            now[f] / sharing[f] if f in now else float(weight) for f, weight in fingerprints.items()
        )
        for text, fingerprints in known.items()
    }


def _found(
    texts: Iterable[str], now: Mapping[str, int], answered: Iterable[QueryPattern]
) -> Iterator[tuple[str, dict[str, int]]]:
    """Find what texts stand for that were kept without it, as the earlier version did."""
    left = tuple(texts)
    if not left:
        return
    by: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for pattern in answered:
        if pattern.rewritten:
            by[_fingerprint(pattern.sql)][pattern.fingerprint] = pattern.weight
    for text in left:
        own = _fingerprint(text)
        yield text, {own: now[own]} if own in now else by.get(own) or {own: 1}


def _fingerprint(sql: str) -> str:
    try:
        return fingerprint_of(sql)
    except ParseFailed:
        return sql
