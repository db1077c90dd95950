"""Several results as one: runs of a suite that played other seeds or families, maybe elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

from evals.duplication import ANSWERED, FORGETFUL
from evals.errors import NotComparable
from evals.options import Options
from evals.provenance import CodeState
from evals.results import ScenarioResult, SuiteResult

ANYHOW = "--pool-different-code"
UNKNOWN = "code whose state was not recorded"


class Played(NamedTuple):
    """A state of the code, None where it is unknown, and how many scenarios it played."""

    code: CodeState | None
    scenarios: int

    def __str__(self) -> str:
        """Write it for a person."""
        return f"{self.scenarios} by {self.code or UNKNOWN}"


def pool(results: Mapping[str, SuiteResult], *, different_code: bool = False) -> SuiteResult:
    """Return one or more results, by what they are called, as if they had been one run.

    Raises `NotComparable` where that would not be honest. One alone is returned as it is.
    """
    first, *others = results.values()
    if not others:
        return first
    for one, other in combinations(results, 2):
        _check_asked_alike(one, asked_of(results[one]), other, asked_of(results[other]))
    _check_apart(results)
    # As one run's log has them: resampling draws by place.
    scenarios = sorted((s for r in results.values() for s in r.scenarios), key=lambda s: s.name)
    pooled = first.model_copy(
        update={
            "complete": all(r.complete for r in results.values()),
            "runs": sum(r.runs for r in results.values()),
            "scenarios": tuple(scenarios),
        }
    )
    if not different_code:
        _check_code_alike(pooled)
    return pooled


def played_by(result: SuiteResult) -> list[Played]:
    """Return the states of the code that played a result, the busiest first."""
    states: dict[tuple[str, str] | None, list[CodeState | None]] = {}
    for s in result.scenarios:
        states.setdefault(s.code.identity if s.code else None, []).append(s.code)
    found = (Played(codes[0], len(codes)) for codes in states.values())
    return sorted(found, key=lambda played: -played.scenarios)


def provenance(result: SuiteResult) -> str:
    """Say what played pooled runs, or a run under which the code was changed; else nothing."""
    played = played_by(result)
    if result.runs == 1 and len(played) < 2:
        return ""
    pooled = f"Pooled from {result.runs} runs. " if result.runs > 1 else ""
    return f"{pooled}Scenarios played: {'; '.join(map(str, played))}."


def asked_of(result: SuiteResult) -> dict[str, str | None]:
    """Return what has to be the same in results that are pooled; None where it is not known."""
    recorded = next((s.options for s in result.scenarios if s.options), None)
    same = {"suite": result.suite, "approver": result.approver}
    return {**same, **(_recorded(recorded) if recorded else _shown(result.scenarios))}


def _recorded(options: Options) -> dict[str, str | None]:
    return {
        "depth": _depth(options.thorough),
        "search": "--exhaustive" if options.exhaustive else "not exhaustive",
        "baselines": _listed(options.baselines),
        "model": options.model or "none",
        "settings": ", ".join(f"{n}={v}" for n, v in options.settings.items()) or "of the defaults",
    }


def _shown(scenarios: Iterable[ScenarioResult]) -> dict[str, str | None]:
    """Return as much as the scenarios of a result show that was kept before it was recorded."""
    whole = [s for s in scenarios if not s.failure]
    if not whole:
        return {}
    second = {name for s in whole for name in s.second_runs}
    baselines = {name for s in whole for name in s.baselines} | (second & {FORGETFUL})
    return {"depth": _depth(ANSWERED in second), "baselines": _listed(baselines)}


def _depth(thorough: bool) -> str:
    return "--thorough" if thorough else "--quick"


def _listed(baselines: Iterable[str]) -> str:
    """Write baselines in one way; doing nothing is always among them."""
    return ", ".join(sorted(set(baselines) - {"silent"})) or "none"


def _check_asked_alike(
    one: str, asked: Mapping[str, str | None], other: str, also: Mapping[str, str | None]
) -> None:
    for what, value in asked.items():
        if None not in (value, also.get(what)) and value != also[what]:
            raise NotComparable(
                f"They don't measure the same: {what} {value} in {one}, {also[what]} in {other}."
            )


def _check_apart(results: Mapping[str, SuiteResult]) -> None:
    """Refuse a scenario that is there twice: it would count twice."""
    played: dict[str, str] = {}
    for name, result in results.items():
        for scenario in result.covers:
            if scenario in played:
                raise NotComparable(
                    f"{scenario} is in {played[scenario]} and in {name}: it would count twice."
                )
            played[scenario] = name


def _check_code_alike(pooled: SuiteResult) -> None:
    known = [played for played in played_by(pooled) if played.code]
    if len(known) > 1:
        raise NotComparable(
            f"Different states of the code played them: {'; '.join(map(str, known))}. Their numbers"
            f" together are nobody's; {ANYHOW} pools them all the same."
        )
