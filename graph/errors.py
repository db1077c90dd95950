"""What can go wrong between a question and its answer."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tools.messages import Decision


class GraphError(Exception):
    """The agent could not go on."""


class UnknownProduct(GraphError):
    """No product of that name is known here."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        have = (
            ", ".join(known) if known else "none yet; add one with `pillion init --database FILE`"
        )
        super().__init__(f"No product {name!r}. Known products: {have}.")
        self.name = name
        self.known = known


class UnknownProposal(GraphError):
    """No proposal has that id."""

    def __init__(self, proposal_id: str) -> None:
        super().__init__(f"No proposal {proposal_id!r}. `pillion status` lists those that wait.")
        self.proposal_id = proposal_id


class UnknownNames(GraphError):
    """A product has no such tables or columns."""

    def __init__(self, names: list[str], tables: list[str]) -> None:
        told = ", ".join(map(repr, names))
        super().__init__(f"No table or column {told}. Tables: {', '.join(tables) or 'none'}.")


class UnknownThread(GraphError):
    """No run has that id."""

    def __init__(self, thread_id: str) -> None:
        super().__init__(f"No run {thread_id!r}. `pillion status` lists them.")
        self.thread_id = thread_id


class AlreadyDecided(GraphError):
    """Another answer came first and stands."""

    def __init__(self, standing: Decision) -> None:
        who, when = standing.principal.name, standing.decided_at.isoformat(timespec="seconds")
        super().__init__(
            f"{standing.proposal_id} was already answered: {standing.verdict} by {who} at {when}."
        )
        self.standing = standing


class AlreadyUndone(GraphError):
    """The change was taken back before."""

    def __init__(self, proposal_id: str, how: str, since: datetime) -> None:
        super().__init__(
            f"{proposal_id} was {how} already, at {since.isoformat(timespec='seconds')}; nothing"
            " was changed."
        )
        self.proposal_id = proposal_id
        self.how = how
        self.since = since


class NeverMade(GraphError):
    """There is no change to take back."""

    def __init__(self, proposal_id: str) -> None:
        super().__init__(f"{proposal_id} was never made; there is nothing to take back.")


class OfferedAnew(GraphError):
    """The proposal was measured again since the person saw it."""

    def __init__(self, proposal_id: str, seen: int, present: int) -> None:
        how = (
            f"was offered anew (as round {present}, and the answer is about round {seen})"
            if seen < present
            else f"has no round {seen} yet; the latest is {present}"
        )
        super().__init__(f"{proposal_id} {how}; look again. Nothing was recorded.")


class AlreadyApproved(GraphError):
    """The same person approved before; others have to."""

    def __init__(self, proposal_id: str, name: str, given: int, needed: int) -> None:
        super().__init__(
            f"{name} approved {proposal_id} already; it has {given} of {needed} approvals and"
            " needs others'."
        )


class NotAllowed(GraphError):
    """This principal may not answer."""


class InvalidAnswer(GraphError):
    """The answer does not fit the question."""


class KeyReused(GraphError):
    """An idempotency key came back with another answer."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The idempotency key {key!r} was used for another answer; use a new key for each."
        )


class Busy(GraphError):
    """Another Pillion process works on this home."""


class StateTooNew(GraphError):
    """A file of the home directory was written by a later Pillion."""

    def __init__(self, path: Path, version: int, known: int) -> None:
        super().__init__(
            f"{path} has format {version}, and this Pillion knows formats up to {known}: a newer"
            " one wrote it. Use that version, or another PILLION_HOME."
        )


class LedgerBroken(GraphError):
    """The audit trail does not verify."""


class NothingToLookAt(GraphError):
    """The product has no tables, no rows or no queries: a run could find nothing."""


class ProductUnavailable(GraphError):
    """The product server ended or cannot be reached."""


class RunLost(GraphError):
    """The saved state of a run is gone, so that it cannot go on."""

    def __init__(self, thread_id: str, product: str) -> None:
        super().__init__(
            f"The state of {thread_id} is gone or damaged, so it cannot go on; what it offered is"
            f" closed, and `pillion run {product}` measures it again."
        )


class RunFailed(GraphError):
    """A run met what nobody foresaw; its cause says what."""
