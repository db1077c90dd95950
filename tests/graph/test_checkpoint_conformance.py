"""The checkpoint saver in use, by LangGraph's own conformance suite."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate

from graph.checkpoints import open_checkpoints


async def test_the_saver_does_what_langgraph_asks_of_savers(tmp_path: Path) -> None:
    count = iter(range(1000))

    @checkpointer_test(name="ours")
    async def ours() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        async with open_checkpoints(tmp_path / f"{next(count)}.db") as saver:
            yield saver

    report = await validate(ours)
    assert {name for name, r in report.results.items() if not r.detected} == set()
    failed = {name: r.failures for name, r in report.results.items() if r.tests_failed}
    assert failed == {}
    assert report.passed_all()
