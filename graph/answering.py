"""Answers as people and programs write them, turned into decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from graph.errors import InvalidAnswer
from graph.ledger import Ledger, now
from tools.change_shape import misshapen
from tools.lazy import lazy
from tools.messages import (
    CHANGE,
    Change,
    ChangeType,
    Channel,
    CreateSummary,
    Decision,
    Principal,
    Verdict,
)
from tools.numbers import counted
from tools.product.errors import ProductError

if TYPE_CHECKING:
    from tools.product.candidates import edited as summary_edits
else:
    # It parses SQL, and few answers are edits.
    summary_edits = lazy("tools.product.candidates.edited")

WORDS = {"accept": "approve", "response": "reject", "respond": "reject", "ignore": "reject"}
"""What other dialects of the same question say."""


class AnsweredAction(BaseModel):
    """An edit as chat front ends send it."""

    model_config = ConfigDict(extra="ignore")

    args: dict[str, Any]


class GivenAnswer(BaseModel):
    """One answer; without a proposal's id it is for the question at its place."""

    model_config = ConfigDict(extra="ignore")

    type: Annotated[
        Literal["approve", "edit", "reject"],
        BeforeValidator(lambda v: WORDS.get(v, v) if isinstance(v, str) else v),
    ]
    proposal_id: str | None = Field(default=None, max_length=100)
    reason: str = Field(default="", max_length=10_000)
    message: str = Field(default="", max_length=10_000)
    change: dict[str, Any] | None = None
    edited_action: AnsweredAction | None = None

    @property
    def fields(self) -> dict[str, Any] | None:
        """The fields of the change that an edit replaces."""
        return self.edited_action.args if self.edited_action else self.change


class GivenAnswers(BaseModel):
    """What answers a run: one or more of its open questions."""

    model_config = ConfigDict(extra="ignore")

    decisions: list[GivenAnswer] = Field(min_length=1, max_length=1000)


def edited_change(change: Change, fields: Mapping[str, Any] | None) -> Change:
    """Return the change with some fields replaced; kind and table stay."""
    if fields is None:
        raise InvalidAnswer("An edit needs the fields of the change that it replaces.")
    body = {**CHANGE.dump_python(change, mode="json"), **fields}
    same_table = body["table"] == CHANGE.dump_python(change, mode="json")["table"]
    if body["kind"] != change.kind or not same_table:
        raise InvalidAnswer("An edit keeps the kind and the table; reject it instead.")
    try:
        edited = CHANGE.validate_python(body)
    except ValidationError as exc:
        first = exc.errors()[0]
        path = ".".join(str(p) for p in first["loc"])
        raise InvalidAnswer(
            f"The edited change is not valid at {path}: {first['msg']}. An edit may replace"
            f" {', '.join(editable(change))}."
        ) from exc
    _keep_marker(change, edited)
    if fault := misshapen(edited):
        raise InvalidAnswer(f"The edited change cannot be made. {fault}")
    if isinstance(change, CreateSummary) and isinstance(edited, CreateSummary):
        edited = _answering(change, edited)
    if edited == change:
        raise InvalidAnswer("That edit changes nothing; approve the proposal instead.")
    return edited


def _answering(change: CreateSummary, edited: CreateSummary) -> CreateSummary:
    """Return a summary with the texts that answer its queries as it is edited."""
    if edited == change:
        return change
    try:
        return summary_edits.with_own_answers(change, edited)
    except ProductError as exc:
        raise InvalidAnswer(f"The edited change cannot be made. {exc}") from exc


def check_fields(verdict: Verdict, fields: Mapping[str, Any] | None) -> None:
    """Raise `InvalidAnswer` where fields come with what is no edit: they would not be made."""
    if fields is not None and verdict != "edit":
        raise InvalidAnswer(f"A change goes with edit, not {verdict}; nothing was recorded.")


def editable(change: Change) -> dict[str, Any]:
    """Return the fields that an edit may replace, as they are."""
    body = CHANGE.dump_python(change, mode="json")
    return {name: value for name, value in body.items() if name not in ("kind", "table")}


def _keep_marker(change: Change, edited: Change) -> None:
    """The marker only says what the expressions do; beside others it would deceive."""
    if not (isinstance(change, ChangeType) and isinstance(edited, ChangeType)):
        return
    same = (change.forward, change.backward) == (edited.forward, edited.backward)
    if same and change.null_marker != edited.null_marker:
        raise InvalidAnswer(
            "null_marker says what forward and backward do; an edit of it edits those, too."
        )


def build_decisions(
    ledger: Ledger,
    answers: GivenAnswers,
    asked: Sequence[str],
    by: Principal,
    channel: Channel,
) -> list[Decision]:
    """Return decisions for answers to the proposals `asked`; raises `InvalidAnswer`."""
    given = answers.decisions
    named = [a.proposal_id for a in given if a.proposal_id is not None]
    if named and len(named) < len(given):
        raise InvalidAnswer("Give a proposal_id with every answer, or with none.")
    if not named and len(given) != len(asked):
        raise InvalidAnswer(
            f"{counted(len(asked), 'proposal waits', 'proposals wait')} and"
            f" {counted(len(given), 'answer')} came; give a proposal_id with each:"
            f" {', '.join(asked) or 'none waits'}."
        )
    ids = named or list(asked)
    if len(set(ids)) < len(ids):
        raise InvalidAnswer("One proposal is answered twice.")
    return [
        build_decision(ledger, proposal_id, answer, by, channel)
        for proposal_id, answer in zip(ids, given, strict=True)
    ]


def build_decision(
    ledger: Ledger, proposal_id: str, answer: GivenAnswer, by: Principal, channel: Channel
) -> Decision:
    """Return the decision that one answer makes of a proposal."""
    verdict: Verdict = answer.type
    check_fields(verdict, answer.fields)
    edited = None
    if verdict == "edit":
        edited = edited_change(ledger.proposal(proposal_id).change, answer.fields)
    return Decision(
        proposal_id=proposal_id, verdict=verdict, reason=answer.reason or answer.message,
        principal=by, channel=channel, decided_at=now(), edited=edited,
    )  # fmt: skip
