"""A before/after bar chart for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from api.scale import Scale, left_out, picked, times_scale
from api.wording import factor, milliseconds, short
from tools.messages import QueryTiming

_BLOCKS = " ▏▎▍▌▋▊▉█"


def bar(part: float, width: int) -> str:
    """Return a bar of block characters that fills `part` of `width`, to an eighth of a cell."""
    eighths = max(round(part * width * 8), 1 if part > 0 else 0)
    full, rest = divmod(eighths, 8)
    return _BLOCKS[8] * full + (_BLOCKS[rest] if rest else "")


def before_after_bars(timings: Sequence[QueryTiming], width: int = 80) -> RenderableType:
    """Return two bars per query, most gained first, on one scale for all."""
    shown = picked(timings)
    if not shown:
        return Text("No query was measured.", style="dim")
    scale = times_scale(shown)
    labels = max(min(width * 2 // 5, 44), 12)
    room = max(width - labels - 18, 8)
    title = Text("Time of one run, before and after", style="bold")
    if scale.log:
        title.append("  (log scale)", style="dim")
    lines: list[Text] = [title, Text()]
    for timing in shown:
        lines += [*_bar_lines(timing, scale, labels, room), Text()]
    if more := left_out(timings, shown):
        lines.append(Text(more, style="dim"))
    return Group(*lines)


def _bar_lines(timing: QueryTiming, scale: Scale, labels: int, room: int) -> tuple[Text, Text]:
    lost, won = timing.ratio.high < 1, timing.ratio.low > 1
    word = "slower" if lost else "faster" if won else "no clear change"
    colour = "dark_orange" if lost else "dodger_blue1"
    verdict = Text(f"{factor(timing.ratio.mid)} {word}", style=colour if lost or won else "dim")
    rows = (
        (Text(short(timing.sql, labels - 2)), "before", timing.before_ms, "grey58"),
        (verdict, "after ", timing.after_ms, colour),
    )
    lines = []
    for head, name, value, style in rows:
        head.truncate(labels - 2, pad=True)
        drawn = Text(bar(scale(value.mid), room), style=style)
        lines.append(
            Text.assemble(head, "  ", (f"{name} ", "dim"), drawn, f" {milliseconds(value.mid)}")
        )
    return lines[0], lines[1]
