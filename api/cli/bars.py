"""A bar on the terminal for work whose steps can be counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.cli.shell import err


@contextmanager
def bar(title: str, *, quiet: bool) -> Iterator[Progress]:
    """Lend a bar with one task of unknown length; nothing is drawn where no person looks."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal) as progress:
        progress.add_task(title, total=None)
        yield progress
