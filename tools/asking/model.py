"""A language model as a second opinion where rules are not sure; it can never start a run.

It reads the request as data between our words and is asked for a letter, so all that a hostile
text can reach is another answer out of the closed set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase

from tools.asking.plans import PLANS, STARTS, PlanName
from tools.asking.request import Request
from tools.asking.rules import MOST_CHOICES, SURE, Routing
from tools.slm.engine import Prompt

Score = Callable[[Prompt, Sequence[str]], Mapping[str, float]]
"""Probabilities of what may come next; raises `ModelError`."""
ANSWERS: tuple[PlanName, ...] = tuple(p for p in PLANS if p not in STARTS)
LETTERS = ascii_uppercase[: len(ANSWERS) + 1]
"""One for each plan that answers, and the last for none of them."""
CHOICES = tuple(f" {letter}" for letter in LETTERS)
_LISTED = "\n".join(
    f'{letter}. It {PLANS[plan].does}, as in "{PLANS[plan].example}"'
    for letter, plan in zip(LETTERS, ANSWERS, strict=False)
)
PREFIX = (
    "<|im_start|>user\nA person asks a tool that improves databases. Which answer does the request"
    f" want?\n{_LISTED}\n{LETTERS[-1]}. It has nothing to do with any of these\n\nRequest: "
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\nAnswer:"


def prompt_of(request: Request) -> Prompt:
    """Return what a model reads; all but the request is the same each time."""
    return Prompt(PREFIX, request.text, SUFFIX)


def second_opinion(request: Request, unsure: Routing, score: Score) -> Routing:
    """Return where a model leads a request that the rules do not; raises `ModelError`."""
    found = score(prompt_of(request), CHOICES)
    by_plan = {plan: found[c] for plan, c in zip(ANSWERS, CHOICES, strict=False)}
    ranked = sorted(by_plan, key=lambda plan: (-by_plan[plan], plan))
    sure = by_plan[ranked[0]] >= SURE and by_plan[ranked[0]] > found[CHOICES[-1]]
    if sure:
        return Routing(ranked[0], by_plan[ranked[0]], tuple(ranked[:MOST_CHOICES]))
    likeliest = dict.fromkeys((*unsure.likeliest, *ranked))
    return Routing(None, unsure.confidence, tuple(likeliest)[:MOST_CHOICES])
