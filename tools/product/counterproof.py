"""A change that looks slower on live, timed by turns with a copy in which it is taken back.

Times from before a change and from after it differ also by what else the machine did meanwhile.
Two databases that are asked by turns in one moment differ by the change alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from tools.product.executor import undo
from tools.product.owner import OnQuery, Owner
from tools.product.snapshot import Snapshot
from tools.product.workload_store import WorkloadStore

FEWEST_TURNS = 3


class Turns(NamedTuple):
    """Milliseconds by text; the i-th run without the change stood beside the i-th with it."""

    without: dict[str, list[float]]
    changed: dict[str, list[float]]

    def extend(self, more: Turns) -> None:
        """Take in what further turns took."""
        for kept, added in zip(self, more, strict=True):
            for text, ms in added.items():
                kept.setdefault(text, []).extend(ms)


@contextmanager
def copy_without(
    owner: Owner, proposal_id: str, directory: Path, config: dict[str, str]
) -> Iterator[Owner]:
    """Yield a copy of the database as it would be without a change, and delete it afterwards.

    Raises `ProductError` where there is no room for one or the change cannot be taken back there.
    """
    with owner.cursor() as con:
        snapshot = Snapshot.take(con, owner.lock, owner.database, directory)
    try:
        with closing(WorkloadStore(snapshot.home / "workload.db")) as store:
            with closing(Owner(snapshot.path, store, config)) as copy:
                with copy.cursor() as con:
                    undo(con, proposal_id)
                copy.refresh_rewrites()
                yield copy
    finally:
        snapshot.remove()


def by_turns(
    without: Owner,
    changed: Owner,
    texts: Iterable[str],
    repetitions: int,
    seconds: float,
    on_query: OnQuery = lambda turn, at: None,
) -> Turns:
    """Time queries on both, changing which goes first; a text that fails on one is left out."""
    turns = Turns({}, {})
    wanted = list(dict.fromkeys(texts))
    ends = time.monotonic() + seconds
    for turn in range(repetitions):
        if turn >= FEWEST_TURNS and time.monotonic() > ends:
            break
        sides = [(without, turns.without), (changed, turns.changed)]
        if turn % 2:
            sides.reverse()
        for at, text in enumerate(wanted):
            on_query(turn, at)
            pair = [side.time_queries([text], 1, seconds).get(text) for side, _ in sides]
            for (_, kept), ms in zip(sides, pair, strict=True):
                if all(pair) and ms:
                    kept.setdefault(text, []).extend(ms)
    return turns
