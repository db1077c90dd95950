"""A service with the product of sales, and two proposals that wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from graph.settings import Settings
from tests.api.ide.clients import make_sales


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings(home=tmp_path / "home", principal="ada")
    async with open_service(settings, ServiceSettings()) as opened:
        yield opened


@pytest.fixture
def sales(service: Service) -> tuple[str, str]:
    return make_sales(service)
