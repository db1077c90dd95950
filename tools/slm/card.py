"""The model card: what a judge is, how good it is, where it fails, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tools.estimates import Estimate
from tools.numbers import counted
from tools.plain_text import plain
from tools.slm.dataset import Dataset
from tools.slm.evaluation import Evaluation, Failure
from tools.slm.training import Trained

NAMES = {"auc": "AUC", "brier": "Brier score", "accuracy": "accuracy", "log_loss": "log loss"}


def card(trained: Trained, dataset: Dataset) -> str:
    """Return the card of a judge."""
    parts = (_what(trained, dataset), quality(trained.evaluation), _holding(trained.evaluation),
             _bias(trained.evaluation), _failing(trained.evaluation), _tried(trained))  # fmt: skip
    return "\n".join(line for part in parts for line in (*part, ""))


def _what(trained: Trained, dataset: Dataset) -> Iterator[str]:
    judge, approved = trained.judge, dataset.approved
    count = len(dataset.examples)
    yield "# The judge"
    yield ""
    yield (
        "Says how likely a person here is to approve a proposal, from its numbers and its kind of"
        " change. It reads no name, no text and no data. It orders proposals and holds back those"
        f" under P = {judge.threshold:.2f}; it can never approve one."
    )
    yield ""
    yield f"- Model: {trained.chosen}, calibrated on answers that were out of fold"
    yield (
        f"- Answers: {count} different ones of {dataset.given}, {approved} approved, about"
        f" {counted(len(dataset.products), 'product')}; learned from {judge.learned_from}"
    )
    yield f"- Held out: {trained.evaluation.held_out}, by {trained.evaluation.by}"
    yield f"- Dataset: {dataset.digest}"
    yield (
        f"- Contradictions: {counted(dataset.contradictions, 'answer')} to questions that were also"
        f" answered otherwise; by facts alone no judge can be right more often than"
        f" {dataset.best_accuracy:.0%}"
    )


def quality(found: Evaluation) -> Iterator[str]:
    """Yield how good a judge is, as Markdown."""
    yield "## How good, on what was held out"
    yield ""
    yield "| who | " + " | ".join(NAMES.values()) + " |"
    yield "|---|" + "---|" * len(NAMES)
    for who, metrics in found.metrics.items():
        yield f"| {who} | " + " | ".join(cell(metrics.get(m)) for m in NAMES) + " |"
    for who, ahead in found.ahead.items():
        yield f"| ahead of {who} | " + " | ".join(cell(ahead.get(m)) for m in NAMES) + " |"
    yield ""
    yield "Intervals are 95 % (bootstrap, whole products drawn where there are five or more)."
    yield ""
    yield from _table("kind of change", found.kinds)
    yield ""
    yield "| P said | approved |"
    yield "|---|---|"
    for b in found.bins:
        yield f"| {b.mean:.2f} ({b.low:.1f} to {b.high:.1f}) | {_share(b.approved)} |"


def _holding(found: Evaluation) -> Iterator[str]:
    holding = found.holding
    yield "## What its threshold does"
    yield ""
    yield f"- Held back of what people did not approve: {_share(holding.rejected_held)}"
    yield f"- Held back of what they approved: {_share(holding.approved_held)}"


def _bias(found: Evaluation) -> Iterator[str]:
    yield "## Bias"
    yield ""
    yield (
        "Wording cannot move it: names, queries, comments and reasons are no input. What is held"
        " back gets no answer, so the judge learns from its own choice; `--show-rejected` shows it."
    )
    yield ""
    for about, shares in found.bias.items():
        yield from _table("rows of the table" if about == "rows" else "product", shares)
        yield ""


def _failing(found: Evaluation) -> Iterator[str]:
    yield "## Where it fails"
    yield ""
    yield from map(_failure, found.failures)
    if not found.failures:
        yield "Nothing of what was held out was judged wrongly."


def _failure(f: Failure) -> str:
    # An edit is no approval of what was offered, nor a rejection.
    said = "approved" if f.approved else "not approved"
    because = f"; it saw: {f.because}" if f.because else ""
    return f"- `{plain(f.kind)}` of {plain(f.product)}: {said}, P = {f.probability:.2f}{because}"


def _tried(trained: Trained) -> Iterator[str]:
    yield "## What was tried"
    yield ""
    yield "| candidate | log loss out of fold |"
    yield "|---|---|"
    for name, loss in sorted(trained.tried.items(), key=lambda item: item[1]):
        yield f"| {name} | {loss:.3f} |"


def _table(what: str, shares: Mapping[str, Estimate]) -> Iterator[str]:
    yield f"| {what} | accuracy |"
    yield "|---|---|"
    for name, found in shares.items():
        yield f"| {plain(name).replace('|', '/')} | {_share(found)} |"


def cell(found: Estimate | None) -> str:
    """Write a value with its interval."""
    if found is None:
        return "–"
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _share(found: Estimate | None) -> str:
    if found is None:
        return "none there was"
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f}) of {found.of}"
