"""A server on this machine that speaks OpenAI's chat completions, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class ChatServer(ThreadingHTTPServer):
    """Answers with `text`, or with the error `status`; keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.text = "yes"
        self.status = 200
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.written = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        self.server.keys.append(self.headers["authorization"])
        if self.server.status != 200:
            key = self.headers["authorization"]
            self._send({"error": {"message": f"Incorrect API key provided: {key}"}})
        elif body.get("stream"):
            self._stream()
        else:
            message = {"role": "assistant", "content": self.server.text}
            self._send(
                {
                    **_head("chat.completion"),
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
                }
            )

    def _send(self, answer: object) -> None:
        data = json.dumps(answer).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word} for word in self.server.text.split(" ")]
        try:
            for delta in deltas:
                self._event(delta, None)
                self.server.written += 1
            self._event({}, "stop")
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            # Whoever asked has gone away.
            return

    def _event(self, delta: dict[str, str], finish: str | None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        data = {**_head("chat.completion.chunk"), "choices": [choice]}
        self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")
        self.wfile.flush()


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "small"}


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """Lend a server that listens on loopback."""
    with ChatServer() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
