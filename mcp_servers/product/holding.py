"""Holding the product's database: opened when it is needed, let go when the engine gave it up."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from pathlib import Path

import duckdb

from mcp_servers.product.settings import ProductSettings
from tools.drafts import sweep
from tools.numbers import size
from tools.product.descriptor import Descriptor
from tools.product.disk_space import ran_out
from tools.product.errors import DatabaseLocked, DiskFull, ImportFailed, ProductError
from tools.product.importers import import_path
from tools.product.live import LiveSamples
from tools.product.opening import given_up, is_open_here
from tools.product.owner import Owner
from tools.product.snapshot import Snapshot
from tools.product.workload_store import WorkloadStore

LOG = logging.getLogger(__name__)
UNEXPECTED = (duckdb.Error, sqlite3.Error, OSError)
"""What engine, store and disk may raise anywhere."""


def coded(exc: Exception) -> ProductError:
    """Return what a caller is told of an error that no tool expects: one line, and a code."""
    if isinstance(exc, ProductError):
        return exc
    reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
    if ran_out(exc):
        return DiskFull(f"The disk is full: {reason.rstrip('.')}.", hint="Free some.")
    return ProductError(f"The product cannot be used: {reason}")


class HeldOwner:
    """The one owner of a product's database, if it is open."""

    def __init__(self, descriptor: Descriptor, settings: ProductSettings) -> None:
        self._descriptor = descriptor
        self._settings = settings
        self._database = Path(descriptor.database)
        self._opening = threading.Lock()
        self._owner: Owner | None = None
        self._gave_up = False

    @property
    def owner(self) -> Owner:
        """The owner, opened at first use."""
        with self._opening:
            if self._owner is None:
                self._owner = self._open()
            return self._owner

    def close(self) -> None:
        """Release the database and the workload store."""
        if self._owner is not None:
            self._owner.close()
            self._owner.store.close()

    def told(self, exc: Exception) -> ProductError:
        """Return what a caller is told of an error.

        A database that the engine gave up, as it does when a checkpoint finds the disk full, is
        closed here and opened anew by the next call.
        """
        fatal = given_up(exc)
        if fatal is None:
            return self._placed(exc)
        self._let_go()
        kept = "What was committed is kept; the next call opens it."
        if ran_out(fatal):
            told = f"The disk of {self._database} is full, and the engine gave the database up."
            return DiskFull(f"{told} {kept}", hint="Free some there.")
        reason = str(fatal).splitlines()[0].rstrip(".")
        return ProductError(f"The engine gave {self._database} up: {reason}. {kept}")

    def _placed(self, exc: Exception) -> ProductError:
        """Return the error, with how much room is where if it lacks and nobody said so yet."""
        error = coded(exc)
        if error is exc or not isinstance(error, DiskFull):
            return error
        places = dict.fromkeys((self._database.resolve().parent, self._descriptor.home))
        free = "; ".join(f"{p} has {size(shutil.disk_usage(p).free)} free" for p in places)
        return DiskFull(f"{error.message} {free}.", hint=error.hint)

    def _let_go(self) -> None:
        with self._opening:
            if self._owner is not None:
                self._gave_up = True
                self.close()
            self._owner = None

    def _open(self) -> Owner:
        if self._gave_up and is_open_here(self._database):
            # Whoever still reads would take the lock away from a second instance by ending.
            raise DatabaseLocked(
                f"{self._database} is still being closed after the engine gave it up.",
                hint="Try again in a moment.",
            )
        self._gave_up = False
        home = self._descriptor.home
        Snapshot.sweep(home / "shadow")
        store = WorkloadStore(home / "workload.db")
        for source in self._descriptor.queries:
            try:
                import_path(Path(source), store)
            except ImportFailed as exc:
                # Registration read it into the store; a file that went is no reason to stop.
                LOG.warning("A query file is left out: %s", exc)
        owner = Owner(self._database, store, self._settings.engine(self._settings.memory_limit))
        # Who holds the database is the only one that writes these.
        LiveSamples.sweep(home / "evidence")
        for folder in {home, home / "evidence", Path(self._descriptor.contract).parent}:
            sweep(folder)
        return owner
