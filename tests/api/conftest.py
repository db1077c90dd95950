"""The service in processes of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest

from tests.api.service.served import Child, running
from tests.preforked import preforked

Serve = Callable[..., AbstractContextManager[tuple[Child, str]]]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Serve homes in processes that need not import everything again."""
    with preforked(tmp_path_factory.mktemp("service"), "tests.api.service.served") as python:
        yield partial(running, python)
