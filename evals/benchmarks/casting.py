"""All-text ingest: what the casting queries cost before and after the approved set."""

from __future__ import annotations

from evals.benchmarks.command import home, outcome_of, pillion
from evals.benchmarks.comparing import compare, without_rows
from evals.benchmarks.report import Row
from tools.demo.flights import RUNS, build_flights, queries
from tools.messages import Interval
from tools.product.descriptor import load_descriptor

NAME = "casting"
CLAIM = (
    "All-text ingest: `pillion demo --yes` on a year of flights stored as text makes the total "
    "time of the queries that cast, weighted by how often each runs in the demo's month of log "
    "(live panels hourly, dashboards three times a day, reports daily), fall by 5× or more."
)
TARGET = 5.0


def casting_queries() -> dict[str, str]:
    """Return the demo's queries that cast a text column."""
    return {n: q for n, q in queries().items() if "CAST(" in q or "::" in q}


def run(quick: bool) -> list[Row]:
    """Run the demo from scratch, then time both files."""
    with home() as directory:
        budget = ("--budget", "30") if quick else ()
        outcome = outcome_of(pillion(directory, "demo", "--yes", *budget))
        raw = directory / "raw.duckdb"
        build_flights(raw, lambda step, done: None)
        product = directory / "home" / "products" / "flights" / "product.odps.yaml"
        texts = casting_queries()
        weights = {name: RUNS[name.partition(":")[0]] for name in texts}
        after = load_descriptor(product).database
        turns = 3 if quick else 15
        found = compare(raw, after, texts, weights, turns=turns, scratch=directory)
        fixed = without_rows(after, texts, weights, turns=turns, scratch=directory)
    kept = sum(status in ("applied", "verified") for status in outcome.statuses)
    return [
        Row("casting queries, processor time before / after", found.processor.mid, "×",
            _spread(found.processor), "≥ 5", found.processor.mid >= TARGET),
        Row("the same on the clock, two threads", found.ratio.mid, "×", _spread(found.ratio),
            "≥ 5", found.ratio.mid >= TARGET),
        Row("on the clock, each query once", found.once.mid, "×", _spread(found.once)),
        Row("a month of them before", found.before_ms / 1000, "s"),
        Row("a month of them after", found.after_ms / 1000, "s"),
        Row("the same when no table has a row", fixed / 1000, "s",
            "parsing, planning, starting: no change of the data saves it"),
        Row("threads at work before", found.threads[0], "", "processor / clock, of two"),
        Row("threads at work after", found.threads[1], "", "the same"),
        Row("queries timed", found.timed, "", target=f"{len(texts)}",
            holds=found.timed == len(texts)),
        Row("answers that changed", len(found.differing), "", "; ".join(found.differing), "0",
            not found.differing),
        Row("proposals applied and kept", kept, f"of {len(outcome.statuses)}"),
        Row("demo from nothing to proof", outcome.seconds, "s"),
    ]  # fmt: skip


def _spread(ratio: Interval) -> str:
    return f"{ratio.low:.2f}–{ratio.high:.2f} (95 %)"
