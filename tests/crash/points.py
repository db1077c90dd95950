"""Names of crash points: step edges, commits of the ledger, tools of the product server."""

from __future__ import annotations


def edges(*nodes: str) -> list[str]:
    """Return the points before and after steps."""
    return [f"{side}.{node}" for node in nodes for side in ("before", "after")]


def commits(first: int, last: int) -> list[str]:
    """Return the points right before commits of the agent's ledger."""
    return [f"ledger.before_commit:{n}" for n in range(first, last + 1)]


def tools(*names: str) -> list[str]:
    """Return the points before and after the work of tools."""
    return [f"server.{name}.{side}" for name in names for side in ("before", "after")]
