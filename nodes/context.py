"""What a node is given at run time: clients and stores, never module globals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from mcp_servers.product.client import ProductClient
from mcp_servers.product.contract import MeasureLimits
from nodes.refusal import Refusal
from tools.messages import Decision, Outcome, Principal, Proposal, Trial
from tools.slm.judge import Opinion

VERSION = "0.1.0"


class Records(Protocol):
    """The ledger, as far as nodes need it; every write may be repeated safely."""

    def record_trials(self, thread_id: str, product: str, trials: Iterable[Trial]) -> None:
        """Keep verdicts."""

    def trials(self, thread_id: str) -> list[Trial]:
        """Return the verdicts of one run."""

    def refusals(self, product: str) -> Mapping[str, Refusal]:
        """Return the latest refusal of each idea that was not approved since."""

    def offer(self, thread_id: str, proposals: Iterable[Proposal], actor: str) -> tuple[str, ...]:
        """Put proposals into the queue; returns those of them that may be asked about."""

    def offer_again(self, thread_id: str, proposal_id: str, actor: str) -> bool:
        """Open a question again whose edit could not be tried; returns whether it is open now."""

    def proposal(self, proposal_id: str) -> Proposal:
        """Return the latest offer of a proposal."""

    def decision(self, thread_id: str, proposal_id: str) -> Decision | None:
        """Return the standing answer to the offer that a run made."""

    def record_outcome(self, outcome: Outcome, actor: str) -> None:
        """Record what became of a proposal."""

    def cut_off(self, subject: str, step: str, why: str) -> int:
        """Keep that a product's server ended in a step; returns how often it did in that one."""

    def save_report(self, thread_id: str, body: Mapping[str, Any]) -> None:
        """Keep what the report needs beyond the ledger's own rows."""


class Opinions(NamedTuple):
    """The judge's opinion by proposal id; empty where none serves."""

    found: Mapping[str, Opinion] = MappingProxyType({})
    note: str = ""
    """Why the judge that should serve cannot."""


class Judging(Protocol):
    """Whoever knows how likely a person is to approve; it can order and hold back, no more."""

    def opinions(self, product: str, proposals: Sequence[Proposal]) -> Opinions:
        """Return the opinion on each proposal."""


class RulesOnly:
    """No judge: rules rank, and nothing is held back."""

    def opinions(self, product: str, proposals: Sequence[Proposal]) -> Opinions:
        """Return none."""
        return Opinions()


@dataclass(frozen=True)
class Policy:
    """The limits a proposal has to keep."""

    limits: MeasureLimits
    expires_days: float
    rollback_below: float
    changed_evidence: float


@dataclass(frozen=True)
class Context:
    """Clients and stores of one run."""

    product: str
    client: ProductClient
    records: Records
    policy: Policy
    judge: Judging = RulesOnly()

    def principal(self, agent: str) -> Principal:
        """Return the identity under which an agent of this run acts."""
        return Principal(kind="agent", name=agent, version=VERSION)
