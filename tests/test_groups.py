"""Tests of one group run in one worker."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("groups")
def test_a_worker_tells_the_group_of_a_test(request: pytest.FixtureRequest) -> None:
    told = request.node.nodeid.endswith("@groups")
    assert told == getattr(request.config.option, "loadgroup", False)
