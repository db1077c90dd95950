"""Whatever fits, or does not fit, the published shapes: never a fault of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode

EXAMPLES = 3
KNOWN = {"thread_id": "known-1", "assistant_id": "asker"}
"""What half of the requests name, so that they come further than a 404."""
SECONDS = 2
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Any) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("REQUESTS", "PRINCIPAL_REQUESTS"):
            patch.setitem(os.environ, f"PILLION_SERVICE_{limit}_PER_SECOND", "100000")
        with serve(tmp_path_factory.mktemp("home")) as (_, where):
            asked = {"assistant_id": "asker", "input": {"names": ["a"]}, "if_not_exists": "create"}
            httpx.post(f"{where}/threads/known-1/runs/wait", json=asked).raise_for_status()
            yield where


def status_of(session: requests.Session, url: str, case: Any) -> int | None:
    """Return what a request is answered with; None while a stream has nothing to say."""
    sent = case.as_transport_kwargs(base_url=url)
    try:
        with session.request(**sent, stream=True, timeout=SECONDS) as answer:
            return answer.status_code
    except requests.Timeout:
        return None
    except (requests.RequestException, UnicodeError):
        # What cannot be sent at all.
        return None


def test_no_request_is_a_fault_of_ours(url: str) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    faults: list[str] = []
    seen: set[int] = set()
    session = requests.Session()
    number = iter(range(10**9))
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 60

    def tried(operation: Any) -> None:
        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            if next(number) % 2:
                names = case.path_parameters or {}
                case.path_parameters = {**names, **{k: v for k, v in KNOWN.items() if k in names}}
            status = status_of(session, url, case)
            if status is not None:
                seen.add(status)
            if status is not None and status >= 500:
                faults.append(f"{status} {case.method} {case.formatted_path} {case.body!r}")

        send()

    for operation in operations:
        tried(operation)
    assert faults == []
    assert {200, 404, 422} <= seen
    assert httpx.get(f"{url}/ready").status_code == 200
