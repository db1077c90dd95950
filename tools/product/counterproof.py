"""A change that looks slower on live, timed by turns on two copies: in one it is taken back.

Times from before a change and from after it differ also by what else the machine did meanwhile,
and a database that was written to for hours answers more slowly than a copy opened just now: 5 to
15 % on queries of a few milliseconds. Two copies of one moment differ by the change alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from tools.product.executor import undo
from tools.product.live import Timings
from tools.product.owner import OnQuery, Owner
from tools.product.snapshot import Snapshot, copy_database
from tools.product.workload_store import WorkloadStore

FEWEST_TURNS = 3


class Turns(NamedTuple):
    """The i-th run of a text without the change stood beside the i-th with it.

    A run counts where there is one on the other side, too.
    """

    without: Timings
    changed: Timings

    def extend(self, more: Turns) -> None:
        """Take in what further turns found."""
        for kept, added in zip(self, more, strict=True):
            kept.extend(added)


class Pace(NamedTuple):
    """How long is timed by turns: `turns` at most, or `seconds` and `FEWEST_TURNS` at least."""

    turns: int
    seconds: float
    """Also what each run may take."""
    last: float = math.inf
    """When no query is begun any more, whatever was reached."""
    whole: int = 1
    """How many turns are made whole, however long they take."""


class Copies(NamedTuple):
    """Two copies of one moment of a database."""

    without: Owner
    """As it would be without the change."""
    changed: Owner


@contextmanager
def two_copies(
    owner: Owner, proposal_id: str, directory: Path, config: dict[str, str]
) -> Iterator[Copies]:
    """Yield copies of the database without a change and with it, and delete them afterwards.

    Raises `ProductError` where there is no room for them or the change cannot be taken back there.
    """
    with owner.cursor() as con:
        snapshot = Snapshot.take(con, owner.lock, owner.database, directory)
    try:
        beside = snapshot.home / "changed" / snapshot.path.name
        beside.parent.mkdir()
        copy_database(snapshot.path, beside)
        with closing(WorkloadStore(snapshot.home / "workload.db")) as store:
            # Opened anew: what was written since it was opened would be read otherwise.
            with closing(Owner(snapshot.path, store, config)) as copy, copy.cursor() as con:
                undo(con, proposal_id)
            with (
                closing(Owner(snapshot.path, store, config)) as without,
                closing(Owner(beside, store, config)) as changed,
            ):
                yield Copies(without, changed)
    finally:
        snapshot.remove()


def by_turns(
    without: Owner,
    changed: Owner,
    texts: Iterable[str],
    pace: Pace,
    on_query: OnQuery = lambda turn, at: None,
) -> Turns:
    """Time queries on both, changing which goes first."""
    turns = Turns(Timings(), Timings())
    wanted = list(dict.fromkeys(texts))
    ends = time.monotonic() + pace.seconds
    for turn in range(pace.turns):
        if turn >= FEWEST_TURNS and time.monotonic() > ends:
            break
        sides = [(without, turns.without), (changed, turns.changed)]
        if turn % 2:
            sides.reverse()
        for at, text in enumerate(wanted):
            if turn >= pace.whole and time.monotonic() > pace.last:
                return turns
            on_query(turn, at)
            pair = [side.time_queries([text], 1, pace.seconds) for side, _ in sides]
            both = all(one.samples for one in pair)
            for (_, kept), one in zip(sides, pair, strict=True):
                kept.extend(one if both else Timings(failed=one.failed))
    return turns
