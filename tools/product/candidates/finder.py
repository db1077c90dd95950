"""All finders, asked for some kinds of change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tools.messages import Candidate
from tools.numbers import counted
from tools.product.candidates.context import CandidateContext, Found
from tools.product.candidates.index import find_indexes
from tools.product.candidates.rewrite import find_rewrites
from tools.product.candidates.sort import find_sorts
from tools.product.candidates.summary import find_summaries
from tools.product.candidates.types import find_types
from tools.product.candidates.unused import find_constraints, find_redundant, find_unused
from tools.product.errors import ParseFailed
from tools.product.fingerprint import uses_stored

Finder = Callable[[CandidateContext], Found]
FINDERS: tuple[tuple[frozenset[str], Finder], ...] = (
    (frozenset({"change_type"}), find_types),
    (frozenset({"sort_table"}), find_sorts),
    (frozenset({"create_index"}), find_indexes),
    (frozenset({"drop_column", "drop_table"}), find_unused),
    (frozenset({"drop_index"}), find_redundant),
    (frozenset({"add_not_null", "add_check"}), find_constraints),
    (frozenset({"create_summary"}), find_summaries),
    (frozenset({"rewrite_query"}), find_rewrites),
)
LOOKED_AT = 200
"""Queries among which one that reads a view is looked for; the heaviest come first."""
MAX_CANDIDATES = 60
"""Bounds a run on a huge schema; the heaviest ideas come first."""

NO_QUERIES = (
    "there are no queries to measure with: give some with `pillion init --queries`,"
    " or let `pillion serve` watch the live ones"
)


def find(context: CandidateContext, kinds: Iterable[str]) -> Found:
    """Return the ideas of these kinds, heaviest first, and notes on what was looked at in vain."""
    wanted = set(kinds)
    finders = [(made & wanted, finder) for made, finder in FINDERS if made & wanted]
    results: list[Found] = []
    for sought, finder in finders:
        context.steps.begin(f"looking for {_words(sought)}", later=len(finders) - len(results) - 1)
        results.append(finder(context))
    candidates: dict[str, Candidate] = {c.id: c for r in results for c in r.candidates}
    ordered = sorted(candidates.values(), key=lambda c: (-c.promise, c.id))
    notes = [n for r in results for n in r.notes] if context.workload.patterns else [NO_QUERIES]
    if not ordered and context.workload.patterns:
        notes += _silence(context, finders, results)
    if len(ordered) > MAX_CANDIDATES:
        notes.append(f"{len(ordered) - MAX_CANDIDATES} lighter ideas were left for another run")
    return Found(tuple(ordered[:MAX_CANDIDATES]), tuple(notes))


def _silence(
    context: CandidateContext,
    finders: Sequence[tuple[frozenset[str], Finder]],
    results: Sequence[Found],
) -> Iterator[str]:
    """Say what was looked for in vain, where nothing was found and its finder gives no reason."""
    silent = [kinds for (kinds, _), found in zip(finders, results, strict=True) if not found.notes]
    if not silent:
        return
    queries = counted(len(context.workload.patterns), "query", "queries")
    tables = counted(len(context.catalog.tables), "table")
    yield f"nothing in {queries} of {tables} calls for: {_words(frozenset().union(*silent))}"
    if any(_reads_stored(context, p.sql) for p in context.workload.patterns[:LOOKED_AT]):
        yield (
            "queries read views or macros: what those compute inside gives no ideas, only what a"
            " query itself asks of a table does"
        )


def _reads_stored(context: CandidateContext, sql: str) -> bool:
    try:
        return uses_stored(sql, context.catalog)
    except ParseFailed:
        return False


def _words(kinds: Iterable[str]) -> str:
    return ", ".join(sorted(kind.replace("_", " ") for kind in kinds))
