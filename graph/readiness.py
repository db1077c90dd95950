"""Whether a product has anything to look at, told before a run of it is opened."""

from __future__ import annotations

from collections.abc import Sequence

from graph.errors import NothingToLookAt
from mcp_servers.product.client import ProductClient
from mcp_servers.product.contract import ProductDescription
from tools.messages import AgentName
from tools.numbers import counted
from tools.product.workload import Workload

LOAD = "Load data into it, then run this again."
RECORD = (
    "Give some with `pillion init --database FILE --queries FILE`, or let `pillion serve {product}`"
    " record the live ones, then run this again."
)


async def check_ready(client: ProductClient, product: str, agents: Sequence[AgentName]) -> None:
    """Raise `NothingToLookAt` where there is no table, no row, or nothing to measure with.

    Without queries some ideas of the schema agent remain, such as a rule of the contract or an
    index that repeats another: then a run goes on with these.
    """
    _check_rows(await client.describe_product(), product)
    workload = (await client.read_workload(limit=1)).workload
    if workload.patterns:
        return
    if not agents or "schema" in agents:
        found = await client.find_candidates("schema")
        if found.candidates or found.refused:
            return
    raise NothingToLookAt(f"{_without_queries(product, workload)} {RECORD.format(product=product)}")


def _check_rows(described: ProductDescription, product: str) -> None:
    if not described.tables:
        raise NothingToLookAt(f"The database of {product} has no tables. {LOAD}")
    if not any(table.rows for table in described.tables):
        raise NothingToLookAt(f"No table of {product} has a row. {LOAD}")


def _without_queries(product: str, workload: Workload) -> str:
    if not workload.skipped_total:
        return f"There are no queries of {product} to measure with."
    first = workload.skipped[0].reason.rstrip(".")
    statements = counted(workload.skipped_total, "statement")
    return f"None of the {statements} known of {product} can be measured: {first}."
