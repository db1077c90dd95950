"""What a run notes, on a ledger without a product; what the demo makes, asks and tells."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
import typer
import yaml

from api.cli.working import finish
from graph.ledger import Ledger
from graph.settings import Settings
from graph.steward import Stewardship
from tests.commands import document, invoke, make_home, plain_text, waiting
from tests.factories import make_change, make_decision, make_trial
from tests.ledgers import KEPT, make_ledger, open_proposal
from tools.messages import Outcome, OutcomeStatus

BAD = ("INSERT INTO t: not INSERT", "SELEC 1: not readable")
RUN = "pillion run sales --show-rejected"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    settings.home.mkdir()
    with closing(Ledger(settings.ledger_path)) as ledger:
        yield ledger


def ran(ledger: Ledger, thread: str, unmeasured: tuple[str, ...] | None, **about: str) -> None:
    """Keep a run that noted `about it` besides; None: it measured nothing."""
    ledger.open_thread(thread, about.get("product", "sales"), "all")
    told = {} if unmeasured is None else {"unmeasured": list(unmeasured)}
    ledger.save_report(thread, {"notes": ["about it", *(unmeasured or ())], **told})
    ledger.set_thread(thread, "done")


def told(
    settings: Settings, thread: str, capsys: pytest.CaptureFixture[str], *, rejected: bool = False
) -> list[str]:
    finish(settings, thread, json=False, seconds=1, rejected=rejected)
    said = capsys.readouterr().out.splitlines()
    return [line for line in said if line.startswith("Note: ") or "as in the run" in line]


def test_what_cannot_be_measured_is_noted_when_it_is_new_or_changed(
    settings: Settings, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(ledger, "other", ("DROP TABLE t: not DROP",), product="other")
    ran(ledger, "r1", BAD)
    assert told(settings, "r1", capsys) == [
        "Note: about it.", f"Note: {BAD[0]}.", f"Note: {BAD[1]}.",
    ]  # fmt: skip
    ran(ledger, "r2", None)
    changed = "SELEC 1: no table"
    ran(ledger, "r3", (BAD[0], changed))
    assert told(settings, "r3", capsys) == [
        "Note: about it.", f"Note: {changed}.",
        "1 statement could not be measured, as in the run before:"
        f" {RUN} names them, as the report does.",
    ]  # fmt: skip


def test_what_cannot_be_measured_is_one_line_afterwards_and_all_is_there_when_it_is_asked_for(
    settings: Settings, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(ledger, "r1", BAD)
    ran(ledger, "r2", BAD)
    assert told(settings, "r2", capsys) == [
        "Note: about it.",
        f"2 statements could not be measured, as in the run before: {RUN} names them, as the"
        " report does.",
    ]
    assert len(told(settings, "r2", capsys, rejected=True)) == 3
    finish(settings, "r2", json=True, seconds=1)
    assert json.loads(capsys.readouterr().out)["notes"] == ["about it", *BAD]
    assert BAD[1] in (settings.home / "reports" / "r2.html").read_text()


def test_a_report_that_cannot_be_written_hides_nothing_else(
    settings: Settings, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(ledger, "r1", None)
    ledger.offer("r1", [open_proposal("p1")], "agent:rank")
    (settings.home / "reports").write_text("a file stands in its place")
    finish(settings, "r1", json=True, seconds=1)
    found = json.loads(capsys.readouterr().out)
    assert ([p["id"] for p in found["proposals"]], found["report"]) == (["p1"], None)
    assert "r1.html could not be written: " in found["notes"][-1]
    finish(settings, "r1", json=False, seconds=1)
    said = capsys.readouterr().out
    assert "pillion decide ID approve" in said and "could not be written: " in said


def test_what_could_be_measured_in_between_is_new_again(
    settings: Settings, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    for thread, unmeasured in (("r1", BAD), ("r2", ()), ("r3", BAD)):
        ran(ledger, thread, unmeasured)
    assert len(told(settings, "r3", capsys)) == 3


@pytest.mark.parametrize("rejected", [False, True])
def test_what_is_offered_is_explained_and_what_lost_is_counted(
    rejected: bool, settings: Settings, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(ledger, "r1", None)
    ledger.record_trials("r1", "sales", [make_trial(), make_trial("accepted", make_change())])
    ledger.offer("r1", [open_proposal("p1")], "agent:rank")
    finish(settings, "r1", json=False, seconds=1, rejected=rejected)
    said = capsys.readouterr().out
    assert "gain: time of the whole workload, before / after" in said
    lost = f"1 other idea was tried and not offered: the report says why, as {RUN} does."
    assert (lost in said) != rejected


def test_ideas_that_nobody_had_time_for_are_not_called_worthless(
    settings: Settings, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    late = make_trial("unmeasured", make_change(), "the time budget of 1 s was spent")
    for thread, trials in (("r1", [late]), ("r2", [late, make_trial()])):
        ran(ledger, thread, None)
        ledger.record_trials(thread, "sales", trials)
        finish(settings, thread, json=False, seconds=1)
        said = capsys.readouterr().out
        assert "No time was left to measure 1 idea: give more with --budget." in said
        assert ("Tried 1 idea in 1 s; nothing is worth changing." in said) == (thread == "r2")


@pytest.mark.parametrize(
    ("came", "code", "words"),
    [
        (None, 0, "p1: approved; it is applied as soon as its run can go on."),
        ("verified", 0, "To take it back: pillion undo p1"),
        ("unproven", 0, "To take it back: pillion undo p1"),
        ("rolled_back", 1, "rolled back"),
        ("expired", 1, "To have it measured and offered again: pillion run flights"),
    ],
)
def test_a_run_ends_by_what_became_of_what_was_approved(
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    came: OutcomeStatus | None,
    code: int,
    words: str,
) -> None:
    settings.home.mkdir()
    with closing(make_ledger(settings.ledger_path, "p1", "p2")) as ledger:
        ledger.decide(make_decision(proposal_id="p1"))
        if came is not None:
            outcome = Outcome(proposal_id="p1", status=came, detail="so it is")
            ledger.record_outcome(outcome, "agent:verify")
    ended = 0
    try:
        finish(settings, "t1", json=False, seconds=1, approved=("p1",))
    except typer.Exit as exc:
        ended = exc.exit_code
    assert ended == code
    assert words in capsys.readouterr().out


DEMO = ("demo", "--scale", "0.01", "--budget", "30")
NAME = "flights-0_01"
DATABASE = f"products/{NAME}/{NAME}.duckdb"
HOW_TO_ANSWER = "pillion decide ID approve               or: reject --reason WHY"


def agents_find(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    """Put proposals without a measurement in the place of the agents' work."""

    async def run(self: Stewardship, product: str, *rest: object) -> str:
        self.ledger.open_thread("r1", product, "all")
        self.ledger.offer("r1", [open_proposal(key, product) for key in keys], "agent:rank")
        return "r1"

    monkeypatch.setattr(Stewardship, "run", run)


