"""The parts tables are made of: harmless text, coloured numbers, one look for all tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from api.wording import MISSING, between, change_words, factor, size_change
from tools.messages import Evidence, Interval, change_target
from tools.plain_text import plain

GOOD, BAD, NOTE, QUIET = "green", "bold red", "yellow", "dim"
_LABEL_WIDTH, _NARROW = 13, 72


def open_table(title: str | None = None, *, leading: int = 0) -> Table:
    """Return an empty table in the look all tables share."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        header_style="bold",
        leading=leading,
    )


class NumbersTable:
    """Rows of a thing, its numbers and, where it is named, a last word.

    A terminal too narrow for a table gets each row by itself, its numbers named: else the column of
    the thing, its id for commands in it, would be a few characters wide.
    """

    def __init__(self, thing: str, numbers: Sequence[str], last: str = "") -> None:
        self._thing, self._numbers, self._last = thing, numbers, last
        self._rows: list[tuple[Text, ...]] = []

    def add(self, thing: Text, *cells: Text) -> None:
        """Add a row, with a cell for each number and one for the last word, if there is one."""
        self._rows.append((thing, *cells))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it for the width there is."""
        yield self._by_themselves() if options.max_width < _NARROW else self._table()

    def _table(self) -> Table:
        table = open_table(leading=1)
        table.add_column(self._thing, overflow="fold")
        for name in self._numbers:
            table.add_column(name, justify="right", no_wrap=True)
        if self._last:
            table.add_column(self._last, overflow="fold")
        for row in self._rows:
            table.add_row(*row)
        return table

    def _by_themselves(self) -> Group:
        lines: list[Text] = []
        for thing, *cells in self._rows:
            # The last word, where there is one, has no number's name.
            named = zip(self._numbers, cells, strict=False)
            told = Text(", ").join(_on_one_line(name, cell) for name, cell in named)
            lines += [Text(), thing, told]
            if self._last:
                lines.append(Text(f"{self._last}: ", QUIET) + cells[-1])
        return Group(*lines, Text())


def _on_one_line(name: str, cell: Text) -> Text:
    value, *bounds = cell.split()
    return Text.assemble((f"{name} ", QUIET), value, *(f" ({b.plain})" for b in bounds))


def text(value: object, style: str = "") -> Text:
    """Return hostile text as a cell that prints on one line and means nothing to a terminal."""
    return Text(plain(value), style=style)


def stacked(*lines: Text) -> Text:
    """Return lines of different style as one cell."""
    return Text("\n").join(lines)


def ratio_style(interval: Interval) -> str:
    """Return the colour of a certain gain or a certain loss."""
    if interval.high < 1:
        return BAD
    return GOOD if interval.low > 1 else ""


def gain_cell(interval: Interval | None) -> Text:
    """Return a ratio above its interval."""
    if interval is None:
        return Text(MISSING, style=QUIET)
    return stacked(
        Text(factor(interval.mid), style=ratio_style(interval)), Text(between(interval), QUIET)
    )


def change_cell(change: Any) -> Text:
    """Return what a change does above where."""
    return stacked(text(change_words(change)), text(change_target(change), QUIET))


def space_cell(evidence: Evidence | None) -> str:
    """Return by how much the stored size changes."""
    if evidence is None:
        return MISSING
    return size_change(evidence.bytes_before, evidence.bytes_after)


def facts(pairs: Sequence[tuple[str, Text]]) -> Table:
    """Return labelled lines; labels of several such grids stand under each other."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=QUIET, no_wrap=True, min_width=_LABEL_WIDTH)
    grid.add_column(overflow="fold")
    for label, value in pairs:
        grid.add_row(label, value)
    return grid
