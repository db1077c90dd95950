"""What a scenario is: a product as it was, what was asked of it later, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

Expectation = Literal["gain", "nothing", "trap", "open"]
"""What the author knows: a gain is there, nothing is, a tempting change is wrong, or neither."""


class ScenarioFailed(Exception):
    """A scenario's own SQL does not run on its own product."""


class Asked(NamedTuple):
    """A query and how often it runs in a month."""

    sql: str
    runs: int
    days: Sequence[int] = ()
    """The log's days on which it did; all where empty."""
    by: str = ""
    """Who the log says it was; nobody where empty."""


class Consumer(NamedTuple):
    """Another product or team that reads this one past its log."""

    name: str
    reads: Mapping[str, Sequence[str]]
    """Columns by table: all that the advisor can know of it, since the contract says so."""
    queries: tuple[str, ...]
    """How it reads them, which nobody was told; each has to be answered as before."""


class Known(NamedTuple):
    """An improvement that the author knows to be there; any of the kinds brings it."""

    kinds: tuple[str, ...]
    table: str
    column: str = ""
    """Or the name of an index; any where it is empty."""

    @property
    def name(self) -> str:
        """The improvement in words."""
        return f"{' or '.join(self.kinds)} {self.table}" + (self.column and f".{self.column}")

    def is_brought_by(self, change: Any) -> bool:
        """Return whether a change is this improvement."""
        if change.kind not in self.kinds or change.table.name != self.table:
            return False
        columns = {getattr(change, "column", ""), *getattr(change, "columns", ())}
        columns |= set(getattr(change, "order_by", ())[:1])
        columns |= {change.name} if change.kind == "drop_index" else set()
        return change.kind in ("create_summary", "rewrite_query") or self.column in columns


@dataclass(frozen=True)
class Best:
    """A better product made by hand: statements for a copy, and texts it answers otherwise."""

    statements: tuple[str, ...]
    texts: tuple[tuple[str, str], ...] = ()
    more: Best | None = None
    """What gains besides and is not among the known improvements: by hand it is left out."""

    @property
    def whole(self) -> Best:
        """All of it, for what is reachable."""
        more = self.more or Best(())
        return Best((*self.statements, *more.statements), (*self.texts, *more.texts))


@dataclass(frozen=True)
class Scenario:
    """One product on disk with its past; what the advisor may not see is in the later fields."""

    family: str
    seed: int
    expects: Expectation
    database: Path
    log: Path
    later: tuple[Asked, ...]
    """Asked after the advice was given: what a gain is measured on."""
    later_data: tuple[str, ...]
    """Statements that write the next period's rows: one batch, which can be written repeatedly."""
    later_batches: int = 1
    """How many such batches come in while the later queries run, for the cost of writing."""
    contract: Path | None = None
    known: tuple[Known, ...] = ()
    best: Best | None = None
    consumers: tuple[Consumer, ...] = ()
