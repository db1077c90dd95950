"""What was asked of a product, in one SQLite file: one row a distinct text, not a run.

The file stays as small as the variety of the workload, however long it is; `workload_days` adds
when it was asked.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tools.failpoints import crash_point
from tools.product import kept_facts
from tools.product.catalog import Catalog
from tools.product.fingerprint import QueryFacts
from tools.product.guard import is_readable
from tools.product.table_uses import Unmeasured, calls_by_text, read_by
from tools.product.workload import QueryPattern, Skipped, Source, Unread, Workload
from tools.product.workload_days import (
    DayRuns,
    add_days,
    ceased,
    forget_days,
    recorded,
    together,
)
from tools.roll_back import roll_back
from tools.write_ahead import use_write_ahead_log

SCHEMA = (Path(__file__).parent / "workload_schema.sql").read_text()
MAX_TEXTS = 3000
"""Most statements, literals apart, that are analysed; a longer tail is not worth a candidate."""
MAX_PATTERNS = 500
MAX_SKIPPED = 100
MAX_VARIANTS = 5
MAX_CALLERS = 5
CALLER_LENGTH = 100
"""Characters kept of who asked."""
BATCH = 1000
"""Runs that are folded before they are written."""
UNTIMED_MS = 0.0
UNDATED = datetime(1970, 1, 1, tzinfo=UTC)
_ADD_TEXT = (
    "INSERT INTO texts VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE SET"
    " runs = runs + excluded.runs, timed = timed + excluded.timed,"
    " total_ms = total_ms + excluded.total_ms, errors = errors + excluded.errors,"
    " last_at = max(last_at, excluded.last_at)"
)
_ADD_CALLER = (
    "INSERT INTO callers VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET runs = runs + excluded.runs"
)
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
_KEPT_OR_LITERAL = re.compile(
    r"""(--[^\n]*|/\*.*?(?:\*/|\Z)|"(?:[^"]|"")*"|\$\$.*?(?:\$\$|\Z)"""
    r"""|\b(?:FROM|JOIN)\s*'(?:[^']|'')*')|(?<=\be)'(?:[^'\\]|\\.|'')*'"""
    rf"|{_LITERAL.pattern}",
    re.DOTALL | re.IGNORECASE,
)
"""Literals, and first what only looks as if it held some: comments, and names in quotes."""
_QUOTED_SOURCE = re.compile(
    r"'(?:(?<=(?:from|join|...\s)\s')|(?<=(?:from|join)'))", re.DOTALL | re.IGNORECASE
)


class Observation(NamedTuple):
    """One run of one statement; `ms` is None where the source has no durations."""

    sql: str
    at: datetime
    """`UNDATED` where the source has no times."""
    ms: float | None
    source: Source
    error: str | None = None
    caller: str | None = None


class _Text(NamedTuple):
    hash: str
    sql: str
    source: Source
    runs: int
    total_ms: float
    callers: Counter[str]
    mask: str


