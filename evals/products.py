"""A scenario's product under Pillion: registered, copied, changed by its own server, judged."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import duckdb
from pydantic import ValidationError

from evals.children import module
from evals.opened import KILLED, NotOpened, texts_after
from evals.oracle.case import Case, Judgement
from evals.scenarios.scenario import Best, Scenario, ScenarioFailed
from evals.taking_back import TakenBack, taken_back
from mcp_servers.product.client import connect, stdio_target
from mcp_servers.product.contract import ApplyRequest
from mcp_servers.product.errors import ServerGone, ToolFailed
from tools.messages import Change
from tools.product.errors import ProductError, SchemaDrift
from tools.product.executor import apply

ORACLE_SECONDS = 480
DESCRIPTOR = "product.odps.yaml"
NOT_TRIED = TakenBack()


class ProductFailed(Exception):
    """A product could not be set up or did not come through."""


@dataclass(frozen=True)
class Product:
    """A registered product, its untouched original beside it."""

    scenario: Scenario
    folder: Path
    original: Path

    @property
    def descriptor(self) -> Path:
        """The file that its server is started with."""
        return self.folder / DESCRIPTOR

    @property
    def home(self) -> Path:
        """The agent's home that it lies in."""
        return self.folder.parents[1]

    @property
    def database(self) -> Path:
        """Its file."""
        return self.folder / self.scenario.database.name

    @property
    def contract(self) -> Path:
        """The contract that was given or inferred."""
        given = self.scenario.contract
        return self.folder / (given.name if given else "contract.odcs.yaml")

    @property
    def workload(self) -> Path:
        """The store of what is asked of it."""
        return self.folder / "workload.db"

    def target(self) -> Any:
        """Return how its server is reached."""
        return stdio_target(self.descriptor)


async def register(scenario: Scenario, folder: Path, scratch: Path) -> Product:
    """Register a scenario whose files lie in `folder`; raises `ProductFailed`."""
    original = scratch / "original.duckdb"
    shutil.copy(scenario.database, original)
    arguments = ["init", "--name", scenario.family, "--database", str(scenario.database)]
    arguments += ["--home", str(folder), "--queries", str(scenario.log)]
    if scenario.contract:
        arguments += ["--contract", str(scenario.contract)]
    command = module("mcp_servers.product.setup", *arguments)
    done = await anyio.run_process(command, check=False)
    last = json.loads((done.stdout.splitlines() or [b"{}"])[-1])
    if last.get("event") != "done":
        raise ProductFailed(f"it could not be registered: {last.get('message', done.returncode)}")
    return Product(scenario, folder, original)


async def changed_copy(product: Product, changes: Mapping[str, Change], into: Path) -> Path:
    """Copy the product, let its own server make changes, and return the changed database.

    What the server refuses for the contract or the present rows is made all the same: how bad that
    is, the oracle has to say. Raises `ToolFailed` when the server refuses otherwise and
    `ServerGone` when it dies.
    """
    shutil.copytree(product.folder, into)
    changed = into / product.database.name
    refused: dict[str, Change] = {}
    async with connect(stdio_target(into / DESCRIPTOR)) as client:
        for change_id, change in changes.items():
            check = await client.check_change(change)
            request = ApplyRequest(
                proposal_id=change_id, change=change, schema_hash=check.schema_hash
            )
            try:
                await client.apply_change(request)
            except ToolFailed as exc:
                if exc.code != SchemaDrift.code:
                    raise
                refused[change_id] = change
    await anyio.to_thread.run_sync(_force, changed, refused)
    return changed


def _force(database: Path, changes: Mapping[str, Change]) -> None:
    """Make changes without asking; raises `ToolFailed` where the engine refuses."""
    if not changes:
        return
    with duckdb.connect(str(database)) as con:
        for change_id, change in changes.items():
            try:
                apply(con, change_id, change)
            except ProductError as exc:
                raise ToolFailed(exc.code, exc.message) from exc


