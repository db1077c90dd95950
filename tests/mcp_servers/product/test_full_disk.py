"""A full disk under the database: a change waits for room, and the server stays in service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.disks import fill, small_disk
from tests.mcp_servers.product.test_service import INDEX, RETYPE, asked
from tests.products import make_product
from tools.messages import Change, CreateIndex, DropIndex, SortTable, TableName
from tools.product.errors import DatabaseLocked, DiskFull, QueryFailed
from tools.product.owner import Limits

SALES = TableName(name="sales")
COUNT = "SELECT count(*) FROM sales"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 20) as disk:
        yield disk


@pytest.fixture
def service(disk: Path, tmp_path: Path) -> Iterator[ProductService]:
    """A product whose database lies on the small disk, and nothing else of it."""
    service = ProductService(make_product(disk, tmp_path / "home", rows=150_000), ProductSettings())
    yield service
    service.close()


@pytest.mark.parametrize("change", [RETYPE, INDEX], ids=lambda c: c.kind)
def test_a_change_without_room_changes_nothing_and_says_what_it_writes(
    service: ProductService, disk: Path, change: Change
) -> None:
    request = asked(service, change, "p1")
    filler = fill(disk)
    with pytest.raises(DiskFull, match=rf"has 0 B free; {change.kind} of .* writes about") as told:
        service.apply(request)
    assert str(disk) in told.value.message
    assert service.changes() == ()
    filler.unlink()
    assert service.apply(request).status == "applied"


NAMED = CreateIndex(table=SALES, columns=("amount",), name="by_amount")
DROPPED = DropIndex(
    table=SALES, name="by_amount", definition="CREATE INDEX by_amount ON sales(amount);"
)
SORTED = SortTable(table=SALES, order_by=("region",))


@pytest.mark.parametrize("change", [DROPPED, SORTED], ids=lambda c: c.kind)
def test_an_undo_without_room_changes_nothing_and_says_what_it_writes(
    service: ProductService, disk: Path, change: Change
) -> None:
    with service.owner.cursor() as con:
        con.execute("DELETE FROM sales WHERE id > 40000")
    service.apply(asked(service, NAMED, "p0"))
    service.apply(asked(service, change, "p1"))
    # A transaction would find room for what it begins with; an index may not.
    filler = fill(disk, leaving=1_000_000)
    before = (disk / "sales.duckdb").stat().st_size, service.describe().schema_hash
    with pytest.raises(DiskFull, match=rf"kB free; undo of {change.kind} of .* writes about \d"):
        service.undo("p1", rolled_back=False)
    assert ((disk / "sales.duckdb").stat().st_size, service.describe().schema_hash) == before
    assert [c.status for c in service.changes()] == ["applied", "applied"]
    filler.unlink()
    assert service.undo("p1", rolled_back=False).status == "undone"


def engine_gives_up(service: ProductService, disk: Path) -> duckdb.FatalException:
    """Have a checkpoint find no room, as one of the engine's own would."""
    with service.owner.cursor() as con:
        fill(disk, leaving=300_000)
        con.execute("UPDATE sales SET region = region || '1' WHERE id % 50 = 0")
        with pytest.raises(duckdb.FatalException) as caught:
            con.execute("CHECKPOINT")
    return caught.value


def test_a_database_the_engine_gave_up_answers_the_next_query_again(
    service: ProductService, disk: Path
) -> None:
    engine_gives_up(service, disk)
    with pytest.raises(QueryFailed) as failed:
        service.owner.query(COUNT, "board", Limits())
    told = service.told(failed.value)
    assert told.code == "disk_full"
    assert f"The disk of {disk}/sales.duckdb is full" in told.message
    assert service.owner.query(COUNT, "board", Limits()).rows == [(150_000,)]
    changed = "SELECT count(*) FROM sales WHERE length(region) > 2"
    assert service.owner.query(changed, "board", Limits()).rows == [(3000,)]


def test_a_database_is_opened_again_only_when_nobody_reads_the_old_instance(
    service: ProductService, disk: Path
) -> None:
    with (disk / "sales.duckdb").open("rb"):
        assert service.told(engine_gives_up(service, disk)).code == "disk_full"
        with pytest.raises(DatabaseLocked, match="still being closed"):
            service.describe()
    assert service.describe().tables[0].rows == 150_000


def test_other_errors_leave_the_database_open(service: ProductService) -> None:
    owner = service.owner
    assert service.told(QueryFailed("no")).code == "query_failed"
    assert service.owner is owner
