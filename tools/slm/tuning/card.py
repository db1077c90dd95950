"""The card of an adapter: what was tuned, how good it is beside every other, what ships."""

from __future__ import annotations

from collections.abc import Iterator

from tools.estimates import Estimate
from tools.numbers import counted
from tools.slm.card import NAMES, cell
from tools.slm.dataset import Dataset
from tools.slm.tuning.comparison import (
    JUDGE,
    RULES,
    SHOWN,
    STACKED,
    TAUGHT,
    TUNED,
    UNTUNED,
    Comparison,
)  # fmt: skip
from tools.slm.tuning.learning import Tuned
from tools.slm.tuning.shape import Shape

ENDS = {
    "nothing better": "the validation loss fell no further",
    "epochs": "all epochs were over",
    "time": "its time was over",
    "diverged": "its loss was no number any more; the best until then is kept",
}


def card(tuned: Tuned, dataset: Dataset, base: str, shape: Shape) -> str:
    """Return the card (Markdown)."""
    found = tuned.comparison
    parts = (_what(tuned, dataset, base, shape), table(found), _rounds(tuned), _verdict(tuned),
             _kinds(found), _curve(tuned))  # fmt: skip
    return "\n".join(line for part in parts for line in (*part, ""))


def _what(tuned: Tuned, dataset: Dataset, base: str, shape: Shape) -> Iterator[str]:
    standing = tuned.fitted.standing
    yield f"# {base}, tuned on answers"
    yield ""
    yield (
        "LoRA matrices over a language model that reads a proposal's facts as a line of words and"
        " says yes or no. It reads no name, no text and no data. It ranks nothing and holds nothing"
        " back: a judge on facts does, and this is what that is measured against."
    )
    yield ""
    yield (
        f"- Answers: {len(dataset.examples)} different ones, {dataset.approved} approved; tuned on"
        f" {tuned.learned_from}, held out {tuned.comparison.held_out} of"
        f" {counted(tuned.comparison.products, 'product')}"
    )
    yield f"- Dataset: {dataset.digest}"
    yield f"- Upper layers: {shape.layers}, rank {shape.rank}, scale {shape.scale:g}"
    yield (
        f"- Steps: {standing.step}, the best at {standing.best_step}, {standing.seconds:.0f} s;"
        f" ended because {ENDS[standing.ended]}"
    )
    yield "- Validation loss: " + ", ".join(f"{loss:.3f} at {s}" for s, loss in standing.losses)
    yield (
        f"- Contradictions: {dataset.contradictions}; by facts alone nobody can be right more often"
        f" than {dataset.best_accuracy:.0%}"
    )


def table(found: Comparison, title: str = "How good, on what was held out") -> Iterator[str]:
    """Yield the comparison as a Markdown table."""
    yield f"## {title}"
    yield ""
    yield "| who | " + " | ".join(NAMES.values()) + f" | ahead of {found.against} (Brier) |"
    yield "|---|" + "---|" * (len(NAMES) + 1)
    for who, metrics in found.metrics.items():
        cells = [cell(metrics.get(m)) for m in NAMES]
        yield f"| {who} | {' | '.join(cells)} | {cell(found.ahead.get(who, {}).get('brier'))} |"
    yield ""
    yield (
        "Each calibrated on answers that it did not learn from. Intervals are 95 % (bootstrap,"
        " whole products drawn where there are five or more)."
    )


def _rounds(tuned: Tuned) -> Iterator[str]:
    found = tuned.rounds
    if found is not None:
        of = f"{counted(found.held_out, 'answer')}, {counted(found.products, 'product')}"
        title = f"Every product held out once: {of}"
        yield from table(found, title)


def _verdict(tuned: Tuned) -> Iterator[str]:
    found, widest = tuned.comparison, tuned.widest
    yield "## What ships"
    yield ""
    yield f"- {verdict(widest)}"
    for name in (RULES, UNTUNED, SHOWN):
        by = widest if name in widest.tuned_ahead else found
        yield f"- Ahead of {name} (Brier score): {cell(by.tuned_ahead[name].get('brier'))}"
    for name, what in ((STACKED, "its score as one more feature"), (TAUGHT, "its lessons")):
        ahead = found.ahead[name].get("brier")
        kept = found.ahead_for_certain(name)
        word = "helps" if kept else "is not shown to help, so it is left out"
        yield f"- {what}: {word} ({cell(ahead)} ahead of the {JUDGE})"


def verdict(found: Comparison) -> str:
    """Say in a sentence whether the tuned model beats the judge on facts."""
    ahead = found.ahead[TUNED].get("brier")
    if ahead is None:
        return "The held-out part cannot tell them apart."
    told = f"Brier score better by {cell(ahead)}"
    if ahead.low > 0:
        return f"The tuned language model beats the judge on facts ({told})."
    if ahead.high < 0:
        return f"The tuned language model loses against the judge on facts ({told}): facts rank."
    return f"The tuned language model is not shown to beat the judge on facts ({told}): facts rank."


def _kinds(found: Comparison) -> Iterator[str]:
    kinds = sorted({kind for shares in found.kinds.values() for kind in shares})
    yield "## Accuracy by kind of change"
    yield ""
    yield "| kind | held out | " + " | ".join(found.kinds) + " |"
    yield "|---|---|" + "---|" * len(found.kinds)
    for kind in kinds:
        shares = [of.get(kind) for of in found.kinds.values()]
        count = next(s.of for s in shares if s is not None)
        yield f"| {kind} | {count} | {' | '.join(map(_short, shares))} |"


def _curve(tuned: Tuned) -> Iterator[str]:
    if tuned.curve:
        yield "## Tuned on fewer answers"
        yield ""
        yield "| answers | " + " | ".join(NAMES.values()) + " |"
        yield "|---|" + "---|" * len(NAMES)
        for count, found in tuned.curve.items():
            cells = [cell(found.metrics[TUNED].get(m)) for m in NAMES]
            yield f"| {count} | {' | '.join(cells)} |"


def _short(found: Estimate | None) -> str:
    return "–" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
