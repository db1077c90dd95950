"""Judges on disk: checked before use, one in service, every step back possible."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.answers import make_about, make_examples, make_judge
from tools.drafts import draft_beside
from tools.slm.errors import BadModel, ModelError
from tools.slm.judge import Judge
from tools.slm.store import JUDGE, LARGEST, SERVING, Serving, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def add(store: Store, judge: Judge) -> str:
    return store.add(judge, make_about(make_examples(20), judge), "# A card\n")


def test_what_is_kept_is_read_back_the_same(store: Store) -> None:
    judge = make_judge(gain=1 / 3)
    kept = add(store, judge)
    assert store.load(kept) == judge
    assert add(store, judge) == kept and [v.id for v in store.versions()] == [kept]
    assert store.card(kept) == "# A card\n"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "not the file that was made"),
        (lambda path: path.write_text(make_judge(gain=9.0).model_dump_json()), "not the file"),
        (lambda path: path.write_bytes(b"\x80\x04\x95cos\nsystem\n"), "cannot be read"),
        (lambda path: path.write_bytes(b" " * (LARGEST + 1)), "larger than any judge"),
        (lambda path: path.write_text(""), "not the file"),
    ],
)
def test_a_file_that_is_not_what_it_was_is_refused(damage: object, said: str, store: Store) -> None:
    kept = add(store, make_judge(gain=1.0))
    damage(store.version(kept).path / JUDGE)  # type: ignore[operator]
    with pytest.raises(BadModel, match=said):
        store.load(kept)


def test_a_file_with_the_right_hash_and_no_judge_in_it_is_refused(
    store: Store, tmp_path: Path
) -> None:
    from_elsewhere = '{"format": 1, "model": {"form": "pickle"}}'
    place = tmp_path / "j5bbd33b3d4c7"
    place.mkdir()
    (place / JUDGE).write_text(from_elsewhere)
    with pytest.raises(BadModel):
        store.load(place.name)


def test_who_serves_can_be_changed_and_taken_back_step_by_step(store: Store) -> None:
    one, two = (add(store, make_judge(gain=g)) for g in (1.0, 2.0))
    assert store.serving().id is None
    for judge_id in (one, one, two):
        store.serve(store.with_judge(judge_id))
    assert store.serving() == Serving(id=two, before=(None, one))
    for earlier in (one, None):
        store.serve(store.without_last())
        assert store.serving().id == earlier
    with pytest.raises(ModelError, match="nothing to undo"):
        store.without_last()


def test_a_draft_that_a_killed_writer_left_goes_with_the_next_one(
    store: Store, tmp_path: Path
) -> None:
    draft = draft_beside(tmp_path / SERVING)
    draft.touch()
    os.utime(draft, times=(0, 0))
    store.serve(Serving(id=None))
    assert [(p.name, p.stat().st_mode & 0o777) for p in tmp_path.iterdir()] == [(SERVING, 0o600)]


def test_an_unknown_judge_is_answered_with_the_known_ones(store: Store) -> None:
    kept = add(store, make_judge())
    for name in ("j000000000000", "../../etc", ""):
        with pytest.raises(ModelError, match=kept):
            store.load(name)


def test_a_damaged_pointer_says_what_to_do(store: Store, tmp_path: Path) -> None:
    (tmp_path / SERVING).write_text("{")
    with pytest.raises(BadModel, match="remove it"):
        store.serving()
