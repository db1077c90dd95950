"""When what failed is tried again: later and later, also after a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from graph.engine.records import Records
from graph.run_store import now

FIRST_SECONDS = 30.0
LONGEST_SECONDS = 3600.0


@dataclass(frozen=True)
class Retries:
    """Waits by name: a thread whose answers could not be delivered, a change to take back."""

    records: Records

    def due(self, what: str) -> bool:
        """Return whether it may be tried now."""
        found = self.records.retry(what)
        if found is None:
            return True
        # A clock that was set back must not make a wait longer than it was meant to be.
        left = (found.next_at - now()).total_seconds()
        return not 0 < left <= found.waited

    def failed(self, what: str) -> None:
        """Wait before the next try, twice as long as before this one."""
        found = self.records.retry(what)
        wait = min(2 * found.waited, LONGEST_SECONDS) if found else FIRST_SECONDS
        self.records.set_retry(what, now() + timedelta(seconds=wait), wait)

    def done(self, what: str) -> None:
        """Forget that it failed."""
        self.records.drop_retry(what)
