"""Draw the README's picture from a real run of the demo: `make picture`."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.text import Text

from api.cli.charts import before_after_bars
from api.cli.render import proposal_table
from graph.ledger import Ledger, Offer

PICTURE = Path(__file__).parent / "images" / "demo.svg"
WIDTH, BARS = 88, 4
_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def run_demo(home: Path) -> list[Offer]:
    """Run the demo to its question and return what it offers."""
    command = [str(Path(sys.executable).with_name("pillion")), "demo", "--json"]
    environment = {**os.environ, "PILLION_HOME": str(home)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    with closing(Ledger(home / "ledger.db")) as ledger:
        return ledger.offers(waiting=True)


def draw(offers: list[Offer]) -> str:
    """Return the terminal as SVG, without fonts from elsewhere."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ make demo", style="bold"))
    console.print(proposal_table([offer.proposal for offer in offers]))
    best = offers[0].proposal
    console.print(Text(f"{best.id}: {best.summary}\n", style="bold"))
    queries = sorted(best.evidence.queries, key=lambda q: -q.share)[:BARS]
    console.print(before_after_bars(queries, WIDTH))
    console.print(Text(f"{len(offers)} proposals wait for an answer: pillion review"))
    return _FONTS.sub("", console.export_svg(title="pillion"))


def main() -> None:
    """Run, draw, write."""
    with tempfile.TemporaryDirectory(prefix="pillion-picture-") as home:
        picture = draw(run_demo(Path(home)))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
