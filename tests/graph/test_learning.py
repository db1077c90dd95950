"""From the ledger to a judge in service: compared first, put there by a person, taken back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from graph.decisions import RECORDED, recorded
from graph.judging import ServingJudge, history_of
from graph.learning import dataset_of, promote, read_decisions, store_of, take_back
from graph.ledger import Ledger, now
from graph.settings import Settings
from graph.steward import open_steward
from tests.answers import make_about, make_examples, make_judge
from tests.factories import make_decision
from tests.ledgers import make_ledger, open_proposal
from tools import failpoints
from tools.slm.errors import ModelError
from tools.slm.judge import Judge
from tools.slm.store import JUDGE, SERVING, Coming, Serving, Store


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(make_ledger(tmp_path / "ledger.db", "p1", "p2")) as book:
        yield book


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_of(Settings(home=tmp_path))


def add(store: Store, judge: Judge, against: str | None = None) -> str:
    return store.add(judge, make_about(make_examples(120), judge, against=against), "card")


def actions(ledger: Ledger) -> list[tuple[str, str, str]]:
    rows = ledger.audit_rows()
    return [(r.actor, r.action, r.subject) for r in rows if r.action.startswith("judge.")]


GOOD = make_judge(gain=6.0, insert_cost=-3.0)


def test_an_edit_is_no_approval_of_what_was_offered(ledger: Ledger) -> None:
    ledger.decide(make_decision("p1", decided_at=now()))
    change = open_proposal("p2").change.model_copy(update={"to_type": "INTEGER"})
    ledger.decide(make_decision("p2", verdict="edit", edited=change, decided_at=now()))
    # The two ask the same, with the same facts: that is a contradiction and kept as one.
    data = dataset_of(recorded(ledger))
    assert (data.approved, len(data.examples), data.contradictions) == (1, 2, 2)


def test_answers_are_read_from_an_export_and_anything_else_is_refused(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.decide(make_decision("p1", decided_at=now()))
    path = tmp_path / "answers.json"
    path.write_bytes(RECORDED.dump_json(tuple(recorded(ledger))))
    assert read_decisions(path) == tuple(recorded(ledger))
    path.write_text('[{"proposal_id": 1}]')
    with pytest.raises(ModelError, match=r"no recorded answers: 0\.proposal_id"):
        read_decisions(path)
    with pytest.raises(ModelError, match="no file"):
        read_decisions(tmp_path / "nowhere")


def test_without_a_judge_there_is_no_opinion(ledger: Ledger, store: Store) -> None:
    found = ServingJudge(store, ledger).opinions("flights", [open_proposal("p1")])
    assert (dict(found.found), found.note) == ({}, "")


def test_a_judge_serves_from_the_moment_it_is_put_into_service(
    ledger: Ledger, store: Store
) -> None:
    asked = ServingJudge(store, ledger)
    promote(store, ledger, add(store, GOOD), "ada")
    (first,) = asked.opinions("flights", [open_proposal("p1")]).found.values()
    assert first.probability > 0.9 and not first.held
    take_back(store, ledger, "ada")
    assert not asked.opinions("flights", [open_proposal("p1")]).found
    judge_id = store.versions()[0].id
    assert actions(ledger) == [
        ("person:ada", "judge.promoted", judge_id), ("person:ada", "judge.undone", judge_id),
    ]  # fmt: skip
    assert ledger.verify().ok


@pytest.mark.parametrize("path", [JUDGE, SERVING])
def test_a_damaged_judge_is_noted_and_rules_rank(path: str, ledger: Ledger, store: Store) -> None:
    judge_id = add(store, GOOD)
    promote(store, ledger, judge_id, "ada")
    place = store.version(judge_id).path
    (place / path if path == JUDGE else place.parent / path).write_text("{}")
    found = ServingJudge(store, ledger).opinions("flights", [open_proposal("p1")])
    assert not found.found and found.note.startswith("Rules rank, for the judge cannot be used")


def test_a_judge_that_is_not_better_than_rules_may_not_serve(ledger: Ledger, store: Store) -> None:
    judge_id = add(store, make_judge(gain=-6.0))
    with pytest.raises(
        ModelError, match=r"not shown to be better than rules \(ahead of rules by -"
    ):
        promote(store, ledger, judge_id, "ada")
    assert store.serving().id is None and actions(ledger) == []


def test_a_judge_has_to_beat_the_one_that_serves_now(ledger: Ledger, store: Store) -> None:
    first, stale = add(store, GOOD), add(store, make_judge(gain=5.0, insert_cost=-3.0))
    promote(store, ledger, first, "ada")
    with pytest.raises(ModelError, match="compared with rules, but"):
        promote(store, ledger, stale, "ada")
    with pytest.raises(ModelError, match="serves already"):
        promote(store, ledger, first, "ada")
    unproved = add(store, make_judge(gain=6.0, insert_cost=-2.0), against=first)
    with pytest.raises(ModelError, match="better than serving"):
        promote(store, ledger, unproved, "ada")


def test_of_two_that_are_put_into_service_at_once_the_second_is_held_against_the_first(
    ledger: Ledger, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = add(store, GOOD), add(store, make_judge(gain=5.0, insert_cost=-3.0))
    prepare, refused = store.prepare, list[str]()

    def meanwhile() -> None:
        with closing(Ledger(tmp_path / "ledger.db")) as other:
            try:
                promote(store_of(Settings(home=tmp_path)), other, second, "eve")
            except ModelError as exc:
                refused.append(str(exc))

    thread = threading.Thread(target=meanwhile)

    def slow(serving: Serving) -> Coming:
        thread.start()
        thread.join(0.5)
        return prepare(serving)

    monkeypatch.setattr(store, "prepare", slow)
    promote(store, ledger, first, "ada")
    thread.join(30)
    assert store.serving() == Serving(id=first, before=(None,))
    assert len(refused) == 1 and "was compared with rules" in refused[0]
    assert actions(ledger) == [("person:ada", "judge.promoted", first)]


POINTS = {
    "ledger.before_commit": False, "ledger.after_commit": True, "judges.served": True,
    "ledger.before_commit:2": True, "ledger.after_commit:2": True,
}  # fmt: skip
"""Where a change of who serves is killed, and whether it is made at the next start."""


@pytest.mark.crash
@pytest.mark.parametrize(("point", "made"), POINTS.items())
@pytest.mark.parametrize("change", ["promote", "take back"])
async def test_a_judge_serves_as_the_trail_says_wherever_its_change_is_killed(
    ledger: Ledger, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    point: str, made: bool, change: str,
) -> None:  # fmt: skip
    judge_id = add(store, GOOD)
    if change == "take back":
        promote(store, ledger, judge_id, "ada")
    before = actions(ledger)
    ledger.close()
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(failpoints, "_AT", point)
        with closing(Ledger(tmp_path / "ledger.db")) as book:
            if change == "promote":
                promote(store, book, judge_id, "ada")
            else:
                take_back(store, book, "ada")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    async with open_steward(Settings(home=tmp_path), no_target) as steward:
        await steward.runs()
        serves = judge_id if (change == "promote") == made else None
        assert store.serving().id == serves
        assert (len(actions(steward.ledger)) > len(before)) == made
        assert steward.ledger.verify().ok
        assert store.coming() is None


def test_the_next_change_finishes_the_one_that_was_killed(
    ledger: Ledger, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_id = add(store, GOOD)
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(failpoints, "_AT", "ledger.after_commit")
        with closing(Ledger(tmp_path / "ledger.db")) as book:
            promote(store, book, judge_id, "ada")
        os._exit(0)
    os.waitpid(child, 0)
    assert store.serving().id is None
    take_back(store, ledger, "eve")
    assert [(who, what) for who, what, _ in actions(ledger)] == [
        ("person:ada", "judge.promoted"), ("person:eve", "judge.undone"),
    ]  # fmt: skip
    assert store.serving() == Serving(id=None)


def no_target(name: str) -> Any:
    raise AssertionError(name)


def test_history_counts_the_product_and_the_kind() -> None:
    answers = [("sort_table", True), ("sort_table", False), ("drop_column", False)]
    assert history_of(answers, "sort_table") == (1, 3, 1, 2)
