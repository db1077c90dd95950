"""The typed wire of the product server: what each tool takes and returns."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from tools.messages import (
    Candidate,
    Change,
    ContractVerdict,
    Interval,
    Message,
    QueryTiming,
    Rehearsal,
    TableName,
    Trial,
)
from tools.product.live_weights import QueryWeight
from tools.product.profile import TableProfile
from tools.product.workload import Unread, Workload


class ColumnDescription(Message):
    """One column for a reader."""

    name: str
    type: str
    nullable: bool
    comment: str | None = None
    promised: bool = False
    """Whether the contract promises it."""
    key: bool = False
    """Whether the table's structure makes its values unique."""


class TableDescription(Message):
    """One table for a reader."""

    name: TableName
    rows: int
    columns: tuple[ColumnDescription, ...]
    indexes: tuple[str, ...] = ()


class ProductDescription(Message):
    """The product at a glance."""

    name: str
    engine: str
    database: str = ""
    """The name by which queries may put it before a schema."""
    bytes: int
    tables: tuple[TableDescription, ...]
    views: tuple[str, ...] = ()
    contract: str
    """Path of the contract."""
    findings: tuple[str, ...] = ()
    """Where contract and database disagree."""
    idle: tuple[str, ...] = ()
    """Approved summaries and texts that answer less than they were approved for, and why."""
    schema_hash: str


class WorkloadReport(Message):
    """The workload and how much of it there is."""

    workload: Workload
    patterns_total: int
    unread: Unread = Unread()
    """Rows of imported query logs that could not be read."""


class QueryResult(Message):
    """Rows of one read-only query as JSON-plain values."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool
    ms: float


class Found(Message):
    """Ideas of one agent, those the contract refuses, and what was looked at in vain."""

    candidates: tuple[Candidate, ...] = ()
    refused: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()


class MeasureLimits(Message):
    """How far a measurement may go and what counts as a win."""

    budget_seconds: float = Field(default=120.0, gt=0, le=86_400)
    min_gain: float = Field(default=1.02, ge=1)
    max_insert_cost: float = Field(default=3.0, ge=1)
    max_loser_share: float = Field(default=0.25, ge=0, le=1)


class Measured(Message):
    """The verdict on every candidate and the gain of the chosen set."""

    trials: tuple[Trial, ...]
    chosen: tuple[str, ...]
    total: Interval | None
    queries: tuple[QueryTiming, ...] = ()
    """The whole workload with the chosen set against the original."""
    skipped: tuple[str, ...] = ()
    patterns: int = 0
    """How many different queries the workload holds."""
    seconds: float
    peak_memory_bytes: int
    reference: str


class ChangeCheck(Message):
    """What the contract, the engine and undo say about one change."""

    verdict: ContractVerdict
    risks: tuple[str, ...]
    affects: tuple[str, ...] = ()
    """Consumers that the contract names at what the change alters."""
    undo: tuple[str, ...]
    schema_hash: str
    statements: tuple[str, ...]


class Applied(Message):
    """A change as the product's own ledger has it."""

    proposal_id: str
    status: Literal["applied", "undone", "rolled_back"]
    kind: str
    target: str
    applied_at: str
    ended_at: str | None = None
    detail: str = ""
    approval: str | None = None
    """The run whose offer was approved, where it is known."""


class LiveCheck(Message):
    """The same queries on the live product before and after a change."""

    ratio: Interval | None
    """None when no query could be timed."""
    queries: tuple[QueryTiming, ...]
    detail: str
    broken: str = ""
    """Which queries fail with the change, and run without it."""
    untold: str = ""
    """Which queries were timed before the change and cannot be now, and why that is not told."""


class Changes(Message):
    """All changes Pillion made to this product, oldest first."""

    changes: tuple[Applied, ...]


class ApplyRequest(Message):
    """One approved change."""

    proposal_id: str
    change: Change
    schema_hash: str
    queries: tuple[str, ...] = ()
    """Texts to time on live before and after."""
    weights: tuple[QueryWeight, ...] = ()
    """How often they counted when the change was measured."""
    approval: str | None = None
    """The run whose offer was approved: its repeats are one change, another run's is another."""
    approved_at: AwareDatetime | None = None
    """When: a change that stands since then was made for it, whoever made it."""


__all__ = [
    "Applied",
    "ApplyRequest",
    "ChangeCheck",
    "Changes",
    "ColumnDescription",
    "Found",
    "LiveCheck",
    "MeasureLimits",
    "Measured",
    "ProductDescription",
    "QueryResult",
    "QueryWeight",
    "Rehearsal",
    "TableDescription",
    "TableProfile",
    "WorkloadReport",
]
