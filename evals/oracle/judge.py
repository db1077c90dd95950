"""The verdict on a change: answers, contract, time, later data and adversarial data."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import duckdb

from evals.oracle import adversarial, stored, timing, undoing
from evals.oracle.answers import Answer, answer, difference
from evals.oracle.case import Case, Judgement
from evals.oracle.promises import broken, newly_enforced
from evals.oracle.rules import lost_rules, moved
from evals.oracle.space import outgrown
from evals.oracle.timing import GOOD_ABOVE, HARM_BELOW
from evals.statistics import Estimate

CONFIG: dict[str, str | bool | int | float | list[str]] = {"threads": "1", "memory_limit": "800MB"}
PATIENCE = 100.0
"""A query that takes this many times as long as before has no end, ..."""
PATIENCE_SECONDS = 30.0
"""... once it has taken so long."""
RULE_MAY_COST = 0.9
"""A rule that the contract asks for may slow the workload down to this, and no sign of more."""
SHOWN = 90


class Undecidable(Exception):
    """The original product itself can't be judged by."""


class Harmful(Exception):
    """The changed product does what it must not."""


class _Both(NamedTuple):
    """Connections to the original and to the changed product."""

    before: duckdb.DuckDBPyConnection
    after: duckdb.DuckDBPyConnection


@contextmanager
def _open(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(path), config=CONFIG) as con:
        yield con


@contextmanager
def _opened(case: Case, when: str) -> Iterator[_Both]:
    """Open both products; a changed one that cannot be opened any more is harm."""
    with ExitStack() as stack:
        before = stack.enter_context(_open(case.before))
        try:
            after = stack.enter_context(_open(case.after))
        except duckdb.Error as exc:
            raise Harmful(f"it cannot be opened{when}: {_line(exc)}") from exc
        yield _Both(before, after)


@contextmanager
def _read(case: Case) -> Iterator[_Both]:
    with (
        duckdb.connect(str(case.before), read_only=True) as before,
        duckdb.connect(str(case.after), read_only=True) as after,
    ):
        yield _Both(before, after)


def judge(case: Case) -> Judgement:
    """Judge one change; both files are disposable and end with the later rows in them."""
    found: timing.Timing | None = None
    try:
        _check_answers(case, "")
        _check_promises(case)
        _check_room(case)
        _check_undone(case)
        found = measure(case)
        _check_later_data(case)
        _check_answers(case, " on later data")
        _check_promises(case)
        _check_writes(case)
    except Harmful as exc:
        return _timed(Judgement(verdict="harmful", reason=str(exc)), found)
    except Undecidable as exc:
        return _timed(Judgement(verdict="undecided", reason=str(exc)), found)
    return _timed(_by_contract(case, _by_time(found.total)), found)


def _timed(judgement: Judgement, found: timing.Timing | None) -> Judgement:
    if found is None:
        return judgement
    return judgement.model_copy(update={"gain": found.total, "reads": found.reads})


def _by_contract(case: Case, judgement: Judgement) -> Judgement:
    """Count a rule that the contract asks for as good where it costs next to nothing."""
    with _read(case) as both:
        enforced = newly_enforced(case.contract, *both)
    gain = judgement.gain
    cheap = gain is not None and RULE_MAY_COST < gain.low and gain.high >= 1
    if judgement.verdict == "harmful" or not enforced or not cheap:
        return judgement
    reason = f"now enforced: {', '.join(enforced)}; {judgement.reason}"
    return judgement.model_copy(update={"verdict": "good", "reason": reason})


def measure(case: Case) -> timing.Timing:
    """Time the later queries and writes on both products by turns."""
    with _open(case.before) as old, _open(case.after) as new:
        works = [
            timing.Work(
                timing.query(old, case.texts_before.get(sql, sql)),
                timing.query(new, case.texts.get(sql, sql)),
                runs,
            )
            for sql, runs in case.later
        ]
        if case.later_data and case.later_batches:
            writes = timing.batch(old, case.later_data), timing.batch(new, case.later_data)
            works.append(timing.Work(*writes, case.later_batches, writes=True))
        try:
            return timing.compare(works)
        except duckdb.Error as exc:
            # The queries ran before; what is new here is writing.
            _whose_fault(case, exc)
            raise Undecidable(f"the timing failed: {_line(exc)}") from exc


def _check_answers(case: Case, when: str) -> None:
    with _opened(case, when) as both:
        for sql, _ in case.later:
            _check_answer(both, sql, case.texts.get(sql, sql), when)
        for name, sql in case.consumers:
            # It reads the tables itself: no other text is put in the place of its own.
            _check_answer(both, sql, sql, f" for the consumer {name}{when}")
        _check_stored(both, when)


