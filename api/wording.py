"""Plain words and readable numbers, the same in the terminal and in the report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from graph.offers import Remeasured
from tools.messages import (
    AddCheck,
    AddNotNull,
    ChangeType,
    ContractVerdict,
    CreateIndex,
    CreateSummary,
    DropColumn,
    DropIndex,
    DropTable,
    Evidence,
    Interval,
    Message,
    QueryTiming,
    RewriteQuery,
    SortTable,
    Trial,
    TrialStatus,
    Verdict,
)
from tools.numbers import (
    MISSING,
    between,
    cost,
    cost_bounds,
    counted,
    factor,
    foreseen,
    gain,
    milliseconds,
    ratio_number,
    share,
    size,
    size_change,
)
from tools.plain_text import NAME_WIDTH, plain, quoted, short
from tools.words.told import RULES, Words

__all__ = [
    "ANSWER_WORDS", "CHANGES_RESULTS", "MISSING", "NAME_WIDTH", "TRIAL_WORDS", "about_query",
    "approvals", "asked_by", "between", "change_details", "change_words", "contract_word", "cost",
    "cost_bounds", "counted", "factor", "foreseen", "gain", "how_measured", "measured_again",
    "measured_ratio", "milliseconds", "quoted", "ratio_number", "safe", "share", "short", "size",
    "size_change", "spoken", "taken", "trial_words",
]  # fmt: skip

_QUERY_WIDTH = 90
_NO_TAG = re.compile(r"(\\+)(?=\[(?![a-z#/@][^[]*?\]))")
CHANGES_RESULTS = "changes results"
ANSWER_WORDS: dict[Verdict, str] = {
    "approve": "approved", "reject": "rejected", "edit": "edited", "expire": "expired",
}  # fmt: skip
TRIAL_WORDS: dict[TrialStatus, str] = {
    "accepted": "accepted",
    "rejected": "not worth it",
    "failed": "failed",
    "unmeasured": "not measured",
    "refused": "refused",
    "suppressed": "refused before",
    "held": "held back",
}


def trial_words(trial: Trial) -> str:
    """Return what became of an idea; one that changes answers was never a matter of gain."""
    other = trial.evidence is not None and not trial.evidence.equal
    return CHANGES_RESULTS if other else TRIAL_WORDS[trial.status]


def about_query(trial: Trial) -> str:
    """Return the query whose result an idea changes, which its reason names by fingerprint."""
    queries = trial.evidence.queries if trial.evidence is not None else ()
    return next((short(q.sql, _QUERY_WIDTH) for q in queries if not q.equal), "")


def measured_ratio(evidence: Evidence | None) -> Interval | None:
    """Return the gain of an idea that was timed; one with other results is not."""
    return evidence.ratio if evidence is not None and evidence.equal else None


def measured_again(later: Remeasured) -> str:
    """Return what a later run found of a proposal that waits with the numbers of before."""
    found = TRIAL_WORDS[later.status]
    if later.ratio is not None:
        beside = f" beside {counted(later.beside, 'other change')}" if later.beside else ""
        found = f"{gain(later.ratio)}{beside}, {found}"
    return f"run {later.run} on {later.at:%Y-%m-%d %H:%M} UTC: {found} ({later.reason})"


_FIXED_WORDS: dict[type[Message], str] = {
    CreateIndex: "add an index",
    DropColumn: "drop an unused column",
    DropTable: "drop an unused table",
    AddNotNull: "forbid missing values",
}


def safe(text: object) -> str:
    """Return `text` made harmless for a terminal and escaped for rich markup.

    Rich's own `escape` loses a backslash before a bracket that is no tag, and of two at the end,
    where a tag may follow.
    """
    shown = plain(text)
    body = shown.rstrip("\\")
    return escape(_NO_TAG.sub(r"\1\\", body)) + 2 * shown[len(body) :]


def approvals(given: Sequence[str], needed: int | None) -> str:
    """Return how many approvals there are of those policy wants; empty where one answers."""
    if needed is None:
        return "policy.toml cannot be read, so nothing can be approved"
    if needed == 1 and not given:
        return ""
    names = f" ({', '.join(given)})" if given else ""
    return f"{len(given)} of {needed} approvals{names}"


def taken(memory: int | None) -> str:
    """Return how much memory a model takes: about 690 MB in memory."""
    return "nothing here computes it" if memory is None else f"about {size(memory)} in memory"


def spoken(words: Words) -> str:
    """Return words with whose they are, where a model wrote them."""
    return words.text if words.by == RULES else f"{words.text} [written by {words.by}, checked]"


def asked_by(timing: QueryTiming) -> str:
    """Return who asks a query most, to go after what else is said of it; empty where unknown."""
    return f", asked by {', '.join(short(c, 40) for c in timing.callers)}" if timing.callers else ""


def contract_word(verdict: ContractVerdict) -> str:
    """Return in one word what a change does to the contract."""
    if not verdict.compatible:
        return "breaks"
    warnings = sum(f.severity == "warning" for f in verdict.findings)
    return f"keeps, {warnings} to note" if warnings else "keeps"


def change_words(change: Any) -> str:
    """Return what a change does, in a few plain words and without where."""
    match change:
        case ChangeType(from_type=old, to_type=new):
            return f"store {old} as {new}"
        case DropIndex(name=name):
            return f"drop the index {name}"
        case SortTable(order_by=columns):
            return f"sort by {', '.join(columns)}"
        case CreateSummary(rewrites=rewrites):
            many = "query" if len(rewrites) == 1 else "queries"
            return f"keep a summary for {len(rewrites)} {many}"
        case RewriteQuery(rule=rule):
            return f"rewrite the query ({rule})"
        case AddCheck(expression=expression):
            return f"enforce {expression}"
    return _FIXED_WORDS[type(change)]


def change_details(change: Any) -> tuple[tuple[str, str], ...]:
    """Return the SQL a change stands for, as pairs of a plain label and a text."""
    match change:
        case ChangeType(forward=forward, backward=backward, null_marker=marker):
            missing = () if marker is None else (("missing value", repr(marker)),)
            return (("new value", forward), ("and back", backward), *missing)
        case RewriteQuery(original=original, rewritten=rewritten):
            return (("now", original), ("then", rewritten))
        case CreateSummary(aggregates=aggregates, rewrites=rewrites):
            stored = (f"{a.function}({a.argument or '*'})" for a in aggregates)
            pairs = [pair for old, new in rewrites[:3] for pair in (("now", old), ("then", new))]
            return (
                *(("grouped by", keys) for keys in _groupings(change)),
                ("stores", ", ".join(stored)),
                *pairs,
            )
        case DropIndex(definition=definition):
            return (("defined as", definition),)
    return ()


def _groupings(change: CreateSummary) -> list[str]:
    told = {d.column: d.expression for d in change.dimensions}
    return [", ".join(told[c] for c in g if c in told) for g in change.groupings or (tuple(told),)]


def how_measured(evidence: Evidence) -> str:
    """Return how, on what and on top of which changes something was measured."""
    how = {"shadow": "measured on a shadow copy", "sample": "measured on a sample"}.get(
        evidence.method, f"judged by the {evidence.method}"
    )
    after = f", with {', '.join(evidence.given)} made before it" if evidence.given else ""
    return f"{how}: {evidence.rows:,} rows, {evidence.engine}{after}"
