"""What live queries answer right before a change, compared with their answers inside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import duckdb

from tools.messages import Change
from tools.product.bench import text_after
from tools.product.errors import ProductError, Refused
from tools.product.guard import check_read_only, tells_structure
from tools.product.measure import Watchdog
from tools.product.ordering import shape_of
from tools.product.results import Answer, capture, difference, keys_equal

PATIENCE = 10.0
LEAST_SECONDS = 5.0


class _Asked(NamedTuple):
    asked: str
    after: str
    seconds: float
    """How long it may take after the change."""
    answer: Answer


class LiveAnswers(NamedTuple):
    """Answers from before a change; no writer may come between them and the change."""

    asked: tuple[_Asked, ...]

    def check(self, con: duckdb.DuckDBPyConnection) -> None:
        """Ask again inside the change's transaction; raises `Refused` when an answer differs."""
        watchdog = Watchdog()
        try:
            for one in self.asked:
                trouble = _trouble(con, one, watchdog)
                if trouble is not None:
                    raise Refused(
                        f"With the data of now, a query would not answer as before ({trouble}):"
                        f" {' '.join(one.asked.split())[:200]}",
                        hint="Nothing was changed. Run `pillion run` to measure it again.",
                    )
        finally:
            watchdog.close()


def ask(
    con: duckdb.DuckDBPyConnection,
    change: Change,
    texts: Iterable[str],
    rewritten: Callable[[str], str],
    seconds: float,
) -> LiveAnswers:
    """Keep the answers of live queries, as many as fit into the time; what fails is left out."""
    watchdog = Watchdog()
    ends = time.monotonic() + seconds
    found: list[_Asked] = []
    try:
        for text in dict.fromkeys(texts):
            if (left := ends - time.monotonic()) <= 0:
                break
            one = _ask_one(con, change, (text, rewritten), watchdog, left)
            found += [one] if one else []
    finally:
        watchdog.close()
    return LiveAnswers(tuple(found))


def _ask_one(
    con: duckdb.DuckDBPyConnection,
    change: Change,
    asked: tuple[str, Callable[[str], str]],
    watchdog: Watchdog,
    seconds: float,
) -> _Asked | None:
    try:
        text = check_read_only(asked[0])
        if tells_structure(text):
            return None
        present = asked[1](text)
        started = time.monotonic()
        with watchdog.limit(con, seconds, time.monotonic):
            answer = capture(con, present)
            # Only what answers twice the same can be told apart from a changed answer.
            again = capture(con, present)
            if difference(answer, again, shape_of(text).ordering) is not None:
                return None
    except (duckdb.Error, ProductError):
        return None
    patience = max(LEAST_SECONDS, (time.monotonic() - started) * PATIENCE)
    return _Asked(text, text_after(change, text, present), patience, answer)


def _trouble(con: duckdb.DuckDBPyConnection, one: _Asked, watchdog: Watchdog) -> str | None:
    try:
        with watchdog.limit(con, one.seconds, time.monotonic):
            found = capture(con, one.after)
    except duckdb.InterruptException:
        return f"it runs longer than {one.seconds:.0f} s"
    except duckdb.Error as exc:
        return f"it fails: {str(exc).splitlines()[0]}"
    shape = shape_of(one.asked)
    trouble = difference(one.answer, found, shape.ordering)
    if trouble in ("rows differ", "contents differ") and shape.unlimited:
        # Rows that tie for the last places of a LIMIT may differ rightly.
        alike = shape.ordering is None or keys_equal(one.answer, found, shape.ordering)
        return None if alike else trouble
    return trouble
