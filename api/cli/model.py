"""Commands about models: the judge that learns from answers, and language models."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import model_report, tuning
from api.cli.bars import bar
from api.cli.language import complete, convert, fetch, score, show_language
from api.cli.shell import Json, load_settings, out, print_json, tell
from api.products import check_writable
from api.wording import size, taken
from graph.settings import Settings
from tools.lazy import lazy
from tools.slm.errors import ModelError

if TYPE_CHECKING:
    from graph import language, learning
    from graph import ledger as ledgers
else:
    # `pillion --help` has no use for them.
    language, learning = lazy("graph.language"), lazy("graph.learning")
    ledgers = lazy("graph.ledger")

app = typer.Typer(
    name="model",
    help="""Models: the judge that learns from answers, and language models.

    Example: `pillion model train`
    """,
    no_args_is_help=True,
)
Model = Annotated[
    str, typer.Argument(help="A judge's id or a model's name; `pillion model list` shows them.")
]
JUDGE_ID = re.compile(r"j[0-9a-f]{12}")
for command in (fetch, convert, score, complete):
    app.command()(command)


def is_judge(name: str) -> bool:
    """Return whether a name is that of a judge; language models have others."""
    return JUDGE_ID.fullmatch(name) is not None


def judge_words(settings: Settings) -> str:
    """Return which judge serves, for people; raises `ModelError`."""
    serving = learning.store_of(settings).serving().id
    if serving is None:
        return "none: rules rank, and nothing is held back"
    return f"{serving} ranks and holds back; `pillion model show` tells how good it is"


@app.command()
def train(
    decisions: Annotated[
        list[Path] | None,
        typer.Option(help="More answers: a file that `pillion log --decisions --json` wrote."),
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Tune a language model instead (LoRA), and compare.")
    ] = False,
    base: Annotated[
        str | None, typer.Option(help="With --tune: which model; the one in use by default.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="With --tune: end with the best until then.", min=0.01)
    ] = None,
    batch: Annotated[int, typer.Option(help="With --tune: answers at a time.", min=1, max=64)] = 4,
    curve: Annotated[
        bool, typer.Option("--curve", help="With --tune: also tune on 40, 80, 160… answers.")
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(
            help="With --tune: also tune so many times, until every product was held out once.",
            min=3,
            max=20,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Learn a judge from the answers people gave, and say how good it is on held-out ones.

    Nothing changes until `pillion model use`. A training that was killed goes on where it was.
    `--tune` trains a LoRA adapter over a language model on the same answers, and says whether it,
    or a judge that learned from it, is better than the judge on facts.

    Example: `pillion model train`, or `pillion model train --tune --minutes 30`
    """
    settings = load_settings()
    check_writable(settings.home)
    with closing(ledgers.Ledger(settings.ledger_path)) as ledger:
        answers = learning.decisions_of(ledger, decisions or ())
        if tune:
            wanted = tuning.Wanted(base, minutes, batch, curve, rounds or 0)
            tuning.tune(settings, ledger, answers, wanted, json=json)
            return
    with bar("Learning", quiet=json) as progress:
        (task,) = progress.task_ids
        found = learning.learn(
            settings,
            answers,
            lambda total: progress.update(task, total=total),
            lambda name: progress.update(task, advance=1, description=name),
        )
    evaluation = found.trained.evaluation
    if json:
        print_json(
            {
                "id": found.id,
                "chosen": found.trained.chosen,
                "resumed": found.resumed,
                "dataset": found.dataset.digest,
                "contradictions": found.dataset.contradictions,
                "better": evaluation.beats(learning.RULES),
                "evaluation": evaluation.model_dump(mode="json"),
            }
        )
        return
    if found.resumed:
        tell(f"{found.resumed} steps were done already by a training that was stopped.")
    out.print(learning.store_of(settings).card(found.id), markup=False, highlight=False)
    if evaluation.beats(learning.RULES):
        tell(f"Next: pillion model use {found.id}")
    else:
        tell(f"{found.id} is not shown to be better than rules, so it cannot serve yet.")


