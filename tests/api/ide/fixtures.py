"""What the conformance scenarios call by name, beside the product's own tools."""

from __future__ import annotations

import json
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    InputRequest,
    InputRequiredResult,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

AnyContext = Context[Any, Any]
PIXEL = "R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs="
SILENCE = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
IMAGE = ImageContent(type="image", data=PIXEL, mime_type="image/gif")


def text(words: str) -> TextContent:
    return TextContent(type="text", text=words)


def embedded(uri: str, words: str, kind: str = "text/plain") -> EmbeddedResource:
    inner = TextResourceContents(uri=uri, mime_type=kind, text=words)
    return EmbeddedResource(type="resource", resource=inner)


def form(message: str, **properties: str) -> ElicitRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def said(context: AnyContext, key: str, field: str) -> Any:
    answer = (context.input_responses or {}).get(key)
    return (
        answer.content.get(field) if isinstance(answer, ElicitResult) and answer.content else None
    )


def test_simple_text() -> str:
    """Answers with text."""
    return "This is a simple text response for testing."


def test_image_content() -> list[ImageContent]:
    """Answers with an image."""
    return [IMAGE]


def test_audio_content() -> list[AudioContent]:
    """Answers with a sound."""
    return [AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")]


def test_embedded_resource() -> list[EmbeddedResource]:
    """Answers with a resource."""
    return [embedded("test://embedded-resource", "This is an embedded resource content.")]


def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """Answers with all of them."""
    mixed = embedded(
        "test://mixed-content-resource", '{"test":"data","value":123}', "application/json"
    )
    return [text("Multiple content types test:"), IMAGE, mixed]


async def test_tool_with_progress(ctx: AnyContext) -> str:
    """Tells its progress."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100, f"Completed step {done} of 100")
    return "done"


def test_error_handling() -> str:
    """Fails."""
    raise RuntimeError("This tool intentionally returns an error for testing")


class Response(BaseModel):
    response: str = Field(description="User's response")


async def test_elicitation(message: str, ctx: AnyContext) -> str:
    """Asks the person."""
    result = await ctx.elicit(message, Response)
    content = result.data.model_dump_json() if result.action == "accept" else "{}"
    return f"User response: action={result.action}, content={content}"


def enum(*values: str) -> dict[str, Any]:
    return {"enum": list(values)}


def titled(**values: str) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in values.items()]


class Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: str = Field("active", json_schema_extra=enum("active", "inactive", "pending"))
    verified: bool = True


async def test_elicitation_sep1034_defaults(ctx: AnyContext) -> str:
    """Asks with a default for every kind of field."""
    result = await ctx.elicit("Please provide user information", Defaults)
    return f"Elicitation completed: action={result.action}"


class Choices(BaseModel):
    untitledSingle: str = Field(json_schema_extra=enum("option1", "option2", "option3"))
    titledSingle: str = Field(json_schema_extra={"oneOf": titled(a="A", b="B")})  # type: ignore[dict-item]
    untitledMulti: list[str] = Field(
        json_schema_extra={"items": {"type": "string", "enum": ["option1", "option2"]}}
    )
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": titled(a="A", b="B")}})  # type: ignore[dict-item]
    legacyEnum: str = Field(json_schema_extra={**enum("a", "b"), "enumNames": ["A", "B"]})


async def test_elicitation_sep1330_enums(ctx: AnyContext) -> str:
    """Asks with every kind of choice."""
    result = await ctx.elicit("Please choose", Choices)
    return f"Elicitation completed: action={result.action}"


def test_x_mcp_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "",
) -> str:
    """Wants an argument in a header, too."""
    return f"region={region}"


def test_missing_capability(ctx: AnyContext) -> str:
    """Needs a client that lets its model be asked."""
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
        wanted = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This needs sampling.", wanted)
    return "it can"


def test_input_required_result_elicitation(ctx: AnyContext) -> str | InputRequiredResult:
    """Ends with a question and comes back."""
    name = said(ctx, "user_name", "name")
    asked = {"user_name": form("What is your name?", name="string")}
    return f"Hello, {name}!" if name else InputRequiredResult(input_requests=asked)


def test_input_required_result_request_state(ctx: AnyContext) -> str | InputRequiredResult:
    """Comes back with the state that left with the question."""
    if said(ctx, "confirm", "ok") is not None and ctx.request_state == "nonce":
        return "state-ok: confirmation received"
    asked = {"confirm": form("Please confirm", ok="boolean")}
    return InputRequiredResult(input_requests=asked, request_state="nonce")


def test_input_required_result_tampered_state(ctx: AnyContext) -> str | InputRequiredResult:
    """Is never reached with a state that was changed on the way."""
    if ctx.request_state is not None:
        return f"state-ok: {ctx.request_state}"
    asked = {"confirm": form("Please confirm", ok="boolean")}
    return InputRequiredResult(input_requests=asked, request_state="round-1")


def test_input_required_result_multi_round(ctx: AnyContext) -> str | InputRequiredResult:
    """Asks twice, and remembers."""
    state = json.loads(ctx.request_state or "{}")
    name, color = state.get("name") or said(ctx, "step1", "name"), said(ctx, "step2", "color")
    if state and name and color:
        return f"{name} likes {color}."
    if state and name:
        asked = {"step2": form("Step 2: What is your favorite color?", color="string")}
    else:
        asked = {"step1": form("Step 1: What is your name?", name="string")}
    kept = json.dumps({"name": name if state else None, "asked": list(asked)})
    return InputRequiredResult(input_requests=asked, request_state=kept)


def test_input_required_result_capabilities(ctx: AnyContext) -> InputRequiredResult:
    """Asks only what the client says it can be asked."""
    asked: dict[str, InputRequest] = {}
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is not None:
        question = SamplingMessage(role="user", content=text("Say hello"))
        params = CreateMessageRequestParams(messages=[question], max_tokens=50)
        asked["sample"] = CreateMessageRequest(params=params)
    if ctx.client_capabilities is None or ctx.client_capabilities.elicitation is not None:
        asked["ask"] = form("What is your name?", name="string")
    return InputRequiredResult(input_requests=asked, request_state="gated")


TOOLS = (
    test_simple_text, test_image_content, test_audio_content, test_embedded_resource,
    test_multiple_content_types, test_tool_with_progress, test_error_handling, test_elicitation,
    test_elicitation_sep1034_defaults, test_elicitation_sep1330_enums, test_x_mcp_header,
    test_missing_capability, test_input_required_result_elicitation,
    test_input_required_result_request_state, test_input_required_result_tampered_state,
    test_input_required_result_multi_round, test_input_required_result_capabilities,
)  # fmt: skip


def user(content: Any) -> UserMessage:
    return UserMessage(role="user", content=content)


def test_simple_prompt() -> list[UserMessage]:
    """A prompt."""
    return [user(text("This is a simple prompt for testing."))]


def test_prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
    """A prompt with arguments."""
    return [user(text(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"))]


def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
    """A prompt with a resource."""
    return [user(embedded(resourceUri, "Embedded resource content for testing.")), user(text("…"))]


def test_prompt_with_image() -> list[UserMessage]:
    """A prompt with an image."""
    return [user(IMAGE), user(text("Please analyze the image above."))]


def test_input_required_result_prompt(ctx: AnyContext) -> list[UserMessage] | InputRequiredResult:
    """A prompt that asks first."""
    found = said(ctx, "user_context", "context")
    if found:
        return [user(text(f"Use the following context: {found}"))]
    asked = {"user_context": form("What context should the prompt use?", context="string")}
    return InputRequiredResult(input_requests=asked)


PROMPTS = (
    test_simple_prompt, test_prompt_with_arguments, test_prompt_with_embedded_resource,
    test_prompt_with_image, test_input_required_result_prompt,
)  # fmt: skip


def static_text() -> str:
    """A resource."""
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    """A resource of bytes."""
    return b"\x89PNG\r\n"


def template(id: str) -> str:
    """A resource by template."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def add_fixtures(server: MCPServer) -> None:
    """Offer all of it."""
    for tool in TOOLS:
        server.tool()(tool)
    for prompt in PROMPTS:
        server.prompt()(prompt)
    server.resource("test://static-text", mime_type="text/plain")(static_text)
    server.resource("test://static-binary", mime_type="image/gif")(static_binary)
    server.resource("test://template/{id}/data", mime_type="application/json")(template)
