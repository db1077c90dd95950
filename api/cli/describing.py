"""The command that drafts what a contract does not say, and puts in what a person accepts."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from api.cli.bars import bar
from api.cli.inspecting import busy
from api.cli.shell import Json, load_settings, out, print_json, tell, through_service
from api.products import check_writable, product_client, service_of, target_of
from api.wording import counted, spoken
from graph.errors import Busy, GraphError
from graph.ledger import Ledger
from graph.run_store import Describing
from graph.settings import Settings
from tools.failpoints import crash_point
from tools.lazy import lazy
from tools.plain_text import plain
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
    """Draft what the contract does not say: descriptions of tables and columns, shared names.

    They are told from structure, counts and queries, never from values. Nothing is written
    without --write, and then everything else in the file stays as it is.

    Example: `pillion describe sales --only orders`, then the same with `--write`
    """
    settings = load_settings()
    check_writable(settings.home)
    try:
        found = _drafts(settings, product, only or [], quiet=json)
        written = _accept(settings, product, found) if write else contract_edit.Written(0, 0)
    except ProductError as exc:
        raise GraphError(str(exc)) from exc
    if json:
        put = {"written": written.descriptions, "written_terms": written.terms}
        print_json({**found.model_dump(mode="json"), **put})
    else:
        _show(found, written, wrote=write)


def _drafts(settings: Settings, product: str, only: list[str], *, quiet: bool) -> describing.Drafts:
    """Return the drafts, from the service where one holds the home."""
    serving = service_of(settings)
    if serving is not None:
        path = f"/v1/products/{quote(product, safe='')}/drafts"
        found = through_service(lambda at, _: at.get(path, {"only": only}), serving, quiet=True)
        return describing.Drafts.model_validate(found)
    undescribed = asyncio.run(_look(settings, product, only))
    with (
        closing(language.Language(settings)) as model,
        closing(explaining.Explainer(settings, model)) as explainer,
    ):
        with bar("Wording", quiet=quiet or not settings.words_model) as progress:
            (task,) = progress.task_ids
            progress.update(task, total=len(undescribed.facts) + len(undescribed.terms))

            def tell_facts(facts: Facts) -> Words:
                progress.advance(task)
                return explainer.written(facts)

            return describing.drafted(undescribed, tell_facts)


async def _look(settings: Settings, product: str, only: list[str]) -> describing.Undescribed:
    target = target_of(settings, product)
    if busy(settings):
        raise Busy("Another Pillion command works here now; ask again when it is done.")
    async with product_client.connect(target) as client:
        return await describing.undescribed(client, only)


def _accept(settings: Settings, product: str, found: describing.Drafts) -> contract_edit.Written:
    if not (found.drafts or found.terms):
        return contract_edit.Written(0, 0)
    texts = {draft.key: draft.words.text for draft in found.drafts}
    terms = {term.name: term.words.text for term in found.terms}
    words = [*(d.words for d in found.drafts), *(t.words for t in found.terms)]
    by = ", ".join(f"{name} {n}" for name, n in sorted(Counter(w.by for w in words).items()))
    with closing(Ledger(settings.ledger_path)) as ledger:

        def note(step: Describing, written: contract_edit.Written) -> None:
            ledger.record_described(
                step, settings.person, product, contract=found.contract,
                written=written.descriptions, terms=written.terms, by=by,
            )  # fmt: skip

        # Before and after: whoever is killed in between has left a row.
        announce = partial(note, "describing")
        written = contract_edit.describe(Path(found.contract), texts, terms, announce)
        crash_point("describe.written")
        note("described", written)
    return written


def _show(found: describing.Drafts, written: contract_edit.Written, *, wrote: bool) -> None:
    for draft in found.drafts:
        out.print(plain(str(draft.key)), style="bold", markup=False, highlight=False)
        tell(f"  {spoken(draft.words)}")
    if found.terms:
        out.print("Glossary", style="bold")
    for term in found.terms:
        tell(f"  {spoken(term.words)}")
    if not (found.drafts or found.terms):
        tell(f"{found.contract} leaves nothing of that without a description.")
    elif wrote:
        put = f"{counted(written.descriptions, 'description')} and {counted(written.terms, 'term')}"
        tell(f"{put} written into {found.contract}.")
    else:
        drafts = counted(len(found.drafts) + len(found.terms), "draft")
        tell(f"{drafts}; nothing is written. --write puts them into {found.contract}.")
