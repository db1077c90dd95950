"""What a run is asked to do with each scenario; it crosses a process as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict

from evals.approvers import ORACLE
from evals.errors import UnknownName

BaselineName = Literal[
    "silent", "rules", "random", "model", "unmeasured", "ungated", "forgetful"
]  # fmt: skip
"""Doing nothing, three others who could advise, and three ways to take a part out of Pillion."""


class Options(BaseModel):
    """Who answers, what stands beside Pillion, and whether the slow numbers are taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approver: str = ORACLE
    baselines: tuple[BaselineName, ...] = ()
    thorough: bool = False
    """Also run a second time after the answers, and do the same work by hand."""
    exhaustive: bool = False
    """Also judge every set of the ideas known, for the best that is reachable."""
    model: str = ""
    """Which language model the baseline `model` is; empty with none."""
    settings: dict[str, Any] = {}
    """What is set otherwise than by default where it is played."""


def check_baselines(given: Iterable[str]) -> tuple[BaselineName, ...]:
    """Return known baselines, each once, out of names or lists by commas; raises `UnknownName`."""
    wanted = [name.strip() for part in given for name in part.split(",") if name.strip()]
    for name in wanted:
        if name not in get_args(BaselineName):
            raise UnknownName("baseline", name, get_args(BaselineName))
    return cast(tuple[BaselineName, ...], tuple(dict.fromkeys(wanted)))
