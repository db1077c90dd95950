"""Questions to the person behind a client, in both eras of the protocol.

Before 2026-07-28 the server asks in the middle of a call and waits. Since then the call ends with
the question, and comes again with the answer and the sealed state that left with the question: a
restart, or a night, may lie in between.
"""

from __future__ import annotations

from typing import Generic, Literal, NamedTuple, TypeVar

from mcp.server.elicitation import AcceptedElicitation, render_elicitation_schema
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import NoBackChannelError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.ide.calls import AnyContext
from graph.ledger import Offer
from mcp_servers.product.errors import ToolFailed
from tools.messages import Message

MODERN = "2026-07-28"
"""The first version in which a call ends with its question."""
T = TypeVar("T", bound=BaseModel)
Reason = Field(
    default="", max_length=2000, title="Reason", description="Why; it is kept and learned from."
)


class _Form(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Reply(_Form):
    """The person's answer to a proposal."""

    answer: Literal["approve", "reject", "later"] = Field(
        title="Answer", description="approve applies the change and proves it; later leaves it open"
    )
    reason: str = Reason


class EditReply(_Form):
    """The person's answer to an edit of a proposal."""

    answer: Literal["edit", "reject", "later"] = Field(
        title="Answer", description="edit measures the change as edited; reject refuses the idea"
    )
    reason: str = Reason


class UndoReply(_Form):
    """The person's word on taking a change back."""

    answer: Literal["undo", "later"] = Field(
        title="Answer", description="undo takes the change back in one transaction"
    )


class Said(NamedTuple, Generic[T]):
    """What a person said; None when they closed the question, which leaves it open."""

    reply: T | None


def can_be_asked(context: AnyContext) -> bool:
    """Return whether the client can show its person a form."""
    capabilities = context.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    # A client from before there were kinds of questions declares none of them, and means forms.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def said_before(context: AnyContext, key: str, form: type[T]) -> Said[T] | None:
    """Return the answer that this call came back with; None when it has none for that question."""
    response = (context.input_responses or {}).get(key)
    if response is None:
        return None
    if not isinstance(response, ElicitResult):
        raise _misfit("another kind of answer came than was asked for")
    if response.action != "accept":
        return Said(None)
    try:
        return Said(form.model_validate(response.content or {}))
    except ValidationError as exc:
        first = exc.errors()[0]
        raise _misfit(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from exc


def _misfit(why: str) -> ToolError:
    text = f"The answer does not fit its question, which stays open: {why}."
    return ToolError(ToolFailed.encode("invalid_answer", text))


async def ask(
    context: AnyContext, key: str, message: str, form: type[T], state: BaseModel
) -> Said[T] | InputRequiredResult | None:
    """Ask the person; returns the answer, or how this call ends until it comes back with one.

    None means that the client cannot be reached for questions, whatever it declared.
    """
    if is_version_at_least(context.protocol_version or "", MODERN):
        schema = render_elicitation_schema(form)
        params = ElicitRequestFormParams(message=message, requested_schema=schema)
        return InputRequiredResult(
            input_requests={key: ElicitRequest(params=params)},
            request_state=state.model_dump_json(),
        )
    try:
        result = await context.elicit(message, form)
    except NoBackChannelError:
        return None
    except ValueError as exc:
        raise _misfit("its fields are not those of the form") from exc
    return Said(result.data if isinstance(result, AcceptedElicitation) else None)


class _Shown(Message):
    """Which offer of a proposal a question showed: a later one has other numbers."""

    round: int


def key_of(offer: Offer, number: int) -> str:
    """Return the name of the question about one offer of a proposal."""
    return f"{offer.proposal.id}.{number}"


async def confirmed(
    context: AnyContext, offer: Offer, message: str, form: type[T]
) -> Said[T] | InputRequiredResult | None:
    """Ask about one proposal alone; None means that the client cannot be reached for it."""
    state = context.request_state
    if state and _Shown.model_validate_json(state).round == offer.round:
        said = said_before(context, key_of(offer, offer.round), form)
        if said is not None:
            return said
    shown = _Shown(round=offer.round)
    return await ask(context, key_of(offer, offer.round), message, form, shown)
