"""Rules that find the plan of a request from its words alone: no model, no data, no state.

The catalogue is no input, so no name, comment or query in a product can lead a request anywhere.
A plan that starts a run needs an order in so many words; one word of deciding, undoing, changing
or of not doing is enough against it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from tools.asking.plans import PLANS, STARTS, PlanName
from tools.asking.request import Request

SURE = 0.6
"""Confidence below which a request is asked back."""
SURE_TO_START = 0.8
MOST_TO_START = 40
"""Words of an order; a longer text is told something, or was pasted."""
NOTHING = 2.0
"""Points of the possibility that no plan is meant."""
MOST_CHOICES = 3

_LOOK = r"(?:look(?:ing)?|find|search|check|analy[sz]e|inspect|examine|run|scan|hunt|seek|see)"
_SCHEMA = (
    r"(?:schema|types?|index(?:es)?|indices|structure|columns?|sort(?:ing)? order|constraints?)"
)
_QUERY = r"(?:query|queries|sql|rewrit\w*|summary|summaries|statements?)"
_CHANGE = (
    r"(?:approve|accept|reject|decline|deny|refuse|undo|revert|roll ?back|restore|drop|delete"
    r"|remove|rename|add|create|alter|apply|truncate|insert|update|replace|merge|edit|grant|revoke"
    r"|confirm|kill|erase|wipe|purge|expire|set)"
)
_POLITE = r"^(?:(?:please|now|hey|hi|pillion|ok|okay|just|kindly|can you|could you|would you) )*"
_ONLY = r"(?:only|just|nothing but|alone|solely)"

RULES: tuple[tuple[PlanName, float, str], ...] = (
    ("slow", 4, r"\b(slow|slower|slowest|slowly|slowness|sluggish|laggy|lags?|hangs?|crawls?)\b"),
    ("slow", 4, r"\btak(e|es|ing) (so |too |very |such )?(long|a long time|forever|ages)\b"),
    ("slow", 4, r"\b(heaviest|costliest|most expensive|longest running|bottlenecks?)\b"),
    ("slow", 3, r"\b(eats?|takes?|costs?|spends?|needs?) (\w+ )?(the )?(most|much|lot)\b"),
    ("slow", 3, r"\b(most of the|all the|where the|the whole) time\b"),
    ("slow", 1, r"\b(quer(y|ies)|statements?|selects?|dashboards?|reports?|pages?|load(ing)?)\b"),
    ("waiting", 4, r"\bwait(s|ing)?\b"),
    ("waiting", 4, r"\b(pending|unanswered|outstanding|undecided|queue|todo|to do list|inbox)\b"),
    ("waiting", 4, r"\bopen (proposals?|suggestions?|questions?)\b|\bstill open\b"),
    ("waiting", 3, r"\b(what|anything|something|which).*\b(have to|need to|should|must)\b.*"
                   r"\b(decide|review|answer|approve|look at)\b"),
    ("waiting", 1, r"\b(for me|my)\b"),
    ("waiting", 1, r"\b(proposals?|suggestions?)\b"),
    ("gained", 4, r"\b(gain(s|ed)?|benefits?|speedups?|sav(e|ed|ings?))\b"),
    ("gained", 4, r"\bhow much (faster|quicker|better|time|space|smaller)\b"),
    ("gained", 4, r"\b(what|which|list|show)\b.*"
                    r"\b(done|happened|achieved|improved|brought|bring)\b"),
    ("gained", 4, r"\b(what|which|list|show)\b.*\b(applied|changed|made) ?(\w+ )?(changes?)?"),
    ("gained", 3, r"\b(changes|did the changes?|worth it|results?|pay off|paid off)\b"),
    ("gained", 2, r"\bwhat (did|have|has) \w+ .*\b(change|do|improve)\b"),
    ("proposal", 4, r"\bexplain\b"),
    ("proposal", 3, r"\bxid\b"),
    ("proposal", 3, r"\b(tell me( more)? about|details?|evidence|risks?|risky)\b"),
    ("proposal", 2, r"\bwhy\b.*\b(suggest|propose|recommend)\b"),
    ("proposal", 1, r"\b(proposals?|suggest(ed|ions?)?|proposed)\b"),
    ("unproposed", 6, r"\b(why|how come)\b.*\b(nothing|not|no|didnt|dont|never|none|without)\b"),
    ("unproposed", 4, r"\b(ideas?|candidates?)\b.*\b(lost|rejected|refused|failed|not|dropped)\b"),
    ("unproposed", 4, r"\bwhy\b.*\b(rejected|refused|held back|thrown away|discarded)\b"),
    ("unproposed", 4, r"\b(tried|try|thrown away|discarded|held back)\b"),
    ("unproposed", 1, r"\bideas?\b"),
    ("decisions", 5, r"\b(who|whom|whose)\b"),
    ("decisions", 6, r"^(did|has|have) (any|some|no) ?(body|one)\b"),
    ("decisions", 4, r"\b(decisions?|decided|approvals|rejections|signed off|verdicts?)\b"),
    ("decisions", 3, r"\b(reasons?|answers?)\b.*\b(given|gave|for rejecting|for approving)\b"),
    ("decisions", 3, r"\b(given|gave)\b.*\b(reasons?|answers?)\b"),
    ("decisions", 3, r"\bwhat did (?!you|the|we|i\b|it)\w+ (decide|answer|approve|reject|say)\b"),
    ("run", 5, r"\b(status (of|on)|the status|progress|how far)\b|^status\b"),
    ("run", 4, r"\b(last|latest|current|this|that|which|show|list|the|a) runs?\b"),
    ("run", 5, r"\bxrun\b"),
    ("run", 3, r"\bstill (going|running|measuring|working|busy)\b|\b(finished|done yet|ready)\b"),
    ("run", 3, r"\b(fail(ed)?|crash(ed)?|right now|going on)\b"),
    ("run", 2, r"^(when|is|did|has|are|how)\b.*\b(runs?|analysis|measuring)\b"),
    ("meaning", 5, r"\b(mean|means|meaning|stands? for|definition|define|describe|description)\b"),
    ("meaning", 4, r"\b(contract|promised?|promises)\b"),
    ("meaning", 4, r"^what( i)?s (in )?(the (column|table|field) )?xname$"),
    ("meaning", 3, r"\b(which|what)\b(?!.*\b(changed|done|made)\b).*"
                   r"\b(columns?|fields?|types?|tables?|data)\b"),
    ("meaning", 1, r"\b(columns?|fields?|tables?)\b"),
    ("elsewhere", 8, rf"{_POLITE}(i |we |lets |and |yes |you (may|can|should|must) )*{_CHANGE}\b"),
    ("elsewhere", 6, rf"{_POLITE}(change|make) (the )?(types?|columns?|tables?|names?)\b"),
    ("elsewhere", 3, rf"\b{_CHANGE}\b"),
    ("elsewhere", 7, rf"\b{_CHANGE} (everything|all|it|them|the|this|that|xid|any)\b"),
    ("elsewhere", 8, r"^(please )?(take|get|bring) .*\bback\b"),
    ("elsewhere", 7, r"\b(go ahead|do it|ship it|say (no|yes)|agreed?)\b"),
    ("help", 8, r"^help( me)?( please)?$"),
    ("help", 7, r"\bwhat (can|could|do) (you|i) (do|ask|know|understand)\b|\bgood for\b"),
    ("help", 7, r"\bhow (does|do|can|should) (this|it|i|you) (work|use)\b"),
    ("help", 6, r"\b(which|what) (questions?|commands?|requests?)\b|\bwhere do i start\b"),
    ("improve", 7, rf"\b{_LOOK} .*\bimprove(d|ments?)?\b|\b{_LOOK} .*\b(better|pays)\b"),
    ("improve", 7, rf"{_POLITE}(re)?(start|begin|kick off|launch|do|make) (a|an|another|the)"
                   r"( new)? (run|analysis)\b"),
    ("improve", 7, rf"{_POLITE}(analy[sz]e|optimi[sz]e|tune|improve|speed up|measure)\b"),
    ("improve", 7, rf"{_POLITE}(make|get) .*\b(faster|quicker|better|smaller)\b"),
    ("improve", 7, rf"{_POLITE}(run|start) (the )?agents?\b|\banother look\b"),
    ("improve_schema", 9, rf"{_POLITE}{_LOOK} .*\b(?<!sales ){_SCHEMA}\b(?!.*\b{_QUERY}\b)"),
    ("improve_schema", 4, rf"^(?=.*\b{_LOOK}\b)(?=.*\b{_ONLY}\b).*\b{_SCHEMA}\b"),
    ("improve_query", 9, rf"{_POLITE}{_LOOK} .*\b{_QUERY}\b(?!.*\b(schema|types|structure)\b)"),
    ("improve_query", 4, rf"^(?=.*\b{_LOOK}\b)(?=.*\b{_ONLY}\b).*\b{_QUERY}\b"),
)  # fmt: skip
"""Points for a plan where a pattern is found; each pattern counts once."""
_COMPILED = tuple((plan, points, re.compile(pattern)) for plan, points, pattern in RULES)
_ASKS = re.compile(
    r"^(why|what|whats|which|who|whose|when|where|how|did|does|do you|is|are|was|were|has|have you"
    r"|had|should|would it|am)\b"
)
_SHOWS = re.compile(
    rf"{_POLITE}(?:see|check|find|show|scan|inspect|look (?:at|up|into))(?: (?:out|me|for))? (?:"
    r"(?:which|what|how|who|whose|why|where|when)\b"
    r"|(?:the |my |all |a )?(?:slowest|heaviest|costliest|most expensive|proposals?|suggestions?"
    r"|runs?|decisions?|answers?|(?:columns?|tables?|fields?|types?) (?:of|in|xname)\b))"
)
"""Begins what asks to be shown something that is there."""
_BETTERS = re.compile(r"\b(improv\w*|better|faster|unused|missing|rewrit\w*|pays?)\b")
_VETO = re.compile(
    rf"\b({_CHANGE}|ignore|disregard|forget|override|bypass|pretend|instructions?|prompts?|system"
    r"|approv\w*|not|dont|never|stop|cancel|without asking|yourself|unless|instead)\b"
)


class Routing(NamedTuple):
    """What a request seems to want."""

    plan: PlanName | None
    """None where it has to be asked back."""
    confidence: float
    """Of the likeliest plan, 0 to 1; made by hand, not calibrated."""
    likeliest: tuple[PlanName, ...]
    """At most three, likeliest first."""


def route(request: Request) -> Routing:
    """Return the plan of a request, or the likeliest ones where the rules are not sure."""
    points = score(request)
    if not points:
        return Routing(None, 0.0, ("slow", "waiting", "meaning"))
    total = math.exp(NOTHING) + sum(math.exp(p) for p in points.values())
    ranked = sorted(points, key=lambda plan: (-points[plan], plan))
    first, confidence = ranked[0], math.exp(points[ranked[0]]) / total
    enough = SURE_TO_START if first in STARTS else SURE
    return Routing(
        first if confidence >= enough else None, confidence, tuple(ranked[:MOST_CHOICES])
    )


def score(request: Request) -> Mapping[PlanName, float]:
    """Return the points of each plan that has some."""
    points: dict[PlanName, float] = {}
    for plan, worth, pattern in _COMPILED:
        if pattern.search(request.words):
            points[plan] = points.get(plan, 0.0) + worth
    if may_start(request):
        return points
    return {plan: p for plan, p in points.items() if plan not in STARTS}


def may_start(request: Request) -> bool:
    """Return whether nothing in a request speaks against that it orders a run."""
    if len(request.every_word.split()) > MOST_TO_START:
        return False
    if _SHOWS.search(request.words) and not _BETTERS.search(request.words):
        return False
    return not (_ASKS.search(request.words) or _VETO.search(request.every_word))


assert {plan for plan, _, _ in RULES} == set(PLANS)
