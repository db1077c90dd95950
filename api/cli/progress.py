"""Live progress of a run: which agent, which candidate, what was measured so far."""

from __future__ import annotations

import math
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast, get_args

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from api.wording import CHANGES_RESULTS, TRIAL_WORDS, milliseconds, short
from tools.messages import TrialStatus
from tools.plain_text import plain

STEP_WORDS = {
    "supervise": "plan",
    "schema": "look at the schema",
    "query": "look at the queries",
    "measure": "measure on a copy",
    "gate": "check contract and policy",
    "rank": "rank what is left",
    "approve": "ask",
    "apply": "apply",
    "verify": "verify on live",
    "rollback": "roll back",
    "report": "write the report",
}
_BRIEF = frozenset({"supervise", "gate", "rank", "approve", "report"})
_VERDICT = re.compile(
    rf"(?P<what>.+): (?P<status>{'|'.join(get_args(TrialStatus))})"
    r"(?: (?P<ratio>×[\d.]+)|(?P<other>, it changes results))?"
)
_VERDICTS_SHOWN = 5
_BAR_WIDTH = 30


@dataclass
class _Step:
    """What is known about one running or finished step."""

    name: str
    started: float
    seconds: float | None = None
    done: float = 0.0
    total: float = 0.0
    message: str = ""
    detail: str = ""
    spinner: Spinner = field(default_factory=lambda: Spinner("dots", style="cyan"))


class RunProgress:
    """Shows a run's events: live in a terminal, as plain lines elsewhere, silent when disabled."""

    def __init__(self, console: Console, enabled: bool = True) -> None:
        self._enabled = enabled
        self._lock = threading.Lock()
        self._steps: dict[str, _Step] = {}
        self._verdicts: deque[Text] = deque(maxlen=_VERDICTS_SHOWN)
        self._ended = False
        self._live: Live | None = None
        self._plain = console
        if enabled and console.is_terminal and not console.is_dumb_terminal:
            # Output that goes elsewhere, as to a pipe, must not be drawn into the live display.
            self._live = Live(
                get_renderable=self._render,
                console=console,
                refresh_per_second=10,
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=sys.stderr.isatty(),
            )
        elif enabled and not console.stderr:
            self._plain = Console(stderr=True)

    def __enter__(self) -> RunProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._ended = True
        if self._live is not None and self._live.is_started:
            self._live.stop()

    def handle(self, event: Mapping[str, Any]) -> None:
        """Take one event; unknown kinds and missing fields are no error."""
        if not self._enabled:
            return
        if self._live is not None and not self._live.is_started and not self._ended:
            self._live.start()
        kind = event.get("kind")
        if kind == "node":
            self._node(event)
        elif kind == "progress":
            self._progress(event)
        elif kind == "note":
            self._say(Text(short(event.get("text", ""), 300)))

    def _node(self, event: Mapping[str, Any]) -> None:
        name = str(event.get("node", ""))
        detail = short(event.get("detail") or "", 120)
        with self._lock:
            if event.get("status") != "finished":
                self._steps[name] = _Step(name, time.monotonic(), detail=detail)
                return
            step = self._steps.setdefault(name, _Step(name, time.monotonic()))
            step.seconds = time.monotonic() - step.started
            step.detail = detail or step.detail
        if self._live is None and name not in _BRIEF:
            self._say(_finished_line(step))

    def _progress(self, event: Mapping[str, Any]) -> None:
        name, message = str(event.get("node", "")), short(event.get("message") or "", 160)
        verdict = _VERDICT.fullmatch(message)
        with self._lock:
            step = self._steps.setdefault(name, _Step(name, time.monotonic()))
            step.message = message or step.message
            step.total = max(_number(event.get("total")) or step.total, 0.0)
            step.done = max(_number(event.get("done")) or step.done, step.done)
            if verdict:
                line = _verdict_line(verdict)
                self._verdicts.append(line)
        # A pipe or a log gets what became of each candidate, not how it came about.
        if self._live is None and verdict:
            self._say(Text.assemble(f"{_words(name)}: ", line))

    def _say(self, line: Text) -> None:
        if self._live is not None:
            self._live.console.print(line)
            return
        self._plain.print(line, soft_wrap=True)

    def _render(self) -> RenderableType:
        with self._lock:
            steps = [s for s in self._steps.values() if self._visible(s)]
            parts: list[RenderableType] = [
                self._running(s) if s.seconds is None else _finished_line(s, "✓ ") for s in steps
            ]
            if not self._ended:
                parts += [Text.assemble("    ", line) for line in self._verdicts]
        return Group(*parts)

    def _visible(self, step: _Step) -> bool:
        if step.name in _BRIEF:
            return step.seconds is None and not self._ended
        return True

    def _running(self, step: _Step) -> RenderableType:
        if self._ended:
            return Text(f"· {_words(step.name)}: stopped", style="yellow")
        grid = Table.grid(padding=(0, 1))
        cells: list[RenderableType] = [step.spinner, Text(_words(step.name), style="bold")]
        if step.total:
            done = min(step.done, step.total)
            cells.append(ProgressBar(step.total, done, _BAR_WIDTH, complete_style="cyan"))
            cells.append(Text(f"{done:.0f}/{step.total:.0f}", style="dim"))
        cells.append(Text(_elapsed(time.monotonic() - step.started), style="dim"))
        for _ in cells:
            grid.add_column(no_wrap=True)
        grid.add_row(*cells)
        if not step.message:
            return grid
        message = Text(f"    {step.message}", style="dim", no_wrap=True, overflow="ellipsis")
        return Group(grid, message)


def _words(name: str) -> str:
    return STEP_WORDS.get(name, plain(name))


def _elapsed(seconds: float) -> str:
    return milliseconds(round(seconds) * 1000.0) if seconds >= 10 else f"{seconds:.1f} s"


def _number(value: object) -> float | None:
    if not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _finished_line(step: _Step, mark: str = "") -> Text:
    took = "" if step.seconds is None else f" ({_elapsed(step.seconds)})"
    detail = f": {step.detail}" if step.detail else ""
    return Text.assemble((mark, "green"), f"{_words(step.name)}{detail}", (took, "dim"))


def _verdict_line(verdict: re.Match[str]) -> Text:
    status, ratio = verdict["status"], verdict["ratio"] or ""
    style = "green" if status == "accepted" else "dark_orange"
    word = CHANGES_RESULTS if verdict["other"] else TRIAL_WORDS[cast(TrialStatus, status)]
    return Text.assemble((f"{ratio:>7}", style), f"  {verdict['what']}: ", (word, style))
