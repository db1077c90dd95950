"""The log: one format, with what it is about, without secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from structlog.contextvars import bound_contextvars

from tools.logs import HIDDEN, LogSettings, hide_secrets, set_up_logs

LOG = logging.getLogger("pillion.test")
KEY = "pil_" + "a1B2" * 8
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level


def test_json_lines_say_what_they_are_about(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(LogSettings(format="json", level="info"))
    with bound_contextvars(run_id="r1"):
        LOG.info("run %s", "began", extra={"graph": "steward"})
        LOG.debug("not told")
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["run_id"], found["graph"]) == ("run began", "r1", "steward")
    assert (found["level"], found["logger"]) == ("info", "pillion.test")
    assert found["timestamp"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_left_out_of_words_fields_and_tracebacks(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    set_up_logs(LogSettings(format=form))
    try:
        raise ValueError(f"no access with {KEY}")
    except ValueError:
        LOG.exception("sent %s", f"Authorization: Bearer {JWT}", extra={"token": "s3cret"})
    said = capsys.readouterr().err
    assert "ValueError" in said and HIDDEN in said
    assert not [s for s in (KEY, JWT, "s3cret") if s in said]


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_break_in_a_word_makes_no_second_line(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    set_up_logs(LogSettings(format=form))
    LOG.warning("a\nb\r\u2028c")
    assert len(capsys.readouterr().err.split("\n")) == 2


@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_that_a_database_holds_steers_a_terminal(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    set_up_logs(LogSettings(format=form))
    hostile = "\x1b[2J\x9b2J\u202e\x07"
    try:
        raise ValueError(f"no table {hostile}")
    except ValueError:
        LOG.exception("%s has to wait", hostile, extra={"product": hostile, "more": [hostile]})
    said = capsys.readouterr().err
    assert not [c for c in hostile if c in said and not c.isprintable()]
    assert "ValueError: no table" in said and "x1b[2J" in said


def test_setting_up_again_tells_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        set_up_logs(LogSettings(format="json"))
    LOG.warning("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Basic cGxhbnRlZDpwYXNz", f"Basic {HIDDEN}"),
        ("bearer abcdefghij", f"bearer {HIDDEN}"),
        ("the bearer of news", "the bearer of news"),
        ("pil_short", "pil_short"),
        (["x", KEY], ["x", HIDDEN]),
        ({"password": 1, "n": KEY}, {"password": HIDDEN, "n": HIDDEN}),
        (7, 7),
    ],
)
def test_only_what_looks_like_a_secret_is_hidden(given: object, kept: object) -> None:
    assert hide_secrets(None, "", {"x": given}) == {"x": kept}
