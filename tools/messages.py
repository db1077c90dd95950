"""The vocabulary every agent, server and surface shares: changes, evidence, proposals, answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from tools.outcome_status import OutcomeStatus

SCHEMA_VERSION = 1
GROUPING = "pillion_grouping"
"""The column of a summary of several groupings that tells which of them a row is of."""
KEY = "pillion_key"
"""Its column with a digest of each row's key, of which every grouping lacks some columns."""
AgentName = Literal["schema", "query"]
Method = Literal["shadow", "sample", "metadata", "contract"]


class Message(BaseModel):
    """Base of every value that crosses a process: frozen, closed, JSON-plain (so without NaN)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy as pydantic does, without what was computed from the original's fields."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


def quoted(identifier: str) -> str:
    """Return `identifier` as a quoted SQL identifier, safe for any text but NUL."""
    return '"' + identifier.replace('"', '""') + '"'


class TableName(Message):
    """A table by schema and name, never by a dotted string."""

    schema_name: str = "main"
    name: str

    @property
    def sql(self) -> str:
        """The quoted, qualified SQL name."""
        return f"{quoted(self.schema_name)}.{quoted(self.name)}"

    def __str__(self) -> str:
        return self.name if self.schema_name == "main" else f"{self.schema_name}.{self.name}"


class ChangeType(Message):
    """Store a column as another type; both directions are proved exact on every present row."""

    kind: Literal["change_type"] = "change_type"
    table: TableName
    column: str
    from_type: str
    to_type: str
    forward: str
    """SQL over the quoted column that yields the new value; `backward` gives the old one back."""
    backward: str
    null_marker: str | None = None
    """Text that meant "missing" (such as NA) and becomes NULL."""


class CreateIndex(Message):
    """Add an ART index."""

    kind: Literal["create_index"] = "create_index"
    table: TableName
    columns: tuple[str, ...]
    name: str


class DropIndex(Message):
    """Remove an index; `definition` recreates it."""

    kind: Literal["drop_index"] = "drop_index"
    table: TableName
    name: str
    definition: str


class SortTable(Message):
    """Rewrite a table in the order of some columns, so that zone maps prune row groups."""

    kind: Literal["sort_table"] = "sort_table"
    table: TableName
    order_by: tuple[str, ...]


class Aggregate(Message):
    """One stored aggregate of a summary table; `argument` is SQL, empty for count(*)."""

    function: Literal["count", "sum", "min", "max"]
    argument: str = ""
    column: str


class Dimension(Message):
    """A grouping expression (SQL) of a summary, its column, and the grain if it tells moments."""

    expression: str
    column: str
    grain: Literal["hour", "day", "month"] | None = Field(None, exclude_if=lambda g: g is None)


class CreateSummary(Message):
    """A pre-aggregated table and the queries it answers instead of the base table."""

    kind: Literal["create_summary"] = "create_summary"
    table: TableName
    summary: TableName
    dimensions: tuple[Dimension, ...]
    aggregates: tuple[Aggregate, ...]
    groupings: tuple[tuple[str, ...], ...] = Field((), exclude_if=lambda g: not g)
    """Columns that each grouping has, where there are several; those of the fewest groups first."""
    rewrites: tuple[tuple[str, str], ...]
    """Pairs (original SQL, SQL over the summary)."""


class RewriteQuery(Message):
    """Answer a query by an equivalent, faster text."""

    kind: Literal["rewrite_query"] = "rewrite_query"
    table: TableName
    fingerprint: str
    rule: str
    original: str
    rewritten: str


class DropColumn(Message):
    """Remove a column nobody reads and no contract promises; its values are kept for undo."""

    kind: Literal["drop_column"] = "drop_column"
    table: TableName
    column: str
    type: str


class DropTable(Message):
    """Remove a table nobody reads and no contract promises; it is kept for undo."""

    kind: Literal["drop_table"] = "drop_table"
    table: TableName


class AddNotNull(Message):
    """Enforce that a column has no missing values."""

    kind: Literal["add_not_null"] = "add_not_null"
    table: TableName
    column: str


class AddCheck(Message):
    """Enforce a contract's rule on a column as a CHECK constraint."""

    kind: Literal["add_check"] = "add_check"
    table: TableName
    column: str
    expression: str


Change = Annotated[
    ChangeType | CreateIndex | DropIndex | SortTable | CreateSummary | RewriteQuery
    | DropColumn | DropTable | AddNotNull | AddCheck,
    Field(discriminator="kind"),
]  # fmt: skip
ChangeKind = Literal[
    "change_type", "create_index", "drop_index", "sort_table", "create_summary", "rewrite_query",
    "drop_column", "drop_table", "add_not_null", "add_check",
]  # fmt: skip
CHANGE: TypeAdapter[Change] = TypeAdapter(Change)


class Interval(Message):
    """A point with its 95 % bootstrap interval."""

    low: float
    mid: float
    high: float


class QueryTiming(Message):
    """One query before and after, in milliseconds; `ratio` is before / after, above 1 is faster."""

    fingerprint: str
    sql: str
    share: float
    """This query's share of the workload's total time before the change, 0..1."""
    runs: int
    before_ms: Interval
    after_ms: Interval
    ratio: Interval
    equal: bool
    """Whether the results were equal (order-insensitive unless the query orders)."""
    row_groups_before: int | None = None
    row_groups_after: int | None = None
    error: str | None = None
    callers: tuple[str, ...] = ()
    """Who asks it most, where it is known; their own names for themselves, so not to be trusted."""


