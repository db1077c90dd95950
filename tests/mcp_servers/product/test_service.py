"""The service without the protocol: opening, drift, live checks, and errors nobody expects."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from open_data_contract_standard.model import CustomProperty

from mcp_servers.product.contract import ApplyRequest
from mcp_servers.product.holding import coded
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.products import make_product
from tools.drafts import draft_beside
from tools.messages import (
    AddNotNull,
    Change,
    ChangeType,
    CreateIndex,
    DropColumn,
    DropTable,
    RewriteQuery,
    TableName,
    change_id,
)  # fmt: skip
from tools.product.candidates.rules import apply_rule
from tools.product.contract import load_contract, save_contract
from tools.product.descriptor import Descriptor
from tools.product.errors import (
    DatabaseUnusable,
    DiskFull,
    Forbidden,
    Refused,
    SchemaDrift,
    UndoConflict,
)
from tools.product.owner import Limits

SALES = TableName(name="sales")
INDEX = CreateIndex(table=SALES, columns=("id",), name="by_id")
NOT_NULL = AddNotNull(table=SALES, column="id")
RETYPE = ChangeType(
    table=SALES, column="amount", from_type="VARCHAR", to_type="INTEGER",
    forward='CAST("amount" AS INTEGER)', backward='CAST("amount" AS VARCHAR)',
)  # fmt: skip
KEY = change_id("sales", RETYPE)


@pytest.fixture
def descriptor(tmp_path: Path) -> Descriptor:
    return make_product(tmp_path, tmp_path / "home", rows=200)


@pytest.fixture
def service(descriptor: Descriptor) -> Iterator[ProductService]:
    service = ProductService(descriptor, ProductSettings())
    yield service
    service.close()


def asked(service: ProductService, change: Change, proposal: str) -> ApplyRequest:
    measured = service.check(change).schema_hash
    return ApplyRequest(proposal_id=proposal, change=change, schema_hash=measured)


def test_a_query_file_that_went_is_no_reason_to_stop(
    descriptor: Descriptor, caplog: pytest.LogCaptureFixture
) -> None:
    Path(descriptor.queries[0]).unlink()
    service = ProductService(descriptor, ProductSettings())
    assert len(service.workload().patterns) == 3
    assert "does not exist" in caplog.text
    service.close()


def test_opening_again_counts_no_query_twice(descriptor: Descriptor) -> None:
    for _ in range(2):
        service = ProductService(descriptor, ProductSettings())
        assert {p.runs for p in service.workload().patterns} == {1}
        service.close()


def test_drafts_of_a_killed_writer_go_when_the_server_opens(descriptor: Descriptor) -> None:
    evidence = descriptor.home / "evidence"
    evidence.mkdir()
    for name in ("live-a.12.tmp", "live-a.json"):
        (evidence / name).touch()
    for folder in (evidence, descriptor.home):
        draft = draft_beside(folder / "some")
        draft.touch()
        os.utime(draft, times=(0, 0))
    with closing(ProductService(descriptor, ProductSettings())) as service:
        assert service.describe().name == "sales"
    assert [p.name for p in evidence.iterdir()] == ["live-a.json"]
    assert list(descriptor.home.glob(".*")) == []


def test_a_database_that_cannot_be_opened_can_be_opened_later(descriptor: Descriptor) -> None:
    aside = Path(f"{descriptor.database}.aside")
    shutil.move(descriptor.database, aside)
    service = ProductService(descriptor, ProductSettings())
    with pytest.raises(DatabaseUnusable):
        service.describe()
    shutil.move(aside, descriptor.database)
    assert service.describe().name == "sales"
    service.close()


def test_changes_measured_together_are_applied_after_one_another(service: ProductService) -> None:
    requests = [asked(service, c, f"p{n}") for n, c in enumerate((RETYPE, NOT_NULL, INDEX))]
    assert [service.apply(r).status for r in requests] == ["applied"] * 3
    undone = [service.undo(f"p{n}", rolled_back=n == 0).status for n in (2, 1, 0)]
    assert undone == ["undone", "undone", "rolled_back"]


def test_an_undo_whose_kept_rows_are_gone_is_a_conflict(service: ProductService) -> None:
    table = TableName(name="spare")
    with service.owner.cursor() as con:
        con.execute("CREATE TABLE spare AS SELECT 'x' AS a; CREATE INDEX ix ON spare(a)")
    service.apply(asked(service, DropTable(table=table), "p1"))
    with service.owner.cursor() as con:
        con.execute("DROP TABLE pillion.table_p1")
    with pytest.raises(UndoConflict, match="refused to take back drop_table of spare"):
        service.undo("p1", rolled_back=False)
    assert [c.status for c in service.changes()] == ["applied"]


def test_a_table_changed_by_someone_else_is_drift_and_stays(service: ProductService) -> None:
    request = asked(service, INDEX, "p1")
    with service.owner.cursor() as con:
        con.execute("ALTER TABLE sales ADD COLUMN extra INTEGER")
    with pytest.raises(SchemaDrift, match="by someone else"):
        service.apply(request)
    assert service.changes() == ()


def test_rows_that_came_since_and_would_not_come_back_on_undo_are_drift(
    service: ProductService,
) -> None:
    request = asked(service, RETYPE, "p1")
    with service.owner.cursor() as con:
        con.execute("UPDATE sales SET amount = '007' WHERE id = 3")
    with pytest.raises(SchemaDrift, match="1 of 200 rows would not come back exactly on undo"):
        service.apply(request)
    assert service.changes() == ()
    with service.owner.cursor() as con:
        kept = con.execute("SELECT amount FROM sales WHERE id = 3").fetchall()
    assert kept == [("007",)]


def promise_no_region(service: ProductService) -> None:
    path = Path(service.descriptor.contract)
    contract = load_contract(path).model_copy(deep=True)
    (promise,) = contract.schema_ or ()
    promise.properties = [p for p in promise.properties or [] if p.name != "region"]
    save_contract(contract, path)


def test_what_the_contract_promises_by_now_is_not_dropped(service: ProductService) -> None:
    path = Path(service.descriptor.contract)
    promised = path.read_text()
    promise_no_region(service)
    request = asked(service, DROP_REGION, "p1")
    path.write_text(promised)
    with pytest.raises(SchemaDrift, match="region"):
        service.apply(request)
    assert service.changes() == ()


def test_a_change_says_whom_of_the_contracts_consumers_it_affects(service: ProductService) -> None:
    path = Path(service.descriptor.contract)
    contract = load_contract(path).model_copy(deep=True)
    (promise,) = contract.schema_ or ()
    for prop in promise.properties or ():
        if prop.name == "amount":
            prop.customProperties = [CustomProperty(property="consumers", value=["auditors"])]
    save_contract(contract, path)
    assert service.check(RETYPE).affects == ("auditors",)
    assert service.check(DROP_REGION).affects == ()


DROP_REGION = DropColumn(table=SALES, column="region", type="VARCHAR")
STARTS = "SELECT count(*) FROM sales WHERE substr(amount, 1, 1) = '1'"
RANGE = apply_rule("prefix_text", STARTS)
assert RANGE is not None
CHEAPER = RewriteQuery(
    table=SALES, fingerprint="f", rule="prefix_text", original=STARTS, rewritten=RANGE
)


def test_a_change_under_which_live_answers_differ_is_refused_and_leaves_no_trace(
    service: ProductService,
) -> None:
    greatest = "SELECT max(amount) FROM sales"
    request = asked(service, RETYPE, "p1").model_copy(update={"queries": (greatest,)})
    with pytest.raises(Refused, match="would not answer as before"):
        service.apply(request)
    assert service.changes() == ()
    assert service.owner.query(
        "SELECT typeof(any_value(amount)) FROM sales", "me", Limits()
    ).rows == [("VARCHAR",)]


def test_a_change_that_breaks_a_live_query_is_refused_with_the_engines_words(
    service: ProductService,
) -> None:
    promise_no_region(service)
    request = asked(service, DROP_REGION, "p1").model_copy(
        update={"queries": ("SELECT region, count(*) FROM sales GROUP BY region",)}
    )
    with pytest.raises(Refused, match="it fails"):
        service.apply(request)
    assert service.changes() == ()


def test_queries_answered_by_an_approved_rewrite_are_measured_as_such(
    service: ProductService,
) -> None:
    service.owner.query(STARTS, "board", Limits())
    service.apply(asked(service, CHEAPER, "p1"))
    flushed(service, CHEAPER.rewritten)
    found = {p.sql: p.rewritten for p in service.workload().patterns}
    assert found[CHEAPER.rewritten] and STARTS not in found
    assert not [c for c in service.find(("rewrite_query",)).candidates if "substr" in str(c.change)]


def flushed(service: ProductService, sql: str) -> None:
    """Wait until the tap's runs are stored."""
    ends = time.monotonic() + 10
    while sql not in {p.sql for p in service.workload().patterns}:
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_an_approved_change_repeats_even_after_the_table_moved_on(
    service: ProductService,
) -> None:
    request = asked(service, INDEX, "p1")
    first = service.apply(request)
    with service.owner.cursor() as con:
        con.execute("INSERT INTO sales SELECT * FROM sales LIMIT 1")
    assert service.apply(request) == first