def test_the_demo_makes_a_share_of_flights_stops_at_the_question_and_says_how_to_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents_find(monkeypatch, "p1", "p2")
    result = invoke(home, *DEMO)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "Run: r1")
    assert "2 proposals wait for an answer:" in result.stdout
    assert "pillion review " in result.stdout and HOW_TO_ANSWER in result.stdout
    assert waiting(home) == ["p1", "p2"]
    with duckdb.connect(str(home / "demo" / NAME / "flights.duckdb"), read_only=True) as con:
        (rows,) = con.execute("SELECT count(*) FROM flights").fetchall()[0]
    assert 2_000 < rows < 5_000


@pytest.fixture(scope="session")
def home_of_a_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where the demo stopped at its question.

    The demo takes a product of this name that is already there: sales, of which is known that
    something is worth changing. A share of flights so small may be fast enough as it is.
    """
    home = make_home(tmp_path_factory.mktemp("demo") / "home", name=NAME, rows=60_000)
    result = invoke(home, *DEMO)
    assert (result.exit_code, HOW_TO_ANSWER in result.stdout) == (0, True), result.output
    return home


@pytest.fixture
def stopped(home_of_a_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which the agents need not look again: they find what waits there."""
    home = Path(shutil.copytree(home_of_a_demo, tmp_path / "home"))
    with closing(Ledger(home / "ledger.db")) as ledger:
        (thread,) = ledger.threads(NAME)

    async def run(self: Stewardship, product: str, *rest: object) -> str:
        return thread.id

    monkeypatch.setattr(Stewardship, "run", run)
    return home


