"""Drafts: their names, and those that a kill left."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tools.drafts import LEFT_SECONDS, SUFFIX, draft_beside


def test_two_writers_of_one_file_have_drafts_of_their_own(tmp_path: Path) -> None:
    first, second = draft_beside(tmp_path / "a.html"), draft_beside(tmp_path / "a.html")
    assert first != second and {first.parent, second.parent} == {tmp_path}


def test_a_name_as_long_as_they_may_be_has_a_draft(tmp_path: Path) -> None:
    draft_beside(tmp_path / ("x" * 255)).touch()


def test_drafts_left_in_the_folder_go_and_nothing_else_does(tmp_path: Path) -> None:
    names = [f".old.html.1a{SUFFIX}", f".young.html.1a{SUFFIX}", ".old.tmp", f"old{SUFFIX}"]
    for name in names:
        (tmp_path / name).touch()
    for name in set(names) - {names[1]}:
        os.utime(tmp_path / name, times=(0, time.time() - LEFT_SECONDS - 1))
    draft_beside(tmp_path / "other.html")
    assert {p.name for p in tmp_path.iterdir()} == set(names[1:])
