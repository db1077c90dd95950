"""Whose approval a change needs: rules that a home's owner writes into `policy.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graph.errors import GraphError
from tools.messages import ChangeKind, Proposal

FILE = "policy.toml"
"""In the home, beside the ledger."""


class PolicyUnusable(GraphError):
    """The policy cannot be read, so nothing may be approved."""


class Needed(NamedTuple):
    """What a proposal needs before it is carried out."""

    approvals: int = 1
    others: bool = False
    """Whether whoever asked for the change may not approve it."""
    terminal: bool = True
    """Whether approvals given in a terminal count."""


class Rule(BaseModel):
    """Some proposals, and what they need; what is left out means any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    products: tuple[str, ...] = ()
    kinds: tuple[ChangeKind, ...] = ()
    contract_warns: bool = False
    """Only proposals whose contract verdict says more than a note."""
    approvals: int = Field(ge=1, le=20)
    terminal: bool = True

    def covers(self, proposal: Proposal) -> bool:
        """Return whether the rule is about this proposal."""
        warned = any(f.severity != "info" for f in proposal.contract.findings)
        return (
            (not self.products or proposal.product in self.products)
            and (not self.kinds or proposal.change.kind in self.kinds)
            and (warned or not self.contract_warns)
        )


class Policy(BaseModel):
    """All rules of a home."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: Annotated[tuple[Rule, ...], Field(alias="rule")] = ()

    def needed(self, proposal: Proposal) -> Needed:
        """Return what a proposal needs: the most that any rule about it asks for."""
        found = [rule for rule in self.rules if rule.covers(proposal)]
        if not found:
            return Needed()
        most = max(rule.approvals for rule in found)
        return Needed(most, others=True, terminal=all(rule.terminal for rule in found))


class PolicyFile:
    """The policy as it is now: an edit counts at once, also in a running service."""

    def __init__(self, home: Path) -> None:
        self.path = home / FILE
        self._known: tuple[tuple[int, int], Policy] | None = None

    def read(self) -> Policy:
        """Return the policy; without a file there are no rules. Raises `PolicyUnusable`."""
        try:
            found = self.path.stat()
            mark = (found.st_mtime_ns, found.st_size)
            if self._known is None or self._known[0] != mark:
                self._known = mark, _parse(self.path, self.path.read_text("utf-8"))
        except FileNotFoundError:
            return Policy()
        except (OSError, UnicodeDecodeError) as exc:
            raise PolicyUnusable(f"{self.path} cannot be read: {exc}.") from exc
        return self._known[1]


def _parse(path: Path, text: str) -> Policy:
    try:
        return Policy.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise PolicyUnusable(f"{path} is no TOML: {exc}.") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PolicyUnusable(f"{path} at {where}: {first['msg']}.") from exc