@app.command("list")
def list_models(json: Json = False) -> None:
    """List the judges that were trained and the language models, and what is in use.

    Example: `pillion model list`
    """
    settings = load_settings()
    store = learning.store_of(settings)
    serving = store.serving().id
    rows = [_row(v, serving) for v in store.versions()]
    models = learning.languages_of(settings)
    used, known = models.used(), models.all()
    if json:
        named = [m.name for m in known]
        adapters = tuning.listed(settings)
        print_json(
            {
                "serving": serving,
                "judges": rows,
                "used": used,
                "models": named,
                "memory": {n: language.memory_of(settings, n) for n in named},
                "adapters": adapters,
            }
        )
        return
    for row in rows:
        mark = "serves" if row["serves"] else "kept"
        tell(f"{row['id']}  {mark}  {row['made_at']}  {row['chosen']}, {row['told']}")
    for model in known:
        mark = "used" if model.name == used else "kept"
        told = "its manifest is damaged"
        if model.manifest:
            memory = taken(language.memory_of(settings, model.name))
            told = f"{size(model.manifest.bytes)}, {memory}"
        tell(f"{model.name}  {mark}  {told}")
    for adapter in tuning.listed(settings):
        tell(f"{adapter['id']}  adapter  {adapter['made_at']}  {adapter['told']}")
    tell(f"Judge: {judge_words(settings)}.")
    tell(f"Language model: {language.words(settings)}.")


def _row(version: Any, serving: str | None) -> dict[str, Any]:
    row = {"id": version.id, "serves": version.id == serving}
    if version.about is None:
        return row | {"made_at": "?", "chosen": "?", "told": "what was known of it is damaged"}
    found = version.about.evaluation
    accuracy = found.metrics["judge"]["accuracy"]
    told = f"right {accuracy.value:.0%} of {found.held_out} held-out answers"
    made = f"{version.about.made_at:%Y-%m-%d %H:%M}"
    return row | {"made_at": made, "chosen": version.about.chosen, "told": told}


@app.command()
def show(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A judge's or an adapter's id, or a model's name; the judge by default."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show a judge's or an adapter's card (what it learned, how good it is), or a model's files.

    Every file is checked against its hash.

    Example: `pillion model show`, or `pillion model show smollm2-135m-instruct`
    """
    settings = load_settings()
    if model is not None and tuning.is_adapter(model):
        tuning.show(settings, model, json=json)
        return
    if model is not None and not is_judge(model):
        show_language(settings, model, json=json)
        return
    store = learning.store_of(settings)
    wanted = model or store.serving().id
    if wanted is None:
        tell(f"Judge: {judge_words(settings)}.") if not json else print_json(None)
        return
    store.load(wanted)
    about = store.version(wanted).about
    if json:
        print_json({"id": wanted, **(about.model_dump(mode="json") if about else {})})
        return
    out.print(store.card(wanted), markup=False, highlight=False)


@app.command()
def use(model: Model, json: Json = False) -> None:
    """Put a judge into service, or choose a language model.

    A judge has to beat rules and what serves now on held-out answers. A running service takes it
    at its next run, without a restart.

    Example: `pillion model use j0123456789ab`, or `pillion model use smollm2-135m-instruct`
    """
    settings = load_settings()
    check_writable(settings.home)
    if tuning.is_adapter(model):
        raise ModelError(
            f"{model} is an adapter: it is measured against the judge on facts, and does not rank."
            " Give a judge or a language model; `pillion model list` shows them."
        )
    if not is_judge(model):
        learning.languages_of(settings).use(model)
        _in_use("language model", language.words(settings), json=json)
        return
    with closing(ledgers.Ledger(settings.ledger_path)) as ledger:
        learning.promote(learning.store_of(settings), ledger, model, settings.person)
    _in_use("judge", judge_words(settings), json=json)


@app.command()
def undo(json: Json = False) -> None:
    """Take the last `pillion model use` of a judge back: what served before serves again.

    Example: `pillion model undo`
    """
    settings = load_settings()
    with closing(ledgers.Ledger(settings.ledger_path)) as ledger:
        learning.take_back(learning.store_of(settings), ledger, settings.person)
    _in_use("judge", judge_words(settings), json=json)


def _in_use(what: str, words: str, *, json: bool) -> None:
    if json:
        print_json({what.replace(" ", "_"): words})
    else:
        tell(f"{what.capitalize()}: {words}.")


app.command()(model_report.report)
