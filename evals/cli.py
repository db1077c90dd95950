"""`pillion eval`: how good the suggestions are, on products whose right answers are known."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_args

import typer

from evals.errors import UnknownName
from tools.lazy import lazy
from tools.output import written
from tools.plain_text import plain

if TYPE_CHECKING:
    from evals import approvers, commands, options, suites
    from evals.results import SuiteResult
    from evals.scenarios import families
else:
    # `pillion --help` has no use for Inspect and DuckDB.
    approvers, suites = lazy("evals.approvers"), lazy("evals.suites")
    options = lazy("evals.options")
    commands, families = lazy("evals.commands"), lazy("evals.scenarios.families")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
app = typer.Typer(
    name="eval",
    help="Measure how good the suggestions are, on products whose right answers are known by other"
    " means.\n\nExample: `pillion eval run --suite smoke`",
    no_args_is_help=True,
)


def _say(message: str, *, err: bool = False) -> None:
    with written():
        typer.echo(message, err=err)


def _print_json(value: Any) -> None:
    _say(jsonlib.dumps(value, indent=2))


def _refuse(message: str) -> NoReturn:
    _say(message, err=True)
    raise typer.Exit(2)


def _absolute(approver: str) -> str:
    """Let a file of recorded answers be found when the run is resumed elsewhere."""
    kind, given, path = approver.partition(":")
    return f"{kind}{given}{Path(path).absolute()}" if given and path else approver


def _told(context: typer.Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return those arguments that were typed."""
    sources = {name: context.get_parameter_source(name) for name in arguments}
    return {n: v for n, v in arguments.items() if (s := sources[n]) and s.name == "COMMANDLINE"}


@app.command("list")
def list_suites(json: Json = False) -> None:
    """List the suites, the families of scenarios, who can answer and who is judged beside.

    Example: `pillion eval list`
    """
    if json:
        known = suites.suites().items()
        _print_json(
            {
                "suites": {n: s._asdict() | {"allowed": str(s.allowed)} for n, s in known},
                "families": families.described(),
                "approvers": [*approvers.names(), "replay:FILE"],
                "baselines": get_args(options.BaselineName),
            }
        )
        return
    for name, suite in suites.suites().items():
        seeds = ", ".join(map(str, suite.seeds))
        allowed = f"{suite.allowed.start} to {suite.allowed.stop - 1}"
        _say(f"{name}: {len(suite.families)} families, seeds {seeds} (of {allowed})")
    for family, says in families.described().items():
        _say(f"  {family:<20} {says}")
    _say(f"Approvers: {', '.join(approvers.names())}, replay:FILE")
    _say(f"Baselines: {', '.join(get_args(options.BaselineName))}")


