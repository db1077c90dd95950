"""What an editor can attach to a conversation: dictionary, contract, report, evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp_types import Resource

from api.ide.calls import AnyContext, Call, admitted, caller_of, told
from api.products import DescriptorUnusable, described
from api.report.html import render_report
from api.service.access import Caller
from api.service.desk import known_offer, known_product, known_products, known_thread
from api.service.service import Service
from api.views import build_report
from graph.errors import UnknownProduct, UnknownProposal, UnknownThread
from mcp_servers.product.contract import ProductDescription, TableDescription
from tools.plain_text import plain

DICTIONARY = "pillion://products/{product}/dictionary"
CONTRACT = "pillion://products/{product}/contract"
REPORT = "pillion://runs/{run}/report"
EVIDENCE = "pillion://proposals/{proposal_id}/evidence"
RECENT_REPORTS = 20


@contextmanager
def _found() -> Iterator[None]:
    """Turn errors into those of resources; what the caller may not see is not there."""
    try:
        with told():
            yield
    except ToolError as exc:
        unknown = isinstance(exc.__cause__, UnknownProduct | UnknownProposal | UnknownThread)
        raise (ResourceNotFoundError if unknown else ResourceError)(str(exc)) from exc


def add_resources(server: MCPServer, service: Service) -> None:
    """Offer everything there is by template; the list names what a caller may see."""

    @server.resource(DICTIONARY, name="dictionary", mime_type="text/markdown")
    async def dictionary(product: str, context: AnyContext) -> str:
        """Tables and columns of a data product, with types, comments and promises."""
        with _found():
            known_product(service, _viewer(service, context).caller, product)
            async with service.steward.product(product) as client:
                return as_markdown(await client.describe_product())

    @server.resource(CONTRACT, name="contract", mime_type="application/yaml")
    async def contract(product: str, context: AnyContext) -> str:
        """The data contract of a product (ODCS)."""
        with _found():
            known_product(service, _viewer(service, context).caller, product)
            path = described(service.settings, product).contract
            try:
                return path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as exc:
                raise DescriptorUnusable(f"The contract {path} cannot be read: {exc}.") from exc

    @server.resource(REPORT, name="report", mime_type="text/html")
    async def report(run: str, context: AnyContext) -> str:
        """The report of a run: what was tried, proposed, answered and proved."""
        with _found():
            known_thread(service, _viewer(service, context).caller, run)
            return render_report(build_report(service.ledger, run))

    @server.resource(EVIDENCE, name="evidence", mime_type="application/json")
    async def evidence(proposal_id: str, context: AnyContext) -> str:
        """Everything that was measured for a proposal, query by query, losers included."""
        with _found():
            offer = known_offer(service, _viewer(service, context).caller, proposal_id)
            return offer.proposal.evidence.model_dump_json()


def _viewer(service: Service, context: AnyContext) -> Call:
    return admitted(service, context, "viewer")


class Listing:
    """Middleware: the list of resources is the caller's own."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Add what the caller may see to the list; nothing else is touched."""
        result = await call_next(ctx)
        if ctx.method != "resources/list" or not isinstance(result, Mapping):
            return result
        mine = self._of(caller_of(ctx))
        own = [r.model_dump(mode="json", by_alias=True, exclude_none=True) for r in mine]
        return {**result, "resources": [*result.get("resources", ()), *own]}

    def _of(self, caller: Caller) -> Iterable[Resource]:
        for product in known_products(self._service, caller):
            yield Resource(
                uri=DICTIONARY.format(product=product), name=f"{product}-dictionary",
                description=f"Tables and columns of {product}.", mime_type="text/markdown",
            )  # fmt: skip
            yield Resource(
                uri=CONTRACT.format(product=product), name=f"{product}-contract",
                description=f"The data contract of {product} (ODCS).", mime_type="application/yaml",
            )  # fmt: skip
        threads = [t for t in self._service.ledger.threads() if caller.may("viewer", t.product)]
        for thread in threads[:RECENT_REPORTS]:
            yield Resource(
                uri=REPORT.format(run=thread.id), name=f"{thread.id}-report",
                description=f"Report of a run about {thread.product}.", mime_type="text/html",
            )  # fmt: skip


def as_markdown(described: ProductDescription) -> str:
    """Return a data dictionary; names and comments are cells, whatever they hold."""
    parts = [f"# {_cell(described.name)}", f"{described.engine}, {described.bytes:,} bytes"]
    parts += [part for table in described.tables for part in _table(table)]
    if described.views:
        parts.append("Views: " + ", ".join(map(_cell, described.views)))
    parts += [f"- {_cell(finding)}" for finding in (*described.findings, *described.idle)]
    return "\n\n".join(parts) + "\n"


def _table(table: TableDescription) -> list[str]:
    rows = [
        f"| {_cell(c.name)} | {_cell(c.type)} | {'yes' if c.nullable else 'no'}"
        f" | {'yes' if c.promised else 'no'} | {_cell(c.comment or '')} |"
        for c in table.columns
    ]
    head = ["| column | type | nullable | promised | comment |", "| --- | --- | --- | --- | --- |"]
    return [f"## {_cell(table.name)} ({table.rows:,} rows)", "\n".join([*head, *rows])]


def _cell(text: object) -> str:
    return plain(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
