"""`pillion model report`: candidates compared in one table and one picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from api.cli.shell import Json, err, load_settings, out, print_json, tell
from api.model_words import headline, measured_with, quality_rows, stacked, written
from api.wording import safe
from tools.lazy import lazy

if TYPE_CHECKING:
    from api.report import html as pages
    from api.report import models as pictures
    from graph import learning
    from graph import ledger as ledgers
    from graph.candidates import report as candidates
    from tools.estimates import Estimate
    from tools.slm.criteria.results import ModelReport
else:
    # `pillion --help` has no use for them.
    learning, ledgers = lazy("graph.learning"), lazy("graph.ledger")
    candidates = lazy("graph.candidates.report")
    pages, pictures = lazy("api.report.html"), lazy("api.report.models")

WIDTH = 40
"""Cells from AUC 0 to 1."""


def report(
    decisions: Annotated[
        list[Path] | None,
        typer.Option(help="More answers: a file that `pillion log --decisions --json` wrote."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write it as a page with pictures.")
    ] = None,
    json: Json = False,
) -> None:
    """Compare who could judge proposals: size, memory, speed, quality, learning, safety.

    Rules, the judge on facts, and every language model that `pillion model list` knows, with its
    adapters. What cannot be measured is said, with how to get it. A report that was killed goes on
    where it was.

    Example: `pillion model report --html models.html`
    """
    settings = load_settings()
    with closing(ledgers.Ledger(settings.ledger_path)) as ledger:
        answers = learning.decisions_of(ledger, decisions or ())
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    quiet = json or not err.is_terminal
    with Progress(*columns, console=err, disable=quiet) as progress:
        task = progress.add_task("Measuring", total=None)
        found = candidates.report(
            settings, answers, lambda name: progress.update(task, description=name)
        )
    if html is not None:
        pages.write_page(pictures.models_page(found), html)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    show(found)
    if html is not None:
        tell(f"Report: {html}")


def show(found: ModelReport) -> None:
    """Print a report as a table and a chart."""
    tell(headline(found))
    table = Table("candidate", "quality", "takes", "needs, safety, learning", show_lines=True)
    for candidate in found.candidates:
        rows = ("\n".join(map(safe, cell.split("\n"))) for cell in stacked(candidate))
        table.add_row(*rows)
    out.print(table)
    for line in chart(quality_rows(found)):
        out.print(line)
    lacking = (f"{c.name}: {c.missing}" for c in found.candidates if c.missing)
    for told in (*found.missing, *lacking):
        tell(told)
    tell(measured_with(found))


def chart(rows: Sequence[tuple[str, Estimate]]) -> Iterator[Text]:
    """Yield a line for each candidate: its AUC as a point on its interval, from 0 to 1."""
    if not rows:
        return
    widest = max(len(name) for name, _ in rows)
    yield Text("AUC with its 95 % interval; one half is chance", style="bold")
    for name, auc in rows:
        line = Text(f"{name:>{widest}}  ")
        line.append(_drawn(auc), style="dodger_blue1" if auc.low > 0.5 else "grey58")
        line.append(f"  {written(auc)}")
        yield line
    half = WIDTH // 2
    yield Text(f"{'':>{widest}}  0{'½':>{half}}{'1':>{half}}", style="dim")


def _drawn(auc: Estimate) -> str:
    low, value, high = (round(v * WIDTH) for v in (auc.low, auc.value, auc.high))
    line = ["─" if low <= at <= high else " " for at in range(WIDTH + 1)]
    line[WIDTH // 2] = "┼" if low <= WIDTH // 2 <= high else "┊"
    line[value] = "●"
    return "".join(line)
