from __future__ import annotations

import io
import time
from typing import Any

import pytest
from rich.console import Console

from api.cli.progress import RunProgress

MEASURED = {"kind": "progress", "node": "measure", "total": 14}
EVENTS: list[dict[str, Any]] = [
    {"kind": "node", "node": "supervise", "status": "started"},
    {"kind": "node", "node": "supervise", "status": "finished"},
    {"kind": "node", "node": "schema", "status": "started"},
    {"kind": "node", "node": "schema", "status": "finished", "detail": "14 ideas"},
    {"kind": "node", "node": "measure", "status": "started"},
    MEASURED | {"done": 3, "message": "candidate 3/12 index a"},
    MEASURED | {"done": 3, "message": "candidate 3/12 index a: rejected ×0.97"},
    MEASURED | {"done": 3, "message": "candidate 3/12 a: rejected, it changes results"},
    MEASURED | {"done": 4, "message": "candidate 4/12 bad \x1b[31m[red]x: accepted ×1.70"},
    {"kind": "note", "text": "continuing \x1b[2J t-1"},
]


def run(console: Console, events: list[dict[str, Any]], enabled: bool = True) -> str:
    with RunProgress(console, enabled) as progress:
        for event in events:
            progress.handle(event)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_outside_a_terminal_one_plain_line_is_printed_per_step_and_verdict() -> None:
    lines = run(Console(file=io.StringIO(), stderr=True, width=80), EVENTS).splitlines()
    assert lines[0].startswith("look at the schema: 14 ideas (")
    assert lines[1] == "measure on a copy:   ×0.97  candidate 3/12 index a: not worth it"
    assert lines[2] == "measure on a copy:          candidate 3/12 a: changes results"
    assert lines[3] == "measure on a copy:   ×1.70  candidate 4/12 bad \\x1b[31m[red]x: accepted"
    assert lines[4] == "continuing \\x1b[2J t-1"
    assert len(lines) == 5


def test_plain_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress(Console(file=io.StringIO()), True) as progress:
        progress.handle(EVENTS[3])
    captured = capsys.readouterr()
    assert "14 ideas" in captured.err
    assert captured.out == ""


def test_a_terminal_shows_bar_candidate_verdicts_and_leaves_the_steps_behind() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with RunProgress(console, True) as progress:
        for event in EVENTS:
            progress.handle(event)
        time.sleep(0.3)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "3/14" not in text
    assert "4/14" in text
    assert "✓ look at the schema: 14 ideas" in text
    assert "×0.97  candidate 3/12 index a: not worth it" in text
    assert text.rstrip("\x1b[?25h\n").endswith("· measure on a copy: stopped")
    assert "\x1b[31m" not in text
    assert "\x1b[2J" not in text


def test_disabled_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    assert run(console, EVENTS, enabled=False) == ""
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"kind": "unheard of"},
        {"kind": "node"},
        {"kind": "progress"},
        {"kind": "progress", "node": "m", "done": None, "total": None, "message": None},
        {"kind": "progress", "node": "m", "done": 9, "total": 3, "ratio": float("nan")},
        {"kind": "progress", "node": "m", "done": "x", "total": 0, "ratio": "y", "message": 5},
        {"kind": "note"},
    ],
)
@pytest.mark.parametrize("terminal", [True, False])
def test_malformed_events_never_stop_a_run(event: dict[str, Any], terminal: bool) -> None:
    run(Console(file=io.StringIO(), force_terminal=terminal, stderr=True), [event])


def test_the_cursor_comes_back_after_an_error() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with pytest.raises(KeyboardInterrupt), RunProgress(console, True) as progress:
        progress.handle(EVENTS[0])
        raise KeyboardInterrupt
    assert console.file.getvalue().endswith("\x1b[?25h")  # type: ignore[attr-defined]