@app.command()
def run(
    context: typer.Context,
    suite: Annotated[str, typer.Option(help="smoke, dev or full.")] = "smoke",
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
    seed: Annotated[
        str, typer.Option(help="Only this seed, or a range with both its ends: 20-40.")
    ] = "",
    approver: Annotated[
        str, typer.Option(help="Who answers the proposals; replay:FILE answers as people did.")
    ] = "oracle",
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="Who else is judged beside it; may be given again. See `eval list`."),
    ] = None,
    thorough: Annotated[
        bool | None,
        typer.Option(
            "--thorough/--quick",
            help="Run again after the answers, and do the same by hand; not in smoke by default.",
        ),
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit 1 when it is worse than the committed baseline.")
    ] = False,
    exhaustive: Annotated[
        bool,
        typer.Option(
            "--exhaustive",
            help="Judge every set of known ideas for the best reachable gain; slow, not for smoke.",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the newest run that was interrupted, and asked for as told beside it.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Play scenarios through the real graph, judge every proposal, say how good they were.

    Example: `pillion eval run --suite dev --family raw_text --approver strict_dba`
    """
    if gate and (suite, family, seed, approver) != ("smoke", None, "", "oracle"):
        _refuse("--gate is for the whole smoke suite, answered by oracle: so is its baseline.")
    if gate and thorough:
        _refuse("--gate is for a quick run, as its baseline is: leave --thorough out.")
    if exhaustive and suite == "smoke":
        _refuse("--exhaustive takes minutes a scenario: use it with --suite dev or full.")
    arguments: dict[str, Any] = {
        "family": family or "", "seed": seed, "approver": _absolute(approver),
        "baseline": ",".join(baseline or ()),
        "thorough": suite != "smoke" if thorough is None else thorough,
    }  # fmt: skip
    if exhaustive:
        arguments["exhaustive"] = True
    try:
        again = _told(context, {"suite": suite, **arguments}) if resume else None
        log, result = commands.run(suite, arguments, again=again)
    except UnknownName as exc:
        _refuse(str(exc))
    moved = commands.against_baseline(result) if gate else []
    lost = commands.gate.losses(moved)
    if json:
        body = {"log": str(log), **commands.document(result)}
        _print_json(body | ({"gate": commands.moved_document(moved)} if gate else {}))
    else:
        for line in (*commands.lines(result), *commands.moved_lines(moved), f"Log: {log}"):
            _say(line)
    if lost:
        worse = ", ".join(m.metric for m in lost)
        _say(f"Worse than the committed baseline: {worse}.", err=True)
        raise typer.Exit(1)


@app.command()
def report(
    results: Annotated[
        list[Path] | None,
        typer.Argument(help="Logs or results, several as if one run; the newest run by default."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Where the page is written.")] = None,
    pool_different_code: Annotated[
        bool,
        typer.Option(
            "--pool-different-code",
            help="Pool results even where different states of the code are known to have played.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Show a run again and write it as a page with pictures.

    Runs of one suite with other seeds or families, from other machines, too, are pooled into one.

    Example: `pillion eval report --html report.html`

    Example: `pillion eval report monday.json tuesday.json --json > both.json`
    """
    found = commands.pooled(results or [], different_code=pool_different_code)
    page = None if json and html is None else commands.write_page(found, html)
    if json:
        _print_json(commands.document(found))
        return
    for line in (*commands.lines(found), f"Report: {page}"):
        _say(line)


@app.command()
def compare(
    earlier: Annotated[Path, typer.Argument(help="A log or a result.")],
    later: Annotated[Path, typer.Argument(help="Another of the same suite.")],
    json: Json = False,
) -> None:
    """Say what got better or worse beyond chance; exit code 1 when something got worse.

    Example: `pillion eval compare evals/baseline.json new.json`, each from `report --json` or a log
    """
    before, after = (commands.result_of(path) for path in (earlier, later))
    moved = commands.gate.compare(before, after)
    if json:
        _print_json(commands.moved_document(moved))
    else:
        for line in commands.moved_lines(moved):
            _say(line)
    if commands.gate.losses(moved):
        raise typer.Exit(1)


@app.command()
def repeat(
    one: Annotated[Path, typer.Argument(help="A log or a result.")],
    other: Annotated[Path, typer.Argument(help="Another run of the same suite and seeds.")],
    json: Json = False,
) -> None:
    """Say how far two runs of the same suite agree: what they propose, and the verdicts.

    Example: `pillion eval repeat .pillion/evals/first.eval .pillion/evals/second.eval`
    """
    found = commands.repeats.agreement(commands.result_of(one), commands.result_of(other))
    if json:
        _print_json(commands.agreement_document(found))
        return
    for line in commands.agreement_lines(found):
        _say(line)


@app.command()
def decisions(
    results: Annotated[
        list[Path] | None, typer.Argument(help="Logs or results; the newest run by default.")
    ] = None,
    approver: Annotated[str, typer.Option(help="Whose answers; see `eval list`.")] = "oracle",
    json: Json = False,
) -> None:
    """Write what an approver answered in runs, for `pillion model train --decisions`, as JSON.

    Nothing may learn from test seeds, but for those that are spent.

    Example: `pillion eval decisions --approver strict_dba > answers.json`
    """
    # It writes nothing else; the option is there as with every command.
    del json
    runs: list[Path | None] = [*results] if results else [None]
    found = [commands.result_of(path) for path in runs]
    try:
        answers = commands.decisions_in(found, approver)
    except UnknownName as exc:
        _refuse(str(exc))
    _print_json([a.model_dump(mode="json") for a in answers])


@app.command()
def label(
    grader: Annotated[str, typer.Option(help="Who grades; each person has a file of their own.")],
    result: Annotated[
        Path | None, typer.Argument(help="A log or a result; the newest run by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Grade the proposals of a run without its verdicts, then see how far you agree with them.

    Answers are kept as they are given: stop with q and go on later. `--json` asks nothing and
    prints the agreement of all graders.

    Example: `pillion eval label --grader ada`
    """
    run_file = commands.run_of(result)
    found = commands.result_of(run_file)
    path = commands.labels.labels_path(run_file, grader)
    if not json:
        _ask(path, found, grader)
    agreed = list(commands.labels.agreement(found, commands.labels.graders(run_file)))
    if json:
        _print_json(agreed)
        return
    if not agreed:
        _say("Nothing of it is graded yet.")
    for pair in agreed:
        kappa = "none by chance alone" if pair["kappa"] is None else f"{pair['kappa']:.2f}"
        same = pair["same"]
        _say(
            f"{' and '.join(pair['judges'])}: the same answer {same['count']} of {same['of']}"
            f" times, Cohen's kappa {kappa}"
        )


def _ask(path: Path, found: SuiteResult, grader: str) -> None:
    """Ask for each proposal without a grade and keep every answer at once."""
    given = commands.labels.read_labels(path, grader)
    waiting = commands.labels.questions(found, given)
    if not waiting:
        _say("No proposal of this run waits for a grade of yours.")
    for number, question in enumerate(waiting, start=1):
        _say(f"\n{number} of {len(waiting)}: {question.judged.kind}")
        for line in question.judged.told:
            _say(f"  {plain(line)}")
        answer = ""
        while answer not in ("y", "n", "s", "q"):
            answer = typer.prompt("Approve? y, n, s (skip), q (stop)").strip().lower()
        if answer == "q":
            return
        if answer != "s":
            reason = ""
            if answer == "n":
                reason = typer.prompt("Why not?", default="", show_default=False)
            given = given.model_copy(
                update={"labels": (*given.labels, question.label(answer == "y", reason))}
            )
            commands.labels.write_labels(path, given)
