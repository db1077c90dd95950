"""Messages piece by piece."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage

from graph.engine.message_events import MessageEvents


def short(events: Any) -> list[Any]:
    return [{k: v for k, v in e.items() if k not in ("message_id", "run_id")} for e in events]


def test_pieces_of_a_call_become_a_call() -> None:
    follow = MessageEvents()
    chunks = [
        AIMessageChunk("sure", id="m"),
        AIMessageChunk("", id="m", tool_call_chunks=[
            {"name": "add", "args": '{"a": ', "id": "c", "index": 1}]),
        AIMessageChunk("", id="m", chunk_position="last", tool_call_chunks=[
            {"name": None, "args": "1}", "id": None, "index": 1}],
            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
    ]  # fmt: skip
    events = short(e for chunk in chunks for e in follow.take("", chunk))
    assert [e["event"] for e in events] == [
        "message-start", "content-block-start", "content-block-delta", "content-block-start",
        "content-block-delta", "content-block-delta", "content-block-finish",
        "content-block-finish", "message-finish",
    ]  # fmt: skip
    assert events[4]["delta"] == {"type": "tool-call-delta", "args": '{"a": '}
    assert events[7]["content"] == {"type": "tool_call", "name": "add", "id": "c", "args": {"a": 1}}
    assert events[8]["usage"]["total_tokens"] == 3


def test_arguments_that_are_no_json_are_an_invalid_call() -> None:
    chunk = AIMessageChunk("", id="m", chunk_position="last", tool_call_chunks=[
        {"name": "add", "args": "{", "id": "c", "index": 0}])  # fmt: skip
    content = short(MessageEvents().take("", chunk))[-2]["content"]
    assert (content["type"], content["args"]) == ("invalid_tool_call", "{")


def test_a_whole_message_is_told_at_once_and_a_tools_answer_is_not() -> None:
    follow = MessageEvents()
    kinds = [e["event"] for e in follow.take("", HumanMessage("hi", id="h"))]
    assert kinds == [
        "message-start", "content-block-start", "content-block-delta", "content-block-finish",
        "message-finish",
    ]  # fmt: skip
    assert list(follow.take("", ToolMessage("3", tool_call_id="c"))) == []
    picture = AIMessage([{"type": "image", "base64": "QUJD", "mime_type": "image/png"}], id="p")
    assert "content-block-delta" not in [e["event"] for e in follow.take("", picture)]


def test_messages_that_mix_are_told_apart_and_all_end() -> None:
    follow = MessageEvents()
    for name in ("a", "b"):
        list(follow.take("x", AIMessageChunk("one", id=name)))
    (more,) = follow.take("x", AIMessageChunk("two", id="a"))
    assert more["message_id"] == "a"
    assert [e["event"] for e in follow.close("y")] == []
    assert [e["event"] for e in follow.close("x")].count("message-finish") == 2
    list(follow.take("x", AIMessageChunk("one", id="c")))
    assert [(n, e["event"], e["message_id"]) for n, e in follow.fail()] == [("x", "error", "c")]
