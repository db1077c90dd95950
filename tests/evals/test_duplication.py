from __future__ import annotations

from evals.duplication import duplicates, forgetful, remembering
from evals.results import SecondRun
from tests.evals.factories import make_judged, make_scenario


def second(repeats: int, refused: int = 2, offered: int = 2) -> SecondRun:
    names = tuple(f"idea {n}" for n in range(offered))
    return SecondRun(offered=names, repeats=names[:repeats], refused=refused)


def test_duplicates_are_counted_in_a_run_and_in_the_run_after_the_answers() -> None:
    twice = make_scenario(proposals=(make_judged(idea="a"), make_judged(idea="a", id="p2")))
    again = make_scenario("good", second_runs={"answered": second(1)})
    found = duplicates([twice, again])
    assert found and (found.count, found.of) == (2, 5)


def test_memory_is_held_against_a_pillion_without() -> None:
    runs = {"remembering": second(0), "forgetful": second(2)}
    scenario = make_scenario("good", second_runs=runs)
    kept, lost = remembering([scenario]), forgetful([scenario])
    assert kept and lost and (kept.count, lost.count, lost.of) == (0, 2, 2)
    assert duplicates([scenario]) == duplicates([make_scenario("good")])


def test_without_a_second_run_nothing_is_said_of_memory() -> None:
    assert remembering([make_scenario("good")]) is None
