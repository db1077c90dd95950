"""How well requests in plain words find their plan: `python -m evals.routing`.

Rules alone, and rules with a language model where they are not sure, on the same labelled texts.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import typer
from pydantic import BaseModel, ConfigDict, TypeAdapter

from evals.statistics import Estimate, share_of
from tools.asking.model import LABELS, SecondOpinion
from tools.asking.plans import PlanName
from tools.asking.request import read_request
from tools.asking.rules import Routing, route
from tools.lazy import lazy
from tools.slm.engine import Prompt

if TYPE_CHECKING:
    from tools.slm import mlx_engine
else:
    # Only a comparison with a model needs one.
    mlx_engine = lazy("tools.slm.mlx_engine")

REQUESTS = Path(__file__).parent / "requests.toml"
Router = Callable[[str], Routing]
Split = Literal["dev", "held_out"]


class Family(BaseModel):
    """Texts that ask the same in the same manner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: PlanName | Literal["none"]
    name: str
    split: Split
    texts: tuple[str, ...]


class Routed(NamedTuple):
    """One labelled text and where it went."""

    family: Family
    text: str
    routing: Routing

    @property
    def asked_back(self) -> bool:
        """Whether the person is asked what they mean."""
        return self.routing.plan is None

    @property
    def right(self) -> bool:
        """Whether it went where it belongs; what no plan answers has to be asked back."""
        return (self.routing.plan or "none") == self.family.plan

    @property
    def offered(self) -> bool:
        """Whether it was right, or the right plan is among those asked back."""
        return self.right or (self.asked_back and self.family.plan in self.routing.likeliest)


class Measured(NamedTuple):
    """Shares with 95 % Wilson intervals; texts of a family are alike, so they are too narrow."""

    right: Estimate | None
    asked_back: Estimate | None
    wrong: Estimate | None
    """Answered by another plan than was meant."""
    offered: Estimate | None


def families(path: Path = REQUESTS) -> tuple[Family, ...]:
    """Return the labelled texts."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))["family"]
    return TypeAdapter(tuple[Family, ...]).validate_python(found)


def by_rules(text: str) -> Routing:
    """Return where rules alone lead a text."""
    return route(read_request(text))


def routed(split: Split, router: Router = by_rules) -> list[Routed]:
    """Return where a router leads the texts of a split."""
    chosen = (f for f in families() if f.split == split)
    return [Routed(f, text, router(text)) for f in chosen for text in f.texts]


def measured(found: Sequence[Routed]) -> Measured:
    """Return the shares of some texts."""
    return Measured(
        right=share_of(r.right for r in found),
        asked_back=share_of(r.asked_back for r in found),
        wrong=share_of(not r.right and not r.asked_back for r in found),
        offered=share_of(r.offered for r in found),
    )


def lines(found: Iterable[Routed]) -> list[str]:
    """Return the texts that did not go where they belong, for people."""
    return [
        f"{r.family.plan:>14} -> {r.routing.plan or 'asks back'!s:<14} {r.routing.confidence:.2f}"
        f" {','.join(r.routing.likeliest)}: {r.text}"
        for r in found
        if not r.right
    ]


def by_rules_and_model(opinion: SecondOpinion) -> Router:
    """Return a router that asks a model where the rules are not sure."""

    def router(text: str) -> Routing:
        request = read_request(text)
        found = route(request)
        return found if found.plan else opinion(request, found)

    return router


def by_model(opinion: SecondOpinion) -> Router:
    """Return a router that takes whatever answer a model finds likeliest, for comparison."""

    def router(text: str) -> Routing:
        found = opinion.labels(read_request(text))
        best = max(found, key=lambda label: found[label])
        plan = LABELS[best]
        return Routing(plan, found[best], (plan,) if plan else ())

    return router


def report(name: str, found: Sequence[Routed]) -> str:
    """Return a line of a table with the shares of some texts."""
    shares = (f"{e.value:.2f} ({e.low:.2f}–{e.high:.2f})" if e else "–" for e in measured(found))
    return f"| {name} | {' | '.join(shares)} |"


def main() -> None:
    """Print the table; with the directory of a model, also what it adds."""
    parser = argparse.ArgumentParser(prog="python -m evals.routing", description=__doc__)
    parser.add_argument("--model", type=Path, help="directory of an mlx-lm model")
    parser.add_argument("--misses", action="store_true", help="list the texts that went wrong")
    parser.add_argument("--alone", action="store_true", help="the model also without rules")
    given = parser.parse_args()
    routers: dict[str, Router] = {"rules": by_rules}
    if given.model is not None:
        loaded = mlx_engine.MlxEngine(given.model)

        def score(prompt: Prompt, choices: Sequence[str]) -> Mapping[str, float]:
            return loaded.score(prompt, choices, lambda: False)

        opinion = SecondOpinion(score)
        routers |= {"rules, then model": by_rules_and_model(opinion)}
        if given.alone:
            routers["model"] = by_model(opinion)
    typer.echo("| texts, router | right | asked back | wrong | right or offered | CPU ms each |")
    typer.echo("| --- | --- | --- | --- | --- | --- |")
    for split in get_args(Split):
        for name, router in routers.items():
            started = time.process_time()
            found = routed(split, router)
            spent = (time.process_time() - started) * 1000 / len(found)
            typer.echo(f"{report(f'{split}, {name}', found)} {spent:.2f} |")
            if given.misses:
                typer.echo("\n".join(lines(found)))


if __name__ == "__main__":
    main()
