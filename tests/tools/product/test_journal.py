"""The journal of a measurement survives a crash at any byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.factories import make_trial
from tools.product.journal import Entry, Finished, Journal
from tools.product.measurement import MeasureResult

ODD = "it\u2028breaks \x85 lines \U0001f6eb"


def write(directory: Path) -> Journal:
    journal = Journal(directory, "m1", reuse_seconds=60)
    journal.write(Entry(kind="baseline"))
    journal.write(Entry(kind="trial", finished=Finished(trial=make_trial(reason=ODD))))
    return journal


def test_finished_trials_are_read_back(tmp_path: Path) -> None:
    write(tmp_path).close()
    again = Journal(tmp_path, "m1", reuse_seconds=60)
    assert [f.trial.reason for f in again.finished.values()] == [ODD]
    assert again.result is None
    again.write(Entry(kind="result", result=MeasureResult(reference="m1")))
    again.close()
    assert Journal(tmp_path, "m1", reuse_seconds=60).result == MeasureResult(reference="m1")


def test_a_line_cut_anywhere_is_left_out(tmp_path: Path) -> None:
    journal = write(tmp_path)
    journal.close()
    whole = journal.path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in [*range(first, len(whole) - 1, 97), whole.index("\U0001f6eb".encode()) + 2]:
        journal.path.write_bytes(whole[:end])
        again = Journal(tmp_path, "m1", reuse_seconds=60)
        assert again.finished == {}
        again.write(Entry(kind="trial", finished=Finished(trial=make_trial())))
        again.close()
        assert len(Journal(tmp_path, "m1", reuse_seconds=60).finished) == 1


@pytest.mark.parametrize("age", [61, 3600])
def test_an_old_journal_is_begun_anew(tmp_path: Path, age: int) -> None:
    journal = write(tmp_path)
    journal.close()
    past = journal.path.stat().st_mtime - age
    os.utime(journal.path, (past, past))
    assert Journal(tmp_path, "m1", reuse_seconds=60).entries == []
