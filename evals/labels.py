"""Grades that people give to proposals, blind: they see what an owner sees and no verdict."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from evals.approvers import ORACLE
from evals.errors import NoResult, UnknownName
from evals.results import Judged, Result, SuiteResult
from evals.statistics import kappa, share

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


class Label(Result):
    """One person's answer to one proposal of a run."""

    scenario: str
    proposal: str
    approves: bool
    reason: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Which proposal of the run it is about."""
        return self.scenario, self.proposal


class Labels(Result):
    """What one person answered to the proposals of one run."""

    grader: str
    labels: tuple[Label, ...] = ()


class Question(NamedTuple):
    """A proposal that waits for a grade."""

    scenario: str
    judged: Judged

    def label(self, approves: bool, reason: str = "") -> Label:
        """Return the answer to it."""
        return Label(
            scenario=self.scenario, proposal=self.judged.id, approves=approves, reason=reason
        )


def labels_path(run: Path, grader: str) -> Path:
    """Return where a person's grades of a run are kept; raises `UnknownName`."""
    if not NAME.fullmatch(grader) or grader == ORACLE:
        known = f"names of letters, digits, - and _, at most 40, but not {ORACLE}"
        raise UnknownName("grader", grader, (known,))
    return run.with_name(f"{run.stem}.{grader}.labels.json")


def read_labels(path: Path, grader: str) -> Labels:
    """Return the grades given so far; raises `NoResult` when the file holds something else."""
    try:
        return Labels.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Labels(grader=grader)
    except ValidationError as exc:
        raise NoResult(f"{path} holds no grades; move it away to start again.") from exc


def write_labels(path: Path, labels: Labels) -> None:
    """Keep grades; a crash leaves the old or the new ones, never half of them."""
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8") as handle:
        handle.write(labels.model_dump_json(indent=2))
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(partial, path)


def questions(result: SuiteResult, labels: Labels) -> list[Question]:
    """Return what is not graded yet, in an order that tells nothing and stays for one grader."""
    graded = {label.key for label in labels.labels}
    found = [Question(s.name, p) for s in result.scenarios for p in s.proposals]
    random.Random(labels.grader).shuffle(found)
    return [q for q in found if (q.scenario, q.judged.id) not in graded]


def graders(run: Path) -> list[Labels]:
    """Return everybody's grades of a run."""
    found = sorted(run.parent.glob(f"{run.stem}.*.labels.json"))
    return [read_labels(path, path.name.split(".")[-3]) for path in found]


def agreement(result: SuiteResult, given: Sequence[Labels]) -> Iterator[dict[str, Any]]:
    """Yield how often each grader agrees with the oracle and with each other, and kappa."""
    judges: dict[str, Mapping[tuple[str, str], bool]] = {
        ORACLE: {
            (s.name, p.id): p.approvals[ORACLE]
            for s in result.scenarios
            for p in s.proposals
            if ORACLE in p.approvals
        }
    }
    for labels in given:
        mine = {label.key: label.approves for label in labels.labels}
        for name, answers in judges.items():
            pairs = [(mine[key], answers[key]) for key in mine if key in answers]
            same = share(sum(a == b for a, b in pairs), len(pairs))
            if same is not None:
                yield {
                    "judges": [labels.grader, name],
                    "same": same.model_dump(),
                    "kappa": kappa(pairs),
                }
        judges[labels.grader] = mine
