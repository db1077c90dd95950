"""Property tests: new examples every time while developing, the same ones in CI."""

from __future__ import annotations

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
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session", autouse=True)
def _quick_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fork the product servers that tests of this process start."""
    with preforked(tmp_path_factory.mktemp("bin")) as launcher, pytest.MonkeyPatch.context() as m:
        m.setattr(sys, "executable", str(launcher))
        yield