def test_pillions_own_reading_is_no_workload(service: ProductService) -> None:
    before = service.workload()
    service.describe()
    service.find(("change_type", "create_summary"))
    request = asked(service, INDEX, "p1").model_copy(
        update={"queries": ("SELECT count(*) FROM sales",)}
    )
    service.apply(request)
    service.verify("p1")
    service.close()
    again = ProductService(service.descriptor, ProductSettings())
    assert {p.sql for p in again.workload().patterns} == {p.sql for p in before.patterns}
    again.close()


def test_what_a_consumer_asks_is_workload_after_a_restart(service: ProductService) -> None:
    sql = "SELECT min(region) FROM sales"
    service.owner.query(sql, "board", Limits())
    service.close()
    again = ProductService(service.descriptor, ProductSettings())
    assert sql in {p.sql for p in again.workload().patterns}
    again.close()


@pytest.mark.parametrize(("error", "kind", "said"), [
    (duckdb.IOException("IO Error: gone\nmore"), "product_error", "IO Error: gone"),
    (sqlite3.OperationalError("database is locked"), "product_error", "database is locked"),
    (OSError(errno.ENOSPC, "No space left on device"), DiskFull.code, "The disk is full"),
    (duckdb.IOException("Could not write: No space left on device"), DiskFull.code, "is full"),
    (PermissionError(), "product_error", "PermissionError"),
    (Forbidden("no"), "forbidden", "no"),
])  # fmt: skip
def test_every_error_has_a_code_and_one_line(error: Exception, kind: str, said: str) -> None:
    told = coded(error)
    assert (told.code, len(str(told).splitlines())) == (kind, 1)
    assert said in str(told)


