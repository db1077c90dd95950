"""Commands that look: status, log, doctor."""

from __future__ import annotations

import asyncio
import importlib.metadata
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer
from filelock import FileLock, Timeout

from api.cli.boundary import REMEDIES, explain, looked_in, sound
from api.cli.model import judge_words
from api.cli.render import audit_table, status_table
from api.cli.shell import Json, err, load_settings, out, print_json, tell
from api.products import (
    HomeUnusable,
    check_writable,
    product_client,
    product_names,
    serving_of,
    target_of,
)
from api.views import offer_view
from api.wording import counted, size
from graph.audit import GENESIS, Verification
from graph.decisions import recorded
from graph.errors import GraphError, LedgerBroken
from graph.ledger import Ledger
from graph.policy import PolicyFile, PolicyUnusable
from graph.settings import Settings
from mcp_servers.product.errors import ServerGone, ToolFailed
from tools.lazy import lazy
from tools.slm.errors import ModelError

if TYPE_CHECKING:
    from graph import language, words
else:
    language, words = lazy("graph.language"), lazy("graph.words")

NO_LEDGER = Verification(False, 0, 1, GENESIS, "there is no ledger.db")
"""Whoever deletes it takes the whole trail along."""
RUNS_SHOWN = 20
NEEDED_FREE = 1_000_000_000


def status(json: Json = False) -> None:
    """Show products, runs, and what waits for an answer.

    Example: `pillion status`
    """
    settings = load_settings()
    if not settings.ledger_path.exists():
        view: dict[str, Any] = {"products": _known(settings)}
        view |= dict.fromkeys(("threads", "waiting", "overdue", "undelivered", "to_undo"), [])
    else:
        view = _status(settings)
    view["model"] = _words(language.words, settings)
    view["judge"] = _words(judge_words, settings)
    view["words"] = _words(words.told, settings)
    if json:
        print_json(view)
        return
    out.print(status_table(view["products"], view["threads"], view["waiting"]))
    if not view["products"]:
        tell(looked_in(settings))
    if view["overdue"]:
        late = ", ".join(view["overdue"])
        tell(f"Expired without an answer: {late}. `pillion run` measures them again.")
    if view["undelivered"]:
        tell(
            f"Answered and not carried out yet: {', '.join(view['undelivered'])}. The next"
            " `pillion review` or `run`, or the service, goes on."
        )
    if view["to_undo"]:
        tell(
            f"Asked to be taken back and not carried out yet: {', '.join(view['to_undo'])}. The"
            " next command that changes something, or the service, goes on."
        )
    tell(f"Language model: {view['model']}.")
    tell(f"Judge: {view['judge']}.")
    tell(f"Words: {view['words']}.")


def _words(told: Callable[[Settings], str], settings: Settings) -> str:
    try:
        return told(settings)
    except ModelError as exc:
        return f"none can be used: {exc}".removesuffix(".")


def _status(settings: Settings) -> dict[str, Any]:
    with closing(Ledger(settings.ledger_path)) as ledger:
        offers = ledger.offers(waiting=True)
        return {
            "products": _known(settings),
            "threads": [t._asdict() for t in ledger.threads()[:RUNS_SHOWN]],
            "waiting": [offer_view(o) for o in offers if not o.overdue],
            "overdue": [o.proposal.id for o in offers if o.overdue],
            "undelivered": [
                d.proposal_id for given in ledger.undelivered().values() for d in given
            ],
            "to_undo": [r.proposal_id for r in ledger.undo_requests()],
        }


def _known(settings: Settings) -> list[dict[str, Any]]:
    return [
        {"name": n, "serving": s.url if (s := serving_of(settings, n)) else None}
        for n in product_names(settings)
    ]


def log(
    verify: Annotated[bool, typer.Option("--verify", help="Check the hash chain.")] = False,
    decisions: Annotated[
        bool,
        typer.Option("--decisions", help="People's answers; with --json as `eval run` replays."),
    ] = False,
    last: Annotated[int, typer.Option(help="How many rows of the trail.", min=1)] = 50,
    json: Json = False,
) -> None:
    """Show the audit trail; `--verify` recomputes its hash chain, `--decisions` lists the answers.

    Example: `pillion log --verify`, or `pillion log --decisions --json > answers.json`
    """
    settings = load_settings()
    if verify and decisions:
        tell("Give --verify or --decisions, not both.", to=err)
        raise typer.Exit(2)
    if not settings.ledger_path.exists():
        if verify:
            _tell_verified(NO_LEDGER, "Is PILLION_HOME the right directory?", json=json)
        _no_log(settings, json=json)
        return
    with closing(Ledger(settings.ledger_path)) as ledger:
        if verify:
            _verify(ledger, json=json)
            return
        if decisions:
            _decisions(ledger, json=json)
            return
        rows = [r._asdict() for r in ledger.audit_rows(last)]
        print_json(rows) if json else out.print(audit_table(rows))


def _decisions(ledger: Ledger, *, json: bool) -> None:
    found = recorded(ledger)
    if json:
        print_json([d.model_dump(mode="json") for d in found])
        return
    for d in found:
        why = f": {d.reason}" if d.reason else ""
        when = f"{d.decided_at:%Y-%m-%d %H:%M}"
        tell(f"{when}  {d.principal} {d.verdict} {d.proposal_id} {d.kind} {d.target}{why}")
    if not found:
        tell("Nobody has answered a proposal yet; `pillion review` shows those that wait.")


