"""Questions that wait, as the LangGraph client sees them."""

from __future__ import annotations

from langgraph_sdk.client import LangGraphClient


async def asked(client: LangGraphClient, thread: str) -> dict[str, str]:
    """Return the waiting questions: their ids by the name asked about."""
    found = (await client.threads.get(thread))["interrupts"]
    return {i["value"]["question"]: i["id"] for each in found.values() for i in each}
