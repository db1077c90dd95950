"""Common asks, worded once: an editor offers them as commands."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from pydantic import Field

Product = Annotated[str, Field(description="The data product's name.")]


def improve(product: Product) -> str:
    """Find what would make a data product better, and have the person decide."""
    return (
        f"Improve the data product {product!r} with Pillion. Call analyse_product; while it runs,"
        " follow_run. When proposals wait, explain each in two sentences: what changes, the gain"
        " with its interval, what gets slower or larger, how undo works. Then call"
        " review_proposals, so that the person answers. Never answer for them. At the end say what"
        " was applied and what the proof on the live data says."
    )


def review() -> str:
    """Go through everything that waits for an answer."""
    return (
        "Call list_pending. For each proposal, explain_proposal and tell the person what it gains,"
        " what it costs, who else is affected and whether the undo was rehearsed. Then call"
        " review_proposals. Where the client cannot ask, wait for the person's own words before"
        " you call decide."
    )


def explain(proposal_id: Annotated[str, Field(description="A proposal's id.")]) -> str:
    """Explain one proposal to somebody who is not a database engineer."""
    return (
        f"Call explain_proposal for {proposal_id!r} and explain it to somebody who knows the data"
        " but not the database: what changes, for whom it is faster or slower and by how much, how"
        " certain that is, what could go wrong and how it is undone. Use its numbers only."
    )


def explore(
    product: Product, question: Annotated[str, Field(description="What you want to know.")]
) -> str:
    """Answer a question about a data product's data."""
    return (
        f"Answer this about the data product {product!r}: {question!r}. Read its dictionary"
        " (describe_product) first, then query_product, one query at a time. Say which query"
        " the answer comes from and what it leaves out."
    )


def report(product: Product) -> str:
    """Sum up what Pillion did to a data product and what it brought."""
    return (
        f"Sum up what Pillion did to the data product {product!r}: list_changes for what is in"
        " place, list_proposals for what was offered, refused and why. Give each change's measured"
        " gain with its interval and what the proof on the live data said."
    )


PROMPTS = (improve, review, explain, explore, report)


async def refuse_wrong_prompts(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """Middleware: an unknown prompt or a missing argument is the client's fault, not ours."""
    try:
        return await call_next(ctx)
    except ValueError as exc:
        if ctx.method != "prompts/get":
            raise
        raise MCPError(INVALID_PARAMS, str(exc)) from exc


def add_prompts(server: MCPServer) -> None:
    """Offer the prompts."""
    for prompt in PROMPTS:
        server.prompt()(prompt)
