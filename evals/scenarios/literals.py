"""Queries from a file, asked with other literals every time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from evals.scenarios.scenario import Asked
from tools.demo.flights import queries

Vary = Callable[[random.Random], str]
Literals = Mapping[str, Vary]
"""Parts of a query's text, and what stands in their place."""
Varied = Mapping[str, Literals]
"""Literals by a query's name up to the first space."""


def one_of(choices: str) -> Vary:
    """Return how to take one of the choices, which bars divide."""
    return lambda rng: rng.choice(choices.split("|"))


def number(low: int, high: int, before: str = "") -> Vary:
    """Return how to take a whole number, written after a text."""
    return lambda rng: f"{before}{rng.randint(low, high)}"


def month(first: int, last: int, months: int = 10) -> Vary:
    """Return how to take the first day of one of a year's first months."""
    return lambda rng: f"{rng.randint(first, last)}-{rng.randint(1, months):02}-01"


def some(rng: random.Random, varied: Varied, count: int) -> Varied:
    """Return so many of the queries."""
    return dict(rng.sample(sorted(varied.items()), count))


def asked(rng: random.Random, path: Path, often: Varied, seldom: Varied) -> Iterator[Asked]:
    """Return a period's queries: some many times in two forms, the others few times in one."""
    texts = {name.split()[0]: sql for name, sql in queries(path).items()}
    for name, literals in (*often.items(), *often.items(), *seldom.items()):
        sql = texts[name]
        for old, vary in literals.items():
            sql = sql.replace(old, vary(rng))
        yield Asked(sql, rng.randrange(60, 90) if name in often else rng.randrange(4, 10))
