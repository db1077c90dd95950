"""What tuning takes from the ledger, and which judge is left of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from graph import tuning
from graph.decisions import recorded
from graph.learning import dataset_of, store_of
from graph.ledger import now
from graph.settings import Settings
from graph.tuning import base_of, check_installed, unanswered
from tests.answers import make_about, make_examples, make_judge
from tests.factories import make_decision
from tests.ledgers import make_ledger
from tools.slm.errors import ModelError
from tools.slm.features import History
from tools.slm.tuning.comparison import JUDGE, TAUGHT, compare


def test_what_nobody_answered_is_asked_of_the_teacher_with_what_was_known(tmp_path: Path) -> None:
    with closing(make_ledger(tmp_path / "ledger.db", "p1", "p2", "p3")) as ledger:
        ledger.decide(make_decision("p1", decided_at=now()))
        found = unanswered(ledger, dataset_of(recorded(ledger)))
        assert [e.proposal for e in found] == ["p2", "p3"]
        assert found[0].history == History(1, 1, 1, 1)


@pytest.mark.parametrize("better", [True, False])
def test_a_pupil_is_kept_only_where_it_is_better_for_certain(better: bool, tmp_path: Path) -> None:
    examples = make_examples(60)
    right = [0.9 if e.approved else 0.1 for e in examples]
    unsure = [0.5] * len(examples)
    said = {JUDGE: unsure, TAUGHT: right} if better else {JUDGE: right, TAUGHT: unsure}
    judge = make_judge(gain=6.0, insert_cost=-3.0)
    made: Any = SimpleNamespace(
        comparison=compare(examples, said, JUDGE), student=judge,
        evaluation=make_about(examples, judge).evaluation,
    )  # fmt: skip
    settings = Settings(home=tmp_path)
    kept = tuning.keep_pupil(settings, made, "a0123456789ab")
    store = store_of(settings)
    assert [v.id for v in store.versions()] == ([kept] if better else [])
    if kept is not None:
        assert store.load(kept) == judge and "taught by a0123456789ab" in store.card(kept)


def test_without_a_model_or_a_library_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="`pillion model fetch`"):
        base_of(Settings(home=tmp_path), None)
    there = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: None))
    monkeypatch.setattr(tuning, "importlib", there)
    with pytest.raises(ModelError, match=r"needs mlx, .* pillion\[model\]"):
        check_installed()
