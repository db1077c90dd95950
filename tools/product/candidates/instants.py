"""Which expressions give an instant: what day one lies in depends on the session's time zone."""

from __future__ import annotations

from sqlglot import exp


def gives_instant(node: exp.Expr) -> bool:
    """Whether some part of an expression over local times and texts makes an instant of them."""
    parts = node.find_all(exp.AtTimeZone, exp.StrToTime)
    return any(_is_instant(p) for p in parts if not isinstance(_around(p), exp.AtTimeZone))


def _is_instant(node: exp.Expr) -> bool:
    """Whether a value is an instant; AT TIME ZONE makes one of a local time, and the reverse."""
    inner = node.unnest()
    if isinstance(inner, exp.AtTimeZone):
        return not _is_instant(inner.this)
    if isinstance(inner, exp.StrToTime):
        texts = inner.args["format"].find_all(exp.Literal)
        return any("%z" in text.name.lower() for text in texts)
    return False


def _around(node: exp.Expr) -> exp.Expr | None:
    outer = node.parent
    while isinstance(outer, exp.Paren):
        outer = outer.parent
    return outer
