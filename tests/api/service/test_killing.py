"""Readers of a server that is killed at random; `killing` plays it larger by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.service.killing import STEPS, play


@pytest.mark.timeout(180)
async def test_every_reader_of_a_killed_server_ends_with_the_whole_log(
    tmp_path: Path, serve: Any
) -> None:
    played = await play(serve, tmp_path, runs=4, clients=6, life=STEPS)
    assert played.wrong == []
    assert played.kills and played.reconnects and played.events
