"""The vocabulary: closed, frozen, JSON-plain, with deterministic ids and published schemas."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from tests.factories import (
    make_change,
    make_decision,
    make_interval,
    make_outcome,
    make_proposal,
    make_summary_proposal,
    make_trials,
)
from tests.strategies import of
from tools.messages import (
    CHANGE,
    PROPOSAL,
    Change,
    ChangeKind,
    Decision,
    DropTable,
    Evidence,
    Interval,
    Message,
    Outcome,
    Proposal,
    TableName,
    Trial,
    change_id,
    change_target,
    quoted,
)
from tools.schemas import FOLDER, PUBLISHED, schemas

KINDS = get_args(get_args(Change)[0])
MESSAGES: list[Any] = [*KINDS, Proposal, Decision, Outcome, Trial, Evidence]
SAMPLES: list[tuple[str, Message]] = [
    ("proposal", make_proposal()),
    ("proposal", make_summary_proposal()),
    ("decision", make_decision(verdict="edit", edited=make_change())),
    ("outcome", make_outcome()),
    ("evidence", make_proposal().evidence),
    *(("change", t.candidate.change) for t in make_trials()),
]


def name_of(kind: Any) -> str:
    return str(getattr(kind, "__name__", "Proposal"))


@pytest.mark.parametrize("kind", MESSAGES, ids=name_of)
@settings(max_examples=20)
@given(data=st.data())
def test_every_message_comes_back_from_json(kind: Any, data: st.DataObject) -> None:
    adapter, value = TypeAdapter(kind), data.draw(of(kind))
    assert adapter.validate_json(adapter.dump_json(value)) == value
    assert adapter.validate_python(adapter.dump_python(value, mode="json")) == value


@pytest.mark.parametrize(("_", "message"), SAMPLES)
def test_a_field_nobody_knows_is_refused(_: str, message: Message) -> None:
    with pytest.raises(ValidationError, match="surprise"):
        type(message).model_validate({**message.model_dump(), "surprise": 1})


@pytest.mark.parametrize(("_", "message"), SAMPLES)
def test_a_message_cannot_be_changed(_: str, message: Message) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(message, next(iter(type(message).model_fields)), "x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Interval(low=1, mid=value, high=2)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        make_decision(decided_at=datetime(2026, 3, 2))
    with pytest.raises(ValidationError, match="timezone"):
        make_proposal(expires_at=datetime(2026, 3, 2))


def test_an_unknown_kind_of_change_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="add_check"):
        CHANGE.validate_python({"kind": "drop_database"})


def test_the_kinds_are_those_of_the_changes() -> None:
    assert [k.model_fields["kind"].default for k in KINDS] == list(get_args(ChangeKind))


@given(of(Change))
def test_the_same_idea_has_the_same_id(change: Any) -> None:
    again = CHANGE.validate_json(CHANGE.dump_json(change))
    assert change_id("sales", again) == change_id("sales", change)
    assert change_id("sales", change) != change_id("trips", change)


@given(of(Change), of(Change))
def test_different_ideas_have_different_ids(one: Any, other: Any) -> None:
    assert (change_id("sales", one) == change_id("sales", other)) == (one == other)


def test_every_field_of_a_change_counts_in_its_id() -> None:
    change = make_change()
    for field in set(type(change).model_fields) - {"kind", "table"}:
        assert change_id("s", make_change(**{field: "other"})) != change_id("s", change), field
    elsewhere = make_change(table=TableName(schema_name="x", name="flights"))
    assert change_id("s", elsewhere) != change_id("s", change)


@given(of(Change))
def test_every_change_says_what_it_touches(change: Any) -> None:
    assert isinstance(change_target(change), str)


def test_only_a_change_has_a_target() -> None:
    with pytest.raises(TypeError, match="not a change"):
        change_target("flights")


@pytest.mark.parametrize(
    ("table", "target"), [(TableName(name="t"), "t"), (TableName(schema_name="s", name="t"), "s.t")]
)
def test_a_table_is_named_with_its_schema_where_it_needs_one(table: TableName, target: str) -> None:
    assert change_target(DropTable(table=table)) == target


@given(st.text(max_size=20))
def test_a_quoted_name_cannot_leave_its_quotes(name: str) -> None:
    inner = quoted(name)[1:-1]
    assert '"' not in inner.replace('""', "")
    assert inner.replace('""', '"') == name


def test_losers_are_those_slower_with_certainty() -> None:
    evidence = make_proposal().evidence
    assert [q.ratio.high < 1 for q in evidence.losers] == [True]
    draw = evidence.queries[0].model_copy(update={"ratio": make_interval(0.99)})
    assert evidence.model_copy(update={"queries": (draw,)}).losers == ()


@pytest.mark.parametrize(("file", "text"), list(schemas()))
def test_the_published_schemas_are_current(file: str, text: str) -> None:
    stale = "run `python -m tools.schemas`"
    assert (FOLDER / file).read_text(encoding="utf-8") == text, stale
    Draft202012Validator.check_schema(json.loads(text))


def test_nothing_else_is_published() -> None:
    assert {p.name for p in FOLDER.iterdir()} == {f"{name}.json" for name in PUBLISHED}


@pytest.mark.parametrize(("name", "message"), SAMPLES)
def test_messages_fit_their_published_schema(name: str, message: Message) -> None:
    schema = Draft202012Validator(json.loads((FOLDER / f"{name}.json").read_text()))
    body = message.model_dump(mode="json")
    schema.validate(body)
    assert not schema.is_valid({**body, "surprise": 1})


def test_a_proposal_is_read_back_as_its_own_type() -> None:
    for proposal in (make_proposal(), make_summary_proposal()):
        assert type(PROPOSAL.validate_json(proposal.model_dump_json())) is type(proposal)