class Rehearsal(Message):
    """The rollback tried on the shadow: schema, rows and contents compared with the original."""

    ok: bool
    apply_ms: float
    undo_ms: float
    detail: str


class Expected(Message):
    """What a change should bring in a time as long as the recorded one."""

    ratio: Interval
    """Total workload time before / after, with the interval that 95 % of such times fall into."""
    days: int = 0
    """Recorded days that say how the workload varies; 0 where no run has a time."""
    note: str = ""
    """What it could not take into account, where that is much."""


class Evidence(Message):
    """What was measured, how, and on what; every number a summary states stands here."""

    method: Method
    engine: str
    rows: int
    """Rows of the changed table."""
    ratio: Interval
    """Total workload time before / after, weighted by how often each query runs."""
    alone: Interval | None = None
    """The same with this change only, when `ratio` was measured on top of `given`."""
    expected: Expected | None = None
    """What to expect of `ratio` later; missing in evidence of before."""
    queries: tuple[QueryTiming, ...] = ()
    insert_cost: Interval | None = None
    """Time of an insert batch after / before; 1 is free, 2 is twice as slow."""
    bytes_before: int = 0
    bytes_after: int = 0
    """Used blocks in bytes after a checkpoint (what a compacted file would need)."""
    rehearsal: Rehearsal | None = None
    given: tuple[str, ...] = ()
    """Ids of the changes that were already in place when this was measured."""
    reference: str = ""
    """Key of the whole measurement in the product's evidence store."""

    @property
    def losers(self) -> tuple[QueryTiming, ...]:
        """Queries that are slower with certainty (interval wholly below 1)."""
        return tuple(q for q in self.queries if q.ratio.high < 1)

    @property
    def equal(self) -> bool:
        """Whether every measured query kept its result."""
        return all(q.equal for q in self.queries)


class Candidate(Message):
    """An idea worth measuring; `aside`, since a person refused it: last, and not built on."""

    id: str
    agent: AgentName
    change: Change
    reason: str
    fingerprints: tuple[str, ...] = ()
    """Queries the change can touch; empty means all that read the table."""
    promise: float = 0.0
    """Screening score (seconds of workload it could save); orders the measuring."""
    aside: bool = False


TrialStatus = Literal[
    "accepted", "rejected", "failed", "unmeasured", "refused", "suppressed", "held"
]


class Trial(Message):
    """The verdict on one candidate, kept whether it won or lost."""

    candidate: Candidate
    status: TrialStatus
    reason: str
    evidence: Evidence | None = None


class Finding(Message):
    """One path of the contract and what a change does to it."""

    path: str
    severity: Literal["breaking", "warning", "info"]
    message: str


class ContractVerdict(Message):
    """Whether a change keeps the contract."""

    compatible: bool
    findings: tuple[Finding, ...] = ()


class Principal(Message):
    """Who acts: an agent (with model and version) or a person."""

    kind: Literal["agent", "person"]
    name: str
    version: str = ""


class _Proposal(Message):
    schema_version: int = SCHEMA_VERSION
    id: str
    product: str
    principal: Principal
    summary: str
    change: Change
    undo: tuple[str, ...]
    """What undo does, in steps a person can read."""
    evidence: Evidence
    contract: ContractVerdict
    risk: tuple[str, ...]
    affects: tuple[str, ...] = ()
    schema_hash: str
    """Hash of the changed tables' structure when this was measured; drift expires the proposal."""
    created_at: AwareDatetime
    expires_at: AwareDatetime
    changed_since: str | None = None
    """What is different since this idea was refused, when it was."""


class SchemaProposal(_Proposal):
    """A change of the physical or logical schema."""

    type: Literal["schema"] = "schema"


class QueryOptimization(_Proposal):
    """A rewritten query or a summary that answers it."""

    type: Literal["query"] = "query"


Proposal = Annotated[SchemaProposal | QueryOptimization, Field(discriminator="type")]
PROPOSAL: TypeAdapter[Proposal] = TypeAdapter(Proposal)

Verdict = Literal["approve", "edit", "reject", "expire"]
Channel = Literal["terminal", "http", "mcp", "policy"]


class Decision(Message):
    """One answer to one proposal, `seconds` after the offer; the first that is written stands."""

    proposal_id: str
    verdict: Verdict
    reason: str = ""
    principal: Principal
    channel: Channel
    decided_at: AwareDatetime
    seconds: float = 0.0
    edited: Change | None = None


class Outcome(Message):
    """What became of a decided proposal; `ratio` is live before / after, where it was timed."""

    proposal_id: str
    status: OutcomeStatus
    detail: str
    ratio: Interval | None = None


def change_id(product: str, change: Any) -> str:
    """Return the deterministic id of an idea: same product, kind, target and change, same id."""
    body = json.dumps([product, CHANGE.dump_python(change, mode="json")], sort_keys=True)
    return "p" + hashlib.sha256(body.encode()).hexdigest()[:11]


def change_target(change: Any) -> str:
    """Return what a change touches, for people: `table.column`, an index name or a fingerprint."""
    match change:
        case ChangeType() | DropColumn() | AddNotNull() | AddCheck():
            return f"{change.table}.{change.column}"
        case CreateIndex(table=t, columns=cs) | SortTable(table=t, order_by=cs):
            return f"{t}({', '.join(cs)})"
        case DropIndex(table=t, name=n):
            return f"{t}.{n}"
        case RewriteQuery(fingerprint=f):
            return f"query {f}"
        case CreateSummary(summary=t) | DropTable(table=t):
            return str(t)
    raise TypeError(f"not a change: {change!r}")