def reload(service: ProductService) -> None:
    rows = "SELECT * REPLACE (amount::VARCHAR AS amount) FROM sales"
    with service.owner.lock, service.owner.cursor() as con:
        con.execute(f"CREATE OR REPLACE TABLE sales AS {rows}")


def amount_type(service: ProductService) -> str:
    table = service.owner.table(SALES)
    assert table is not None
    return next(c.type for c in table.columns if c.name == "amount")


@pytest.fixture
def loaded(service: ProductService) -> ProductService:
    """A product whose owner has loaded its table anew since a change of it."""
    service.apply(asked(service, RETYPE, KEY).model_copy(update={"approval": "run 1"}))
    reload(service)
    return service


def test_a_change_that_a_reload_took_away_is_made_by_the_next_approval(
    loaded: ProductService,
) -> None:
    request = asked(loaded, RETYPE, KEY)
    replayed = loaded.apply(request.model_copy(update={"approval": "run 1"}))
    assert (replayed.approval, amount_type(loaded)) == ("run 1", "VARCHAR")
    made = loaded.apply(request.model_copy(update={"approval": "run 2"}))
    assert (made.approval, amount_type(loaded)) == ("run 2", "INTEGER")
    assert loaded.changes() == (made,)
    assert loaded.undo(KEY, rolled_back=False).status == "undone"
    assert amount_type(loaded) == "VARCHAR"


def test_what_the_ledger_says_of_live_is_no_reason_not_to_try_a_change(
    loaded: ProductService,
) -> None:
    found = loaded.rehearse(RETYPE)
    assert found.ok, found.detail
    assert amount_type(loaded) == "VARCHAR"
