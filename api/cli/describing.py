"""The command that drafts what a contract does not say, and puts in what a person accepts."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import track

from api.cli.inspecting import busy
from api.cli.shell import Json, err, load_settings, out, print_json, tell
from api.products import check_writable, product_client, service_of, target_of
from api.wording import counted, spoken
from graph.errors import Busy, GraphError
from graph.ledger import Ledger
from graph.settings import Settings
from tools.lazy import lazy
from tools.product.errors import ProductError

if TYPE_CHECKING:
    from api import describing, explaining
    from api.asking import language
    from tools.product import contract_edit
    from tools.words.facts import Facts
    from tools.words.told import Words
else:
    # `pillion --help` has no use for them.
    describing, explaining = lazy("api.describing"), lazy("api.explaining")
    language, contract_edit = lazy("api.asking.language"), lazy("tools.product.contract_edit")


def describe(
    product: Annotated[str, typer.Argument(help="The product's name.")],
    only: Annotated[
        list[str] | None, typer.Option(help="Only TABLE or TABLE.COLUMN; again for more.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Accept the drafts: put them into the contract.")
    ] = False,
    json: Json = False,
) -> None:
    """Draft descriptions of tables and columns that the contract leaves without one.

    They are told from structure, counts and queries, never from values. Nothing is written
    without --write, and then everything else in the file stays as it is.

    Example: `pillion describe sales --only orders`, then the same with `--write`
    """
    settings = load_settings()
    check_writable(settings.home)
    try:
        found = asyncio.run(_look(settings, product, only or []))
        told, terms = _tell_all(settings, found, quiet=json)
        written = _accept(settings, product, found, told) if write and told else 0
    except ProductError as exc:
        raise GraphError(str(exc)) from exc
    if json:
        print_json(_view(found, told, terms, written))
    else:
        _show(found, told, terms, written, wrote=write)


async def _look(settings: Settings, product: str, only: list[str]) -> describing.Undescribed:
    target = target_of(settings, product)
    if service_of(settings) is not None:
        raise Busy("`pillion serve` holds this home and the databases; stop it, then describe.")
    if busy(settings):
        raise Busy("Another Pillion command works here now; ask again when it is done.")
    async with product_client.connect(target) as client:
        return await describing.undescribed(client, only)


def _tell_all(
    settings: Settings, found: describing.Undescribed, *, quiet: bool
) -> tuple[dict[contract_edit.Key, Words], list[Words]]:
    with (
        closing(language.Language(settings)) as model,
        closing(explaining.Explainer(settings, model)) as explainer,
    ):
        hidden = quiet or not settings.words_model or not err.is_terminal
        drafts: list[tuple[contract_edit.Key, Facts]] = list(found.facts.items())
        told = {
            key: explainer.written(facts)
            for key, facts in track(drafts, "Wording", console=err, disable=hidden)
        }
        return told, [explainer.written(facts) for facts in found.terms]


def _accept(
    settings: Settings,
    product: str,
    found: describing.Undescribed,
    told: dict[contract_edit.Key, Words],
) -> int:
    texts = {key: words.text for key, words in told.items()}
    written = contract_edit.describe(found.contract, texts)
    by = Counter(words.by for words in told.values())
    with closing(Ledger(settings.ledger_path)) as ledger:
        ledger.record_described(
            settings.person, product, contract=str(found.contract), written=written,
            by=", ".join(f"{name} {n}" for name, n in sorted(by.items())),
        )  # fmt: skip
    return written


def _view(
    found: describing.Undescribed,
    told: dict[contract_edit.Key, Words],
    terms: list[Words],
    written: int,
) -> dict[str, Any]:
    drafts = [
        {"path": str(key), "table": key.table, "column": key.column, **words.model_dump()}
        for key, words in told.items()
    ]
    glossary = [words.model_dump() for words in terms]
    path = str(found.contract)
    return {"contract": path, "drafts": drafts, "terms": glossary, "written": written}


def _show(
    found: describing.Undescribed,
    told: dict[contract_edit.Key, Words],
    terms: list[Words],
    written: int,
    *,
    wrote: bool,
) -> None:
    for key, words in told.items():
        out.print(str(key), style="bold", markup=False, highlight=False)
        tell(f"  {spoken(words)}")
    if terms:
        out.print("Terms", style="bold")
    for words in terms:
        tell(f"  {spoken(words)}")
    if not told:
        tell(f"{found.contract} leaves nothing of that without a description.")
    elif wrote:
        tell(f"{counted(written, 'description')} written into {found.contract}.")
    else:
        drafts = counted(len(told), "draft")
        tell(f"{drafts}; nothing is written. --write puts them into {found.contract}.")
