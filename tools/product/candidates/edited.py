"""Summaries as people edit them: the texts that answer their queries are written anew."""

from __future__ import annotations

from sqlglot import exp

from tools.messages import CreateSummary
from tools.product.candidates.answers import answer_from_summary
from tools.product.errors import Refused
from tools.product.fingerprint import parse


def with_own_answers(offered: CreateSummary, edited: CreateSummary) -> CreateSummary:
    """Return an edited summary with the queries that it answers, each by the text for it.

    Queries may be left out, not added, as no trial would compare their answers. Raises `Refused`.
    """
    known = dict(offered.rewrites)
    for query, text in edited.rewrites:
        if query not in known:
            raise Refused(
                "An edit of rewrites may leave queries out, not add any.",
                hint="Ask for a run over that query instead.",
            )
        if text not in (known[query], _answer(query, edited)):
            raise Refused(
                "The texts of rewrites are Pillion's: only they are known to answer the same.",
                hint="Leave them as they are; they follow the other fields.",
            )
    answers = [(query, _answer(query, edited)) for query, _ in edited.rewrites]
    rewrites = tuple((query, text) for query, text in answers if text is not None)
    if not rewrites:
        raise Refused(
            f"That summary would answer none of the {len(known)} queries that it is for.",
            hint="Keep the dimensions and aggregates that they need, or reject the proposal.",
        )
    return edited.model_copy(update={"rewrites": rewrites})


def _answer(query: str, summary: CreateSummary) -> str | None:
    """Answer a query that was answered before, whatever it calls the database."""
    tables = parse(query).find_all(exp.Table)
    called = dict.fromkeys(["", *(name for t in tables for name in (t.catalog, t.db))])
    answers = (answer_from_summary(query, summary, name) for name in called)
    return next((a for a in answers if a is not None), None)