def _no_log(settings: Settings, *, json: bool) -> None:
    if json:
        print_json([])
    else:
        tell(f"Nothing happened in {settings.home.absolute()} yet; `pillion run` is the beginning.")


def _verify(ledger: Ledger, *, json: bool) -> None:
    _tell_verified(ledger.verify(), "Compare with a backup of ledger.db.", json=json)


def _tell_verified(result: Verification, advice: str, *, json: bool) -> None:
    if json:
        print_json(result._asdict())
    if not result.ok:
        raise LedgerBroken(
            f"The audit trail is broken at row {result.broken_at}: {result.problem}. {advice}"
        )
    if not json:
        tell(f"{result.rows} rows, chain whole, head {result.head[:16]}.")


def doctor(json: Json = False) -> None:
    """Check this machine, the home directory and every product; says what to do about problems.

    Example: `pillion doctor`
    """
    settings = load_settings()
    checks = [*_machine(settings), *_state(settings), _language(settings), *_products(settings)]
    if json:
        print_json(checks)
    else:
        for check in checks:
            out.print("[green]ok[/]" if check["ok"] else "[red]!![/]", end=" ")
            tell(f"{check['check']}: {check['detail']}")
    if not all(c["ok"] for c in checks):
        raise typer.Exit(1)


def _machine(settings: Settings) -> list[dict[str, Any]]:
    home = settings.home.absolute()
    free = shutil.disk_usage(next(p for p in (home, *home.parents) if p.exists())).free
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("duckdb", "langgraph", "mcp")
    )
    disk = f"{free / 1e9:.1f} GB free; a shadow needs the database's size twice"
    return [
        _check("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        _check("libraries", True, versions),
        _home(settings),
        _check("disk", free > NEEDED_FREE, disk),
    ]


def _home(settings: Settings) -> dict[str, Any]:
    try:
        check_writable(settings.home)
    except HomeUnusable as exc:
        return _check("home", False, str(exc))
    return _check("home", True, str(settings.home.absolute()))


def _state(settings: Settings) -> list[dict[str, Any]]:
    checks = [_policy(settings)]
    if settings.ledger_path.exists():
        checks.append(_ledger(settings))
    elif settings.checkpoint_path.exists():
        lost = f"{settings.ledger_path.absolute()} is gone; restore it from a backup"
        checks.append(_check("audit trail", False, lost))
    if settings.checkpoint_path.exists():
        whole = sound(settings.checkpoint_path)
        path = settings.checkpoint_path.absolute()
        damaged = f"{path} is damaged. {REMEDIES[path.name]}"
        checks.append(_check("checkpoints", whole, "whole" if whole else damaged))
    return checks


def _policy(settings: Settings) -> dict[str, Any]:
    try:
        rules = PolicyFile(settings.home).read().rules
    except PolicyUnusable as exc:
        return _check("policy", False, f"{exc} Until then nothing can be approved.")
    return _check("policy", True, counted(len(rules), "rule") if rules else "one answer settles")


def _language(settings: Settings) -> dict[str, Any]:
    try:
        return _check("language model", True, language.examined(settings))
    except ModelError as exc:
        return _check("language model", False, f"{exc} Until then rules and templates serve.")


def _ledger(settings: Settings) -> dict[str, Any]:
    try:
        with closing(Ledger(settings.ledger_path)) as ledger:
            result = ledger.verify()
    except (sqlite3.Error, GraphError) as exc:
        return _check("audit trail", False, explain(exc, settings).text)
    detail = f"{result.rows} rows"
    if not result.ok:
        where = f"broken at row {result.broken_at}: {result.problem}"
        detail = f"{where}; compare with a backup of ledger.db"
    return _check("audit trail", result.ok, detail)


def _products(settings: Settings) -> list[dict[str, Any]]:
    names = product_names(settings)
    if not names:
        return [_check("products", True, "none yet; `pillion init --database FILE` adds one")]
    if busy(settings):
        return [_check("products", True, "not looked at: another Pillion command works here now")]

    async def look() -> list[dict[str, Any]]:
        return [await _product(settings, name) for name in names]

    return asyncio.run(look())


def busy(settings: Settings) -> bool:
    """Return whether another command holds the home."""
    try:
        with FileLock(settings.home / "steward.lock", timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


async def _product(settings: Settings, name: str) -> dict[str, Any]:
    try:
        async with product_client.connect(target_of(settings, name)) as client:
            found = await client.describe_product()
    except (ToolFailed, ServerGone, GraphError) as exc:
        return _check(f"product {name}", False, str(exc))
    trouble = "; ".join((*found.idle, *found.findings)[:3])
    tables = counted(len(found.tables), "table")
    detail = f"{found.engine}, {tables}, {size(found.bytes)}"
    return _check(f"product {name}", not trouble, f"{detail}. {trouble}".rstrip(". "))


def _check(name: str, ok: bool, detail: str) -> dict[str, Any]:
    return {"check": name, "ok": ok, "detail": detail}