def columns(home: Path) -> dict[str, str]:
    with duckdb.connect(str(home / DATABASE), read_only=True) as con:
        return dict(con.execute("SELECT column_name, data_type FROM duckdb_columns()").fetchall())


def lines_of(shown: str, proposal: str) -> list[str]:
    """Return what the outcome table says of a proposal, a word a line."""
    words = "applied|verified|unproven|failed|expired|rolled back"
    return re.findall(rf"^ {proposal} +({words})", shown, re.M)


def test_with_yes_the_demo_shows_what_was_verified_and_how_to_take_it_back(stopped: Path) -> None:
    offered = waiting(stopped)
    result = invoke(stopped, *DEMO, "--yes")
    assert result.exit_code == 0, result.output
    assert re.match(rf"Run: {NAME}-\d{{8}}-\d{{6}}-\w+\n", result.stdout)
    for proposal in offered:
        applied, proved = lines_of(result.stdout, proposal)
        assert applied == "applied" and proved in KEPT
    assert re.search(rf"To take \w+ back: pillion undo {offered[-1]}\n", result.stdout)
    assert HOW_TO_ANSWER not in result.stdout
    assert columns(stopped)["amount"] == "INTEGER"
    assert waiting(stopped) == []


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_the_demo_ends_with_code_1_when_a_change_it_approved_is_not_in_place(
    stopped: Path, json_too: tuple[str, ...]
) -> None:
    with duckdb.connect(str(stopped / DATABASE)) as con:
        con.execute("INSERT INTO sales VALUES (-1, 'n/a', 'r1', 'open')")
    result = invoke(stopped, *DEMO, "--yes", *json_too)
    assert (result.exit_code, columns(stopped)["amount"]) == (1, "VARCHAR"), result.output
    if json_too:
        (change,) = (
            p for p in json.loads(result.stdout)["proposals"] if p["kind"] == "change_type"
        )
        assert change["outcomes"][-1]["status"] == "expired"
    else:
        assert re.search(r"^ p\w+ +expired ", result.stdout, re.M)
        assert f"measured and offered again: pillion run {NAME}\n" in result.stdout
        assert result.stdout.splitlines()[-1].startswith("Report: ")


def test_nothing_is_offered_that_a_query_through_a_view_or_a_macro_would_notice(
    tmp_path: Path,
) -> None:
    home, database, queries = tmp_path / "home", tmp_path / "w.duckdb", tmp_path / "w.sql"
    with duckdb.connect(str(database)) as con:
        con.execute(
            "CREATE TABLE e AS SELECT i AS id, (i * 7919 % 1200)::VARCHAR AS v, i % 7 AS g"
            " FROM range(60000) AS r(i)"
        )
        con.execute("CREATE VIEW vv AS SELECT g, max(v) AS m FROM e GROUP BY g")
        for table in ("asked", "quiet", "unused"):
            con.execute(
                f"CREATE TABLE {table} AS SELECT i AS code, i * 2 AS rate FROM range(9) r(i)"
            )
        for table in ("asked", "quiet"):
            con.execute(f"CREATE MACRO {table}_of(c) AS (SELECT rate FROM {table} WHERE code = c)")
    cast = "CAST(v AS INTEGER)"
    apart = (f"SELECT sum({cast}) AS s{k} FROM e WHERE {cast} > {k} GROUP BY g" for k in range(3))
    other = ("SELECT g, m FROM vv ORDER BY g", "SELECT id, asked_of(g) AS r FROM e WHERE id < 5")
    many = (f"SELECT g AS g{k}, count(*) AS n FROM e WHERE id > {k} GROUP BY g" for k in range(20))
    queries.write_text(";\n".join((*apart, *many, *other)))
    assert invoke(home, "init", "--database", database, "--queries", queries).exit_code == 0
    contract = home / "products" / "w" / "contract.odcs.yaml"
    promised = yaml.safe_load(contract.read_text())
    promised["schema"] = [s for s in promised["schema"] if s["name"] == "e"]
    contract.write_text(yaml.safe_dump(promised))
    shown = plain_text(invoke(home, "run", "w", "--show-rejected").stdout)
    assert "store VARCHAR as INTEGER" in shown and "changes results" in shown
    offered = {(p["kind"], p["target"]) for p in document(home, "status")["waiting"]}
    assert {target for kind, target in offered if kind == "drop_table"} == {"unused"}
    assert "change_type" not in {kind for kind, _ in offered}
