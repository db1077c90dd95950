"""A language model alone: a scripted chat model stands at the edge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from evals.baselines.model import (
    MOST,
    ModelFailed,
    advise,
    configured,
    model_name,
    read_advice,
)
from evals.settings import EvalSettings
from mcp_servers.product.contract import ProductDescription, WorkloadReport
from tools.product.workload import Workload

FAKE = "langchain_core.language_models.fake_chat_models:FakeListChatModel"
INDEX = {"kind": "create_index", "table": {"name": "t"}, "columns": ["a"], "name": "i"}
PRODUCT = ProductDescription(
    name="sales", engine="duckdb", bytes=1, tables=(), contract="c", schema_hash="h"
)
WORKLOAD = WorkloadReport(workload=Workload(patterns=()), patterns_total=0)


def settings(named: str = FAKE, **arguments: Any) -> EvalSettings:
    return EvalSettings(model=named, model_arguments=arguments)


async def test_a_configured_model_is_asked_and_its_changes_are_read() -> None:
    model = configured(settings(responses=[f"Sure:\n```json\n{json.dumps([INDEX])}\n```"]))
    assert isinstance(model, FakeListChatModel)
    advice = await advise(model, PRODUCT, WORKLOAD)
    assert [c.kind for c in advice.changes.values()] == ["create_index"]
    assert advice.note == ""


def test_none_is_configured_by_default() -> None:
    assert configured(settings("")) is None
    assert model_name(settings("", model="small")) == ""


def test_a_model_is_named_without_its_secrets() -> None:
    assert model_name(settings("a:B", model="small", api_key="secret")) == "a:B small"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nowhere:Model", "names no class"),
        ("json", "names no class"),
        ("json:loads", "no LangChain chat model"),
        (FAKE, "responses"),
    ],
)
def test_a_model_that_cannot_be_made_is_said(model: str, said: str) -> None:
    with pytest.raises(ModelFailed, match=said):
        configured(settings(model))


def test_what_is_no_change_is_left_out_and_told() -> None:
    advice = read_advice("sales", json.dumps([INDEX, {"kind": "magic"}, "index it"]))
    assert (len(advice.changes), advice.note) == (1, "2 of its changes could not be read")


def test_only_the_first_changes_of_a_long_answer_count() -> None:
    many = [INDEX | {"name": f"i{n}"} for n in range(3 * MOST)]
    assert len(read_advice("sales", json.dumps(many)).changes) == MOST


@pytest.mark.parametrize("answer", ["", "I would add an index.", "[not json]", '{"kind": 1}'])
def test_an_answer_without_an_array_is_a_failure(answer: str) -> None:
    with pytest.raises(ModelFailed, match="no JSON array"):
        read_advice("sales", answer)


async def test_a_model_that_fails_is_a_failure_in_words() -> None:
    class Broken(FakeListChatModel):
        def _call(self, *args: Any, **kwargs: Any) -> str:
            raise ConnectionError("no network")

    with pytest.raises(ModelFailed, match="ConnectionError: no network"):
        await advise(Broken(responses=["x"]), PRODUCT, WORKLOAD)
