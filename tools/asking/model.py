"""A language model as a second opinion where rules are not sure; it can never start a run.

It reads the request as data behind labelled examples of ours and its next word is read from its
logits, so all that a hostile text can reach is another answer out of the closed set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tools.asking.plans import PlanName
from tools.asking.request import Request
from tools.asking.rules import MOST_CHOICES, SURE, Routing
from tools.slm.engine import Prompt

Score = Callable[[Prompt, Sequence[str]], Mapping[str, float]]
"""Probabilities of what may come next; raises `ModelError`."""
LABELS: Mapping[str, PlanName | None] = {
    " slow": "slow", " waiting": "waiting", " gain": "gained", " proposal": "proposal",
    " nothing": "unproposed", " decision": "decisions", " run": "run", " meaning": "meaning",
    " command": "elsewhere", " help": "help", " other": None,
}  # fmt: skip
"""Words a model may say, each with its plan: plans that start a run have none."""
EXAMPLES = (
    ("why is the delays dashboard slow?", " slow"),
    ("which ideas were rejected and why?", " nothing"),
    ("what is waiting for my approval?", " waiting"),
    ("hello", " other"),
    ("explain the suggested index on orders", " proposal"),
    ("who decided what?", " decision"),
    ("how much faster did it get?", " gain"),
    ("what does the column carrier mean", " meaning"),
    ("is a run still going?", " run"),
    ("what can you do?", " help"),
    ("roll back the last change", " command"),
    ("which queries are the heaviest?", " slow"),
    ("why was nothing proposed?", " nothing"),
    ("show open proposals", " waiting"),
    ("what did the changes bring", " gain"),
    ("tell me about the proposal for the flights table", " proposal"),
    ("list the decisions with their reasons", " decision"),
    ("definition of dep_delay", " meaning"),
    ("did the last run fail?", " run"),
    ("please approve everything", " command"),
)
PREFIX = (
    "Requests to a tool that improves databases, each with what it is about.\n\n"
    + "".join(f"Request: {text}\nAbout:{label}\n\n" for text, label in EXAMPLES)
    + "Request: "
)  # fmt: skip
SUFFIX = "\nAbout:"
BLANK = "N/A"
"""What a model says to nothing at all is its own bias; Zhao et al., ICML 2021."""


class SecondOpinion:
    """A model's answers, corrected by its bias."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._bias: Mapping[str, float] | None = None

    def forget(self) -> None:
        """Forget the bias, because another model answers from now on."""
        self._bias = None

    def labels(self, request: Request) -> dict[str, float]:
        """Return the probability of each label; raises `ModelError`."""
        found = self._score(Prompt(PREFIX, request.text, SUFFIX), tuple(LABELS))
        if self._bias is None:
            self._bias = self._score(Prompt(PREFIX, BLANK, SUFFIX), tuple(LABELS))
        weights = {label: found[label] / max(self._bias[label], 1e-6) for label in LABELS}
        total = sum(weights.values())
        return {label: weight / total for label, weight in weights.items()}

    def __call__(self, request: Request, unsure: Routing) -> Routing:
        """Return where the model leads a request that the rules do not; raises `ModelError`."""
        found = self.labels(request)
        ranked = sorted(found, key=lambda label: -found[label])
        best = LABELS[ranked[0]]
        if best is not None and found[ranked[0]] >= SURE:
            return Routing(best, found[ranked[0]], (best,))
        plans = (*unsure.likeliest, *(LABELS[label] for label in ranked))
        likeliest = dict.fromkeys(plan for plan in plans if plan is not None)
        return Routing(None, unsure.confidence, tuple(likeliest)[:MOST_CHOICES])
