"""A product so small that no change could be worth a person's time."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from evals.scenarios.building import write_database, write_log
from evals.scenarios.scenario import Asked, Scenario

FAMILY = "tiny"
EXPECTS: Final = "nothing"


def build(seed: int, directory: Path) -> Scenario:
    """Make the product of a few dozen rows; the right answer is silence."""
    rng = random.Random(seed)
    rows = rng.randrange(20, 80)
    database = write_database(
        directory,
        FAMILY,
        [
            f"CREATE TABLE teams AS SELECT i AS id, 'team ' || i AS name FROM range({rows})"
            " AS r(i)",
            "CREATE TABLE scores AS SELECT i % 20 AS team, CAST(i AS VARCHAR) AS points"
            f" FROM range({rows * 2}) AS r(i)",
        ],
    )
    teams = rng.sample(range(rows), 6)
    past, later = (
        [
            Asked(
                "SELECT t.name, sum(CAST(s.points AS INTEGER)) AS points FROM teams AS t JOIN"
                " scores AS s ON s.team = t.id GROUP BY t.name ORDER BY t.name",
                rng.randrange(100, 300),
            ),
            *(
                Asked(f"SELECT name FROM teams WHERE id = {team}", rng.randrange(30, 100))
                for team in asked
            ),
        ]
        for asked in (teams[:3], teams[3:])
    )
    return Scenario(
        family=FAMILY,
        seed=seed,
        expects=EXPECTS,
        database=database,
        log=write_log(directory / "queries.csv", database, past, seed),
        later=tuple(later),
        later_data=("INSERT INTO scores VALUES (3, '12'), (4, '15')",),
    )