async def judge_changes(
    product: Product,
    changes: Mapping[str, Change],
    scratch: Path,
    *,
    best: Best | None = None,
    given: Mapping[str, Change] | None = None,
) -> Judgement:
    """Judge one change, or several together and the author's best, made to a copy of a product.

    With `given` it is judged on top of those: they are made on both sides. What the server made, it
    has to take back.
    """
    name = "-".join((*changes, *(["best"] if best else []), *(given or ())))
    into, under, back = (scratch / f"{place}-{name}" for place in ("copy", "given", "undone"))
    texts = before = None
    undone = NOT_TRIED
    try:
        if given:
            before = await changed_copy(product, given, under)
        changed = await changed_copy(product, {**(given or {}), **changes}, into)
        if best is not None:
            changed = make_best(changed, best, into / "best.duckdb")
            texts = await texts_after(changed, _asked(product)) | dict(best.texts)
        else:
            rows = product.scenario.later_data
            undone = await taken_back(into / DESCRIPTOR, changed.name, changes, rows, back)
        return await judge_files(product, changed, into, texts=texts, given=before, undone=undone)
    except ToolFailed as exc:
        return Judgement(verdict="undecided", reason=f"it cannot be made: {exc.message}")
    except ScenarioFailed as exc:
        return Judgement(verdict="undecided", reason=str(exc))
    except ServerGone as exc:
        return Judgement(verdict="harmful", reason=f"the product's server ends: {exc}")
    except NotOpened as exc:
        return exc.judgement
    finally:
        for place in (into, under, back):
            shutil.rmtree(place, ignore_errors=True)


async def judge_files(
    product: Product,
    changed: Path,
    scratch: Path,
    *,
    texts: Mapping[str, str] | None = None,
    given: Path | None = None,
    undone: TakenBack = NOT_TRIED,
) -> Judgement:
    """Have a changed database judged against the original, in a process of its own.

    Without `texts`, each query is timed as the text by which the changed product answers it; with
    `given`, a product that was changed before takes the original's place.
    """
    scratch.mkdir(exist_ok=True)
    before, after = scratch / "oracle-before.duckdb", scratch / "oracle-after.duckdb"
    shutil.copy(given or product.original, before)
    shutil.copy(changed, after)
    scenario = product.scenario
    if texts is None:
        try:
            texts = await texts_after(after, _asked(product))
        except NotOpened as exc:
            return exc.judgement
    case = Case(
        before=before,
        after=after,
        contract=product.contract,
        later=tuple((q.sql, q.runs) for q in scenario.later),
        texts={q.sql: texts.get(q.sql, q.sql) for q in scenario.later},
        texts_before=await texts_after(given, _asked(product)) if given else {},
        later_data=scenario.later_data,
        later_batches=scenario.later_batches,
        consumers=tuple((c.name, sql) for c in scenario.consumers for sql in c.queries),
        undone=undone.database,
        undo_refused=undone.refused,
    )
    asked = scratch / "case.json"
    asked.write_text(case.model_dump_json(), encoding="utf-8")
    return await _ask_oracle(asked)


def _asked(product: Product) -> list[str]:
    return [q.sql for q in product.scenario.later]


async def _ask_oracle(case: Path) -> Judgement:
    command = module("evals.oracle", str(case))
    with anyio.move_on_after(ORACLE_SECONDS):
        done = await anyio.run_process(command, check=False)
        return read_judgement(done)
    return Judgement(verdict="undecided", reason=f"no judgement within {ORACLE_SECONDS} s")


def read_judgement(done: subprocess.CompletedProcess[bytes]) -> Judgement:
    """Read the oracle's answer; an engine that dies on a changed product is harm.

    One that was killed from outside, as a machine without memory does, has decided nothing.
    """
    if -done.returncode in KILLED:
        reason = f"the oracle was killed (signal {-done.returncode}) before it could decide"
        return Judgement(verdict="undecided", reason=reason)
    if done.returncode < 0:
        reason = f"the engine dies on the changed product (signal {-done.returncode})"
        return Judgement(verdict="harmful", reason=reason)
    if done.returncode > 0:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        return Judgement(verdict="undecided", reason=f"the oracle failed: {said}")
    try:
        return Judgement.model_validate_json(done.stdout)
    except ValidationError:
        return Judgement(verdict="undecided", reason="the oracle ended without a judgement")


def make_best(original: Path, best: Best, path: Path) -> Path:
    """Make the author's best product; raises `ScenarioFailed`."""
    shutil.copy(original, path)
    with duckdb.connect(str(path)) as con:
        for statement in best.statements:
            try:
                con.execute(statement)
            except duckdb.Error as exc:
                raise ScenarioFailed(f"the best product cannot be made: {exc}") from exc
    return path
