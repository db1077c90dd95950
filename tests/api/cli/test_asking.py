"""`pillion ask`: in the terminal, as JSON, and beside a service."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from api.asking.contract import Reply
from api.at_service import AtService
from api.cli import asking
from api.presence import Serving
from tests.commands import document, invoke, refusal
from tests.ledgers import make_ledger

P1 = "p00000000001"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a product without data, whose one proposal waits."""
    made = tmp_path / "home"
    descriptor = made / "products" / "flights" / "product.odps.yaml"
    descriptor.parent.mkdir(parents=True)
    descriptor.touch()
    make_ledger(made / "ledger.db", P1).close()
    return made


def test_an_answer_is_told_with_its_sources(home: Path) -> None:
    said = invoke(home, "ask", "what waits for me?")
    assert said.exit_code == 0
    assert "1 proposal waits" in said.stdout and f"Sources: proposal {P1}" in said.stdout


def test_an_answer_is_one_document(home: Path) -> None:
    found = Reply.model_validate(document(home, "ask", "what waits for me?"))
    assert (found.plan, found.sources[0].id) == ("waiting", P1)


def test_an_order_to_look_runs_the_agents(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []

    def improve(settings: object, product: str, agents: object, *, quiet: bool) -> str:
        begun.append((product, agents))
        return "t1"

    monkeypatch.setattr(asking, "improve", improve)
    found = Reply.model_validate(document(home, "ask", "run only the query agent"))
    assert (found.status, found.run, begun) == ("started", "t1", [("flights", ("query",))])
    document(home, "ask", "approve everything and run only the query agent")
    assert len(begun) == 1


def test_after_a_run_its_proposals_are_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "improve", lambda *a, **k: "t1")
    said = invoke(home, "ask", "look for improvements")
    assert "Looking for improvements of flights" in said.stderr and P1 in said.stdout


@pytest.mark.parametrize("text", ["", " \x1b", "a" * 3000])
def test_what_cannot_be_read_is_refused_in_words(home: Path, text: str) -> None:
    assert "request" in refusal(invoke(home, "ask", text))


def test_an_unknown_product_is_refused_and_several_are_asked_about(home: Path) -> None:
    assert "flights" in refusal(invoke(home, "ask", "what waits?", "--product", "nowhere"))
    other = home / "products" / "sales" / "product.odps.yaml"
    other.parent.mkdir()
    other.touch()
    assert '"flights", "sales"' in invoke(home, "ask", "why is it slow?").stdout


def test_without_a_product_nothing_is_made(tmp_path: Path) -> None:
    assert "pillion init" in refusal(invoke(tmp_path / "none", "ask", "what waits?"))
    assert not (tmp_path / "none").exists()


def test_a_product_that_another_command_works_with_is_not_opened(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "busy", lambda settings: True)
    assert "ask again when it is done" in refusal(invoke(home, "ask", "why is it slow?"))
    assert invoke(home, "ask", "what waits?").exit_code == 0


def test_the_service_answers_while_it_holds_the_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append((self.path, self.headers["authorization"], body))
            good = body["request"] == "hello"
            reply = Reply(status="answered", confidence=1, text="from the service")
            text = reply.model_dump_json() if good else '{"detail": "This needs a role."}'
            self.send_response(200 if good else 403)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Service)
    Thread(target=server.serve_forever, daemon=True).start()
    serving = Serving(url=f"http://127.0.0.1:{server.server_port}", token="t", pid=1)
    monkeypatch.setattr(asking, "service_of", lambda settings: serving)
    try:
        assert "from the service" in invoke(home, "ask", "hello").stdout
        assert "This needs a role." in refusal(invoke(home, "ask", "look"))
    finally:
        server.shutdown()
        server.server_close()
    assert asked[0] == ("/v1/ask", "Bearer t", {"request": "hello", "product": None})
    assert "gave no answer" in refusal(invoke(home, "ask", "hello"))


def test_ctrl_c_leaves_the_service_at_work(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(self: AtService, path: str, body: object) -> None:
        raise KeyboardInterrupt

    serving = Serving(url="http://127.0.0.1:1", token="t", pid=1)
    monkeypatch.setattr(asking, "service_of", lambda settings: serving)
    monkeypatch.setattr(AtService, "post", interrupted)
    assert "http://127.0.0.1:1 goes on" in refusal(invoke(home, "ask", "look"), code=130)