def _check_answer(both: _Both, sql: str, text: str, when: str) -> None:
    """Hold what the changed product answers to a text against the original's answer to a query."""
    started = time.monotonic()
    before = _original(both.before, sql)
    patience = max(PATIENCE_SECONDS, PATIENCE * (time.monotonic() - started))
    try:
        with _ended_after(both.after, patience):
            after = answer(both.after, text)
    except duckdb.InterruptException as exc:
        raise Harmful(f"a query had no end in {patience:.0f} s{when}: {_short(sql)}") from exc
    except duckdb.Error as exc:
        raise Harmful(f"a query fails{when}: {_short(sql)}: {_line(exc)}") from exc
    found = difference(sql, before, after)
    if found and difference(sql, before, _original(both.before, sql)):
        raise Undecidable(f"the original answers otherwise each time: {_short(sql)}")
    if found:
        raise Harmful(f"{found}{when}: {_short(sql)}")


@contextmanager
def _ended_after(con: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Stop what runs in the block when it takes longer."""
    timer = threading.Timer(seconds, con.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _check_stored(both: _Both, when: str) -> None:
    """Hold the product's own views and macros against the original's."""
    for name, sql in stored.views(both.before).items():
        _check_answer(both, sql, sql, f" of the view {name}{when}")
    broken_macros = stored.broken_macros(*both)
    if broken_macros:
        raise Harmful(f"a macro fails{when}: {', '.join(broken_macros)}")


def _check_writes(case: Case) -> None:
    """Compare other texts on adversarial data, and see whether writes are still taken."""
    texts = {sql: text for sql, text in case.texts.items() if text != sql}
    asked = [sql for sql, _ in case.later]
    with _open(case.before) as old, _open(case.after) as new:
        found = adversarial.refusal(old, new, asked) or adversarial.fault(old, new, texts, asked)
    if found:
        raise Harmful(_short(found, 2 * SHOWN))


def _original(con: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    try:
        return answer(con, sql)
    except duckdb.Error as exc:
        raise Undecidable(f"the original fails: {_short(sql)}: {_line(exc)}") from exc


def _check_promises(case: Case) -> None:
    with _read(case) as both:
        lost = broken(case.contract, *both)
        if lost:
            raise Harmful(f"the contract is broken: {', '.join(lost)}")
        rules = lost_rules(*both)
        if rules:
            raise Harmful(f"rules of the tables are lost: {', '.join(rules)}")
        others = moved(*both)
    if others:
        raise Harmful(f"the tables are not as they were: {', '.join(others)}")


def _check_room(case: Case) -> None:
    found = outgrown(case.before, case.after)
    if found:
        raise Harmful(found)


def _check_undone(case: Case) -> None:
    """Hold the product from which the change was taken back against one without it."""
    if case.undo_refused:
        raise Harmful(f"it cannot be taken back: {case.undo_refused}")
    if case.undone is None:
        return
    with TemporaryDirectory(dir=case.undone.parent) as scratch:
        wanted = Path(shutil.copy(case.before, scratch))
        if not _written(wanted, case.later_data):
            return
        found = undoing.difference(wanted, case.undone)
    if found:
        raise Harmful(f"taken back it is not what it was: {found}")


def _check_later_data(case: Case) -> None:
    """Write the next period's rows into both products."""
    for path in (case.before, case.after):
        with _open(path) as con:
            for statement in case.later_data:
                try:
                    con.execute(statement)
                except duckdb.Error as exc:
                    _whose_fault(case, exc)
                    raise Undecidable(f"the later data fails: {_line(exc)}") from exc


def _whose_fault(case: Case, exc: duckdb.Error) -> None:
    """Raise `Harmful` when only the changed product refuses the later data."""
    if _takes(case.before, case.later_data) and not _takes(case.after, case.later_data):
        raise Harmful(f"later data is refused: {_line(exc)}") from exc


def _takes(path: Path, statements: tuple[str, ...]) -> bool:
    return _written(path, statements, end="ROLLBACK")


def _written(path: Path, statements: tuple[str, ...], end: str = "COMMIT") -> bool:
    """Write in one transaction; return whether all of it is taken."""
    with duckdb.connect(str(path), config=CONFIG) as con:
        try:
            con.execute("BEGIN")
            for statement in statements:
                con.execute(statement)
            con.execute(end)
        except duckdb.Error:
            return False
    return True


def _by_time(gain: Estimate) -> Judgement:
    said = f"×{gain.value:.2f} ({gain.low:.2f} to {gain.high:.2f}) on the later workload"
    if gain.low > GOOD_ABOVE:
        return Judgement(verdict="good", reason=said, gain=gain)
    if gain.high < HARM_BELOW:
        return Judgement(verdict="harmful", reason=f"slower: {said}", gain=gain)
    if gain.low >= HARM_BELOW or gain.high <= GOOD_ABOVE:
        return Judgement(verdict="neutral", reason=f"no clear gain: {said}", gain=gain)
    return Judgement(verdict="undecided", reason=f"too noisy: {said}", gain=gain)


def _line(exc: Exception) -> str:
    return str(exc).splitlines()[0]


def _short(sql: str, most: int = SHOWN) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= most else text[: most - 1] + "…"
