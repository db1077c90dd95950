"""The service forgets by itself what finished runs leave."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from datetime import timedelta

from graph.pruning import Pruning
from graph.run_store import now
from graph.settings import Settings

LOG = logging.getLogger("pillion.retention")
EVERY_SECONDS = 3600.0


async def forget_old(settings: Settings, days: float) -> None:
    """Prune every hour until cancelled; never with 0 days."""
    stop = threading.Event()
    try:
        while days:
            pruning = Pruning(settings, now() - timedelta(days=days), stopped=stop.is_set)
            try:
                done = await asyncio.to_thread(pruning.run)
                LOG.info("forgot %d checkpoints, %d events", done.checkpoints, done.events)
            except sqlite3.Error as exc:
                LOG.warning("forgetting has to wait: %s", exc)
            await asyncio.sleep(EVERY_SECONDS)
    finally:
        stop.set()


async def cancelled(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and return when they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
