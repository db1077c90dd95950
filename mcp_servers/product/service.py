"""What the product server's tools do, without the protocol: blocking calls for worker threads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from mcp_servers.product.contract import (
    Applied,
    ApplyRequest,
    ChangeCheck,
    Found,
    LiveCheck,
    Measured,
    MeasureLimits,
    ProductDescription,
    TableProfile,
)
from mcp_servers.product.description import description
from mcp_servers.product.holding import HeldOwner
from mcp_servers.product.live_proof import LIVE_QUERIES, LIVE_SECONDS, LiveProof
from mcp_servers.product.settings import ProductSettings
from tools.change_kinds import described
from tools.failpoints import crash_point
from tools.messages import (
    CHANGE,
    Candidate,
    Change,
    ContractVerdict,
    Rehearsal,
    TableName,
    Trial,
    change_id,
)
from tools.product import executor, seen_tables
from tools.product.candidates.context import CandidateContext
from tools.product.candidates.finder import find
from tools.product.catalog import Catalog, Table, schema_hash, table_hash
from tools.product.changes import plan
from tools.product.consumers import affected
from tools.product.contract import facts, load_contract
from tools.product.contract_gate import check_change
from tools.product.contract_risks import risks
from tools.product.descriptor import Descriptor
from tools.product.disk_space import need, need_to_undo
from tools.product.errors import ProductError, SchemaDrift, UnknownTable
from tools.product.live_answers import ask
from tools.product.measurement import MeasureResult, ShadowJob, ShadowSettings
from tools.product.owner import Owner
from tools.product.profile import profile
from tools.product.search import OTHER_STEPS
from tools.product.shadow import run_shadow
from tools.product.snapshot import Snapshot
from tools.product.steps import Progress, Steps, quiet
from tools.product.workload import Workload

SCHEMA_KINDS = (
    "change_type", "create_index", "drop_index", "sort_table",
    "drop_column", "drop_table", "add_not_null", "add_check",
)  # fmt: skip
QUERY_KINDS = ("create_summary", "rewrite_query")


class ProductService:
    """One product: its owner, workload, contract, shadow and changes."""

    def __init__(self, descriptor: Descriptor, settings: ProductSettings) -> None:
        self.descriptor = descriptor
        self.settings = settings
        self.home = descriptor.home
        self._held = HeldOwner(descriptor, settings)
        self._writing = threading.Lock()

    @property
    def owner(self) -> Owner:
        """The owner, opened at first use so that a failure reaches the caller as an answer."""
        return self._held.owner

    def told(self, exc: Exception) -> ProductError:
        """Return what a caller is told of an error."""
        return self._held.told(exc)

    @property
    def _proof(self) -> LiveProof:
        config = self.settings.engine(self.settings.shadow_memory_limit)
        return LiveProof(self.owner, self.home, config)

    def close(self) -> None:
        """Release the database and the workload store."""
        self._held.close()

    def describe(self) -> ProductDescription:
        """Return tables, columns, size and where the contract disagrees."""
        return description(self.owner, self.descriptor)

    def profile(self, table: TableName) -> TableProfile:
        """Return a table's columns in counts and classes; raises `UnknownTable`."""
        found = self.owner.table(table)
        if found is None:
            raise UnknownTable(f"There is no table {table}.", hint="`describe_product` lists them.")
        return profile(found, self.owner.probe)

    def workload(self) -> Workload:
        """Return what is asked of the product."""
        return self.owner.workload(self.owner.catalog())

    def find(self, kinds: Iterable[str], on_event: Progress = quiet) -> Found:
        """Return ideas of some kinds; those that break the contract come back refused."""
        present = self.owner.catalog()
        catalog = self.owner.to_change(present)
        contract = load_contract(Path(self.descriptor.contract))
        known = facts(contract, catalog)
        steps = Steps(on_event)
        context = CandidateContext(
            product=self.descriptor.name,
            catalog=catalog,
            workload=self.owner.workload(present),
            probe=self.owner.probe,
            promised=known.promised,
            required=known.required,
            checks=known.checks,
            steps=steps,
        )
        found = find(context, kinds=tuple(kinds))
        kept, refused = list[Candidate](), list[Trial]()
        count = len(found.candidates)
        steps.begin("checking the ideas against the contract", count)
        for at, candidate in enumerate(found.candidates):
            steps.part(at, f"{at + 1} of {count}")
            reason = self._refusal(candidate.change, catalog)
            if reason is None:
                kept.append(candidate)
            else:
                refused.append(Trial(candidate=candidate, status="refused", reason=reason))
        return Found(candidates=tuple(kept), refused=tuple(refused), notes=tuple(found.notes))

    def _refusal(self, change: Change, catalog: Catalog) -> str | None:
        try:
            check = self.check(change, catalog)
        except ProductError as exc:
            return str(exc)
        if check.verdict.compatible:
            return None
        return f"breaks the contract: {_breaking(check.verdict)}"

    def check(self, change: Change, catalog: Catalog | None = None) -> ChangeCheck:
        """Judge a change against the contract and say what undo would do."""
        catalog = catalog or self.owner.to_change(self.owner.catalog())
        # Planning judges the SQL inside the change; the contract's check then runs it.
        steps = plan(change, catalog, proposal_id=change_id(self.descriptor.name, change))
        contract = load_contract(Path(self.descriptor.contract))
        verdict = check_change(contract, change, catalog, self.owner.probe)
        if (table := catalog.table(change.table)) is not None:
            seen_tables.keep(self.home / "evidence", table)
        return ChangeCheck(
            verdict=verdict,
            risks=risks(change, verdict, catalog),
            affects=affected(contract, change, catalog),
            undo=steps.undo_steps,
            schema_hash=schema_hash(catalog, [change.table]),
            statements=steps.forward,
        )

    def measure(
        self, candidates: tuple[Candidate, ...], limits: MeasureLimits, on_event: Progress
    ) -> Measured:
        """Measure candidates on a snapshot in a child process."""
        result = self._shadow(candidates, limits, on_event)
        return Measured(
            trials=result.trials,
            chosen=result.chosen,
            total=result.total,
            queries=result.queries,
            skipped=result.skipped,
            patterns=len(result.baseline),
            seconds=result.spent_seconds,
            peak_memory_bytes=result.peak_memory_bytes,
            reference=result.reference,
        )

    def rehearse(self, change: Change, on_event: Progress = quiet) -> Rehearsal:
        """Apply and undo one change on a snapshot; nothing is timed."""
        candidate = Candidate(
            id=change_id(self.descriptor.name, change), agent="schema", change=change,
            reason="rehearsal",
        )  # fmt: skip
        limits = MeasureLimits(budget_seconds=600)
        result = self._shadow((candidate,), limits, on_event)
        evidence = result.trials[0].evidence
        if evidence is None or evidence.rehearsal is None:
            raise ProductError(f"The rehearsal did not finish: {result.trials[0].reason}")
        return evidence.rehearsal

    def _shadow(
        self, candidates: tuple[Candidate, ...], limits: MeasureLimits, on_event: Progress
    ) -> MeasureResult:
        owner = self.owner
        catalog = owner.catalog()
        on_event(0, len(candidates) + OTHER_STEPS, "copying the database")
        with owner.cursor() as con:
            snapshot = Snapshot.take(con, owner.lock, owner.database, self.home / "shadow")
        try:
            job = ShadowJob(
                snapshot=str(snapshot.path),
                contents=snapshot.contents,
                evidence=str(self.home / "evidence"),
                catalog=catalog,
                workload=owner.workload(catalog),
                candidates=candidates,
                settings=ShadowSettings(
                    budget_seconds=limits.budget_seconds,
                    min_gain=limits.min_gain,
                    max_insert_cost=limits.max_insert_cost,
                    max_loser_share=limits.max_loser_share,
                    memory_limit=self.settings.shadow_memory_limit,
                ),
            )
            crash_point("server.measure")
            return run_shadow(job, on_event)
        finally:
            snapshot.remove()

    def apply(self, request: ApplyRequest, on_event: Progress = quiet) -> Applied:
        """Apply one approved change in one transaction; a repeat finds its ledger row."""
        steps = Steps(on_event)
        with self._writing:
            approval = executor.Approval(request.approval, request.approved_at)
            row = self._standing(request.proposal_id, approval)
            if row is None:
                with self._room(request.change):
                    self._proof.time_before(request, steps, later=4)
                    row = self._make(request, steps)
            self.owner.refresh_rewrites()
        return _applied(row)

    def _standing(
        self, proposal_id: str, approval: executor.Approval
    ) -> executor.AppliedChange | None:
        with self.owner.cursor() as con:
            row = executor.find_made(con, proposal_id)
        return row if row is not None and row.made_for(approval) else None

    def _room(self, change: Change) -> AbstractContextManager[None]:
        table = self.owner.table(change.table)
        if table is None:
            return nullcontext()
        with self.owner.cursor() as con:
            return need(con, self.owner.database, table, change).room()

    def _room_to_undo(self, made: executor.AppliedChange | None) -> AbstractContextManager[None]:
        if made is None:
            return nullcontext()
        change: Change = CHANGE.validate_json(made.change)
        then, key = Table.model_validate_json(made.before), made.proposal_id
        present, database = self.owner.table(change.table), self.owner.database
        with self.owner.cursor() as con:
            return need_to_undo(con, database, present, then, change, key).room()

    def _make(self, request: ApplyRequest, steps: Steps) -> executor.AppliedChange:
        owner = self.owner
        with owner.lock, owner.cursor() as con:
            expected = self._expected(con, request)
            texts = request.queries[:LIVE_QUERIES]
            steps.begin("keeping the answers of now", later=3)
            with owner.cursor() as other:
                asked = ask(other, request.change, texts, owner.rewritten, LIVE_SECONDS)

            def check(changed: duckdb.DuckDBPyConnection) -> None:
                steps.begin("comparing the answers", later=1)
                asked.check(changed)
                steps.begin("committing the change")

            steps.begin(f"making the change: {described(request.change)}", later=2)
            return executor.apply(
                con, request.proposal_id, request.change, expected_schema_hash=expected,
                approval=executor.Approval(request.approval, request.approved_at),
                looks=executor.Looks(partial(self._still_fits, request.change), check),
            )  # fmt: skip

    def _still_fits(self, change: Change, con: Any, catalog: Catalog) -> None:
        """Hold a change once more against the contract and all rows, as they are by now.

        Days may lie between the proposal and its approval. Raises `SchemaDrift`.
        """

        def probe(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            found: list[tuple[Any, ...]] = con.execute(sql, list(parameters)).fetchall()
            return found

        contract = load_contract(Path(self.descriptor.contract))
        verdict = check_change(contract, change, catalog, probe)
        if not verdict.compatible:
            raise SchemaDrift(
                f"{change.table} or its contract is not as it was when this was measured: "
                + _breaking(verdict),
                hint="Run `pillion run` to measure it again.",
            )

    def _expected(self, con: Any, request: ApplyRequest) -> str:
        """Return the present hash when only Pillion's own changes led to it from the expected one.

        Raises `SchemaDrift` when anything else changed the table.
        """
        table = self.owner.table(request.change.table)
        reached = present = table_hash(request.change.table, table)
        for row in reversed(executor.list_changes(con)):
            if reached == request.schema_hash:
                break
            if row.schema_after == reached:
                reached = row.schema_before
        if reached != request.schema_hash:
            what = seen_tables.told(self.home / "evidence", request.schema_hash, table)
            raise SchemaDrift(
                f"{request.change.table} was changed by someone else since this was measured"
                + (f" (different since: {what})." if what else "."),
                hint="Run `pillion run` to measure it again.",
            )
        return present

    def verify(
        self, proposal_id: str, on_event: Progress = quiet, *, floor: float = 1.0
    ) -> LiveCheck:
        """Time a change's queries on live, long enough to tell whether they are above `floor`."""
        return self._proof.check(proposal_id, floor, Steps(on_event))

    def undo(self, proposal_id: str, on_event: Progress = quiet, *, rolled_back: bool) -> Applied:
        """Undo one change in one transaction; a repeat finds it undone."""
        owner = self.owner
        try:
            with self._writing:
                made = self._standing(proposal_id, executor.Approval())
                if made is not None:
                    what = f"{made.kind.replace('_', ' ')} {made.target}"
                    Steps(on_event).begin(f"taking back {what}")
                with self._room_to_undo(made), owner.lock, owner.cursor() as con:
                    row = executor.undo(
                        con, proposal_id, status="rolled_back" if rolled_back else "undone"
                    )
        finally:
            # Also where it was committed and something failed after that.
            owner.refresh_rewrites()
        return _applied(row)

    def changes(self) -> tuple[Applied, ...]:
        """Return all changes made here, oldest first."""
        with self.owner.cursor() as con:
            return tuple(_applied(row) for row in executor.list_changes(con))


def _breaking(verdict: ContractVerdict) -> str:
    breaking = [f for f in verdict.findings if f.severity == "breaking"]
    return "; ".join(f"{f.path} ({f.message})" for f in breaking)


def _applied(row: executor.AppliedChange) -> Applied:
    return Applied.model_validate_json(
        json.dumps(
            {
                "proposal_id": row.proposal_id,
                "status": row.status,
                "kind": row.kind,
                "target": row.target,
                "applied_at": str(row.applied_at),
                "ended_at": str(row.undone_at) if row.undone_at else None,
                "detail": row.detail,
                "approval": row.approval,
            }
        )
    )
