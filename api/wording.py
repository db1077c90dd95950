"""Plain words and readable numbers, the same in the terminal and in the report."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from rich.markup import escape

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
    TrialStatus,
)
from tools.plain_text import plain

MISSING = "–"
NAME_WIDTH = 120
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")

TRIAL_WORDS: dict[TrialStatus, str] = {
    "accepted": "accepted",
    "rejected": "not worth it",
    "failed": "failed",
    "unmeasured": "not measured",
    "refused": "refused",
    "suppressed": "refused before",
    "held": "held back",
}
_FIXED_WORDS: dict[type[Message], str] = {
    CreateIndex: "add an index",
    DropColumn: "drop an unused column",
    DropTable: "drop an unused table",
    AddNotNull: "forbid missing values",
}


def safe(text: object) -> str:
    """Return `text` made harmless for a terminal and escaped for rich markup."""
    return escape(plain(text))


def approvals(given: Sequence[str], needed: int | None) -> str:
    """Return how many approvals there are of those policy wants; empty where one answers."""
    if needed is None:
        return "policy.toml cannot be read, so nothing can be approved"
    if needed == 1 and not given:
        return ""
    names = f" ({', '.join(given)})" if given else ""
    return f"{len(given)} of {needed} approvals{names}"


def short(text: object, width: int) -> str:
    """Return `text` on one line, its blanks collapsed, cut to `width` with an ellipsis."""
    line = " ".join(plain(text).split())
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def quoted(text: object, width: int = NAME_WIDTH) -> str:
    """Return hostile text as a quoted, single-line, printable literal of bounded length."""
    return json.dumps(short(text, width), ensure_ascii=False)


def asked_by(timing: QueryTiming) -> str:
    """Return who asks a query most, to go after what else is said of it; empty where unknown."""
    return f", asked by {', '.join(short(c, 40) for c in timing.callers)}" if timing.callers else ""


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 table, 2 tables, 1,204 queries."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _trimmed(value: float, digits: int) -> str:
    number = f"{value:,.{digits}f}"
    return number.rstrip("0").rstrip(".") if "." in number else number


def ratio_number(value: float) -> str:
    """Return a ratio without its sign: 1.8, 0.82, 0.998, 12."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if 0.995 <= value <= 1.005:
        return _trimmed(value, 3)
    return _trimmed(value, 2 if value < 2 else 1 if value < 20 else 0)


def factor(value: float) -> str:
    """Return how many times faster: ×1.8."""
    return MISSING if math.isnan(value) else f"×{ratio_number(value)}"


def between(interval: Interval) -> str:
    """Return the bounds of an interval: 1.7–1.9."""
    return f"{ratio_number(interval.low)}–{ratio_number(interval.high)}"


def gain(interval: Interval | None) -> str:
    """Return a ratio with its interval: ×1.8 (1.7–1.9)."""
    return MISSING if interval is None else f"{factor(interval.mid)} ({between(interval)})"


def milliseconds(value: float) -> str:
    """Return a duration with the unit that reads best: 85 µs, 12.3 ms, 1.25 s, 2 min 5 s."""
    if not math.isfinite(value):
        return MISSING
    for scale, unit in ((1e-3, "µs"), (1.0, "ms"), (1e3, "s")):
        amount = value / scale
        limit = 60 if unit == "s" else 999.5
        if amount < limit:
            return f"{_trimmed(amount, 2 if amount < 10 else 1 if amount < 100 else 0)} {unit}"
    minutes, seconds = divmod(round(value / 1e3), 60)
    return f"{minutes:,} min {seconds} s" if seconds else f"{minutes:,} min"


def size(count: float) -> str:
    """Return a number of bytes: 4.5 MB."""
    sign, amount, unit = ("-" if count < 0 else ""), abs(float(count)), 0
    while amount >= 999.5 and unit < len(_SIZES) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{sign}{_trimmed(amount, 1 if unit and amount < 100 else 0)} {_SIZES[unit]}"


def size_change(before: int, after: int) -> str:
    """Return by how much the stored size changes: -1.2 MB, +300 kB, same."""
    if before == after:
        return "same" if before else MISSING
    return f"{'+' if after > before else ''}{size(after - before)}"


def _more(ratio: float) -> str:
    if not math.isfinite(ratio):
        return MISSING
    if ratio >= 10:
        return factor(ratio)
    percent = round((ratio - 1) * 100)
    return "same" if percent == 0 else f"{percent:+d} %"


def cost(interval: Interval | None) -> str:
    """Return what an insert costs more or less: +3 %, -12 %, ×12."""
    return MISSING if interval is None else _more(interval.mid)


def cost_bounds(interval: Interval) -> str:
    """Return the bounds of an insert's cost: +1 % to +5 %."""
    return f"{_more(interval.low)} to {_more(interval.high)}"


def share(value: float) -> str:
    """Return a share of the whole: 12 %, <1 %."""
    if not math.isfinite(value):
        return MISSING
    return "<1 %" if 0 < value < 0.01 else f"{round(value * 100)} %"


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
        case CreateSummary(dimensions=dimensions, aggregates=aggregates, rewrites=rewrites):
            stored = (f"{a.function}({a.argument or '*'})" for a in aggregates)
            pairs = [pair for old, new in rewrites[:3] for pair in (("now", old), ("then", new))]
            return (
                ("grouped by", ", ".join(d.expression for d in dimensions)),
                ("stores", ", ".join(stored)),
                *pairs,
            )
        case DropIndex(definition=definition):
            return (("defined as", definition),)
    return ()


def how_measured(evidence: Evidence) -> str:
    """Return how, on what and on top of which changes something was measured."""
    how = {"shadow": "measured on a shadow copy", "sample": "measured on a sample"}.get(
        evidence.method, f"judged by the {evidence.method}"
    )
    after = f", on top of {', '.join(evidence.given)}" if evidence.given else ""
    return f"{how}: {evidence.rows:,} rows, {evidence.engine}{after}"
