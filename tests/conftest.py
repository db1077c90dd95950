"""Property tests: new examples every time while developing, the same ones in CI.

What is collected stays, so the collector of garbage need not look at it again.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.preforked import preforked

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background so, and the programs under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
gc.disable()
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let tests of one group go to one worker, where their fixtures are made once.

    pytest-xdist 3.8 tells the group by a field that pytest 9.2 no longer reads.
    """
    if getattr(config.option, "loadgroup", False):
        for item in items:
            for mark in item.iter_markers("xdist_group"):
                item._id = item.id.parse(f"{item.nodeid}@{mark.args[0]}")


def pytest_collection_finish() -> None:
    """Collect garbage again, but for what was imported and collected."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Let the interpreter take apart what it would."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _quick_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fork the product servers that tests of this process start."""
    with preforked(tmp_path_factory.mktemp("bin")) as launcher, pytest.MonkeyPatch.context() as m:
        m.setattr(sys, "executable", str(launcher))
        yield