class WorkloadStore:
    """The workload of one product; one process writes, any thread may."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._con = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        use_write_ahead_log(self._con)
        self._con.execute("PRAGMA synchronous=NORMAL")
        self._con.executescript(SCHEMA)
        forget_days(self._con)

    def close(self) -> None:
        """Release the file."""
        self._con.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction, alone."""
        with self._lock:
            self._con.execute("BEGIN IMMEDIATE")
            try:
                yield self._con
                self._con.execute("COMMIT")
            except BaseException:
                roll_back(self._con)
                raise

    def record(self, observations: Iterable[Observation]) -> int:
        """Add runs in one transaction and return how many."""
        with self.transaction() as con:
            count = add(con, observations)
            crash_point("workload.before_commit")
        crash_point("workload.after_commit")
        return count

    def unread(self) -> Unread:
        """Return the rows that could not be read when these files were last imported."""
        found = self._con.execute("SELECT body FROM unread ORDER BY path").fetchall()
        parts = [Unread.model_validate_json(body) for (body,) in found]
        first = tuple(row for part in parts for row in part.first)
        return Unread(total=sum(p.total for p in parts), first=first)

    def workload(self, catalog: Catalog) -> Workload:
        """Return the patterns, heaviest first, and what cannot be measured with the reason."""
        texts = list(self._texts())
        folded, rest = _readable(texts[:MAX_TEXTS])
        unmeasured = Unmeasured(catalog)
        seen = recorded(self._con)
        patterns: dict[str, QueryPattern] = {}
        callers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        windows: dict[str, tuple[int, ...]] = {}
        for text, facts in self._analysed(folded, catalog):
            if isinstance(facts, str):
                rest.append((text, facts))
                continue
            known = patterns.get(facts.fingerprint)
            patterns[facts.fingerprint] = _merge(known, text, facts)
            callers[facts.fingerprint] += text.callers
            runs = windows.get(facts.fingerprint, ()), seen.runs.get(_hash(text.mask), ())
            windows[facts.fingerprint] = together(runs)
        known_of = {
            f: {
                "callers": _most(callers[f]), "windows": windows[f],
                "ceased": ceased(windows[f], seen.windows, seen.heard),
            }
            for f in patterns
        }  # fmt: skip
        full = (p.model_copy(update=known_of[f]) for f, p in patterns.items())
        ordered = sorted(full, key=lambda p: (-p.total_ms, -p.runs, p.fingerprint))
        for text, _ in rest:
            unmeasured.add(text.sql, text.runs)
        for text in texts[MAX_TEXTS:]:
            unmeasured.add_upserts(text.sql, text.runs)
        return Workload(
            patterns=tuple(ordered[:MAX_PATTERNS]),
            skipped=tuple(Skipped(sql=t.sql[:2000], reason=why) for t, why in rest[:MAX_SKIPPED]),
            skipped_total=len(rest),
            writes=dict(unmeasured.writes),
            windows=seen.windows,
            unlisted=read_by(ordered[MAX_PATTERNS:]),
            named=unmeasured.uses(),
            unseen=len(texts[MAX_TEXTS:]),
        )

    def _texts(self) -> Iterator[_Text]:
        """Yield one text for all that differ only in literals, heaviest first.

        The mask is a cheap approximation: what it keeps apart, the fingerprint joins later.
        """
        found = self._con.execute(
            "SELECT hash, sql, source, runs, total_ms FROM texts"
            " ORDER BY total_ms DESC, runs DESC, hash"
        )
        callers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for key, caller, runs in self._con.execute("SELECT hash, caller, runs FROM callers"):
            callers[key][caller] += runs
        folded: dict[str, _Text] = {}
        for key, sql, source, runs, ms in found:
            mask = masked(sql)
            # What such a call reads its literal says.
            alike = sql if calls_by_text(sql) else mask
            text = _Text(key, sql, source, runs, ms, callers.get(key, Counter()), mask)
            first = folded.get(alike)
            if first is not None:
                text = first._replace(
                    runs=first.runs + text.runs,
                    total_ms=first.total_ms + text.total_ms,
                    callers=first.callers + text.callers,
                )
            folded[alike] = text
        yield from folded.values()

    def _analysed(
        self, texts: list[_Text], catalog: Catalog
    ) -> Iterator[tuple[_Text, QueryFacts | str]]:
        """Yield each text with its facts, or why it has none; facts are kept between calls."""
        key = kept_facts.key_of(catalog)
        known = dict(
            self._con.execute("SELECT hash, body FROM facts WHERE catalog = ?", (key,)).fetchall()
        )
        fresh: list[tuple[str, str, str]] = []
        for text in texts:
            if text.hash in known:
                yield text, kept_facts.load(known[text.hash])
                continue
            facts = kept_facts.facts_of(text.sql, catalog)
            fresh.append((text.hash, key, kept_facts.dump(facts)))
            yield text, facts
        if fresh:
            with self.transaction() as con:
                con.execute("DELETE FROM facts WHERE catalog <> ?", (key,))
                con.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", fresh)


def _most(callers: Counter[str]) -> tuple[str, ...]:
    """Return who asked most often; names decide between equals."""
    ordered = sorted(callers.items(), key=lambda c: (-c[1], c[0]))
    return tuple(name for name, _ in ordered[:MAX_CALLERS])


def _readable(texts: list[_Text]) -> tuple[list[_Text], list[tuple[_Text, str]]]:
    """Part the texts that may run from those that may not, these with the reason."""
    good: list[_Text] = []
    rest: list[tuple[_Text, str]] = []
    for text in texts:
        reason = is_readable(text.sql)
        if reason is None:
            good.append(text)
        else:
            rest.append((text, reason))
    return good, rest


def note_unread(con: sqlite3.Connection, path: str, unread: Unread) -> None:
    """Keep what of a file could not be read, in place of what was said of it before."""
    con.execute("DELETE FROM unread WHERE path = ?", (path,))
    if unread.total:
        con.execute("INSERT INTO unread VALUES (?, ?)", (path, unread.model_dump_json()))


def add(con: sqlite3.Connection, observations: Iterable[Observation]) -> int:
    """Add runs inside the caller's transaction; equal texts of a batch become one write."""
    count, left = 0, iter(observations)
    while batch := list(islice(left, BATCH)):
        count += len(batch)
        texts: dict[str, _Seen] = {}
        callers: Counter[tuple[str, str]] = Counter()
        days: DayRuns = Counter()
        for o in batch:
            if (seen := texts.get(o.sql)) is None:
                seen = texts[o.sql] = _Seen(o)
            seen.add(o)
            if _dated(o):
                days[seen.mask, o.at.astimezone(UTC).date().isoformat()] += 1
            if o.caller is not None:
                callers[seen.hash, o.caller] += 1
        con.executemany(_ADD_TEXT, [seen.row for seen in texts.values()])
        con.executemany(_ADD_CALLER, [(*key, runs) for key, runs in callers.items()])
        add_days(con, days)
    return count


def take_back(con: sqlite3.Connection, run: Observation) -> None:
    """Undo the adding of one run, inside the caller's transaction."""
    seen = _Seen(run)
    seen.add(run)
    key, sql, source, *counts, last = seen.row
    con.execute(_ADD_TEXT, [key, sql, source, *(-float(n) for n in counts), last])
    con.execute("DELETE FROM texts WHERE runs <= 0")
    if run.caller is not None:
        con.execute(_ADD_CALLER, [key, run.caller, -1])
        con.execute("DELETE FROM callers WHERE runs <= 0")
    if _dated(run):
        add_days(con, Counter({(seen.mask, run.at.astimezone(UTC).date().isoformat()): -1}))


def note_script(con: sqlite3.Connection, path: str, statements: Iterable[str]) -> None:
    """Keep which runs came from a script, so that `forget_script` can take them back."""
    runs = Counter(_hash(statement) for statement in statements)
    con.executemany(
        "INSERT INTO scripts VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET runs = runs + excluded.runs",
        [(path, key, count) for key, count in runs.items()],
    )


def forget_script(con: sqlite3.Connection, path: str) -> None:
    """Take back what a script added, inside the caller's transaction."""
    con.execute(
        "UPDATE texts SET runs = texts.runs - s.runs FROM scripts AS s"
        " WHERE s.hash = texts.hash AND s.path = ?",
        (path,),
    )
    con.execute("DELETE FROM texts WHERE runs <= 0")
    con.execute("DELETE FROM scripts WHERE path = ?", (path,))
    con.execute("DELETE FROM imports WHERE path = ?", (path,))


def masked(sql: str) -> str:
    """Return a text without its literals: a cheap approximation of what its fingerprint joins."""
    # Each run passes here: the plain pattern does for most, and takes half the time.
    odd = '"' in sql or "--" in sql or "/*" in sql or "$$" in sql or "\\" in sql
    if odd or _QUOTED_SOURCE.search(sql):
        return _KEPT_OR_LITERAL.sub(lambda found: found[1] or "?", sql)
    return _LITERAL.sub("?", sql)


def _dated(run: Observation) -> bool:
    """Return whether the time is one of the run: a script only says when it was written."""
    return run.source != "sql_file" and run.at > UNDATED


def _hash(sql: str) -> str:
    # Lone surrogates have no UTF-8; SQLite refuses the row, and with it the whole batch.
    return hashlib.sha256(sql.encode("utf-8", "replace")).hexdigest()[:24]


class _Seen:
    """The runs of one text in one batch."""

    def __init__(self, first: Observation) -> None:
        self.sql = first.sql.encode("utf-8", "replace").decode()
        self.hash, self.mask = _hash(first.sql), _hash(masked(self.sql))
        self.source, self.last = first.source, first.at.astimezone(UTC)
        self.runs = self.timed = self.errors = 0
        self.total_ms = UNTIMED_MS

    def add(self, run: Observation) -> None:
        self.runs += 1
        self.timed += run.ms is not None
        self.errors += run.error is not None
        self.total_ms += run.ms or UNTIMED_MS
        self.last = max(self.last, run.at.astimezone(UTC))

    @property
    def row(self) -> tuple[str | int | float, ...]:
        return (
            self.hash, self.sql, self.source, self.runs, self.timed, self.total_ms, self.errors,
            self.last.isoformat(),
        )  # fmt: skip


def _merge(known: QueryPattern | None, text: _Text, facts: QueryFacts) -> QueryPattern:
    if known is None:
        return QueryPattern(
            fingerprint=facts.fingerprint, sql=text.sql, normalized=facts.normalized,
            runs=text.runs, total_ms=text.total_ms, tables=facts.tables, columns=facts.columns,
            star=facts.star, ordered=facts.ordered, source=text.source,
        )  # fmt: skip
    variants = known.variants
    if len(variants) < MAX_VARIANTS:
        variants = (*variants, text.sql)
    return known.model_copy(
        update={
            "runs": known.runs + text.runs,
            "total_ms": known.total_ms + text.total_ms,
            "variants": variants,
        }
    )
