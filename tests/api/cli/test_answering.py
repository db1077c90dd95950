from __future__ import annotations

import json
import re
import shutil
import time
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from api.cli.outcomes import Answered
from graph import steward
from graph.ledger import now
from tests.commands import (
    DATABASE,
    document,
    invoke,
    make_home,
    refusal,
    started,
    started_by,
    type_of_amount,
    waiting,
)
from tests.disks import fill, small_disk
from tests.factories import make_change, make_decision, make_trial
from tests.ledgers import KEPT, make_ledger, open_proposal, says_kept
from tests.ports import free_port
from tools.messages import change_id
from tools.product.executor import list_changes


def changes(home: Path) -> list[tuple[str, str]]:
    """Return what the product's own ledger says of every change."""
    with duckdb.connect(str(home / DATABASE), read_only=True) as con:
        return [(c.proposal_id, c.status) for c in list_changes(con)]


def execute(home: Path, sql: str) -> None:
    with duckdb.connect(str(home / DATABASE)) as con:
        con.execute(sql)


def report_of(home: Path) -> str:
    """Return the report of the one run there is."""
    (report,) = (home / "reports").iterdir()
    return report.read_text()


def type_change(home: Path) -> str:
    """Return the id of the proposal that stores the amounts as numbers."""
    found = document(home, "status")["waiting"]
    return next(str(w["id"]) for w in found if w["kind"] == "change_type")


def test_an_approved_change_is_applied_verified_and_undone(asked: Path) -> None:
    proposal = type_change(asked)
    result = invoke(asked, "decide", proposal, "approve")
    assert result.exit_code == 0
    assert says_kept(result.stdout)
    assert f"pillion undo {proposal}" in result.stdout
    assert type_of_amount(asked) == "INTEGER"
    execute(asked, "INSERT INTO sales VALUES (-1, 7, 'r9', 'open')")
    undone = document(asked, "undo", proposal)
    assert undone["outcomes"][-1]["status"] == "undone"
    assert type_of_amount(asked) == "VARCHAR"
    # Who is killed right after the change has not written the report.
    for again, said in (
        (("decide", proposal, "reject"), "was already answered: approve by ada"),
        (("undo", proposal), "was undone already"),
    ):
        shutil.rmtree(asked / "reports")
        assert said in refusal(invoke(asked, *again), 3)
        assert ">undone<" in report_of(asked)


def test_a_rejected_change_leaves_the_database_as_it_was_and_says_what_follows(
    asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a second look may differ enough to be offered again.
    monkeypatch.setenv("PILLION_CHANGED_EVIDENCE", "100")
    proposal = type_change(asked)
    before = (asked / DATABASE).read_bytes()
    result = invoke(asked, "decide", proposal, "reject", "--reason", "text comes in June")
    assert result.exit_code == 0
    assert "rejected; it is not offered again" in result.stdout
    assert (asked / DATABASE).read_bytes() == before
    assert proposal not in waiting(asked)
    rerun = document(asked, "run", "sales", "--budget", "30", "--show-rejected")
    again = next(r for r in rerun["rejected"] if r["id"] == proposal)
    assert (again["status"], "text comes in June" in again["reason"]) == ("suppressed", True)


def test_an_answer_is_told_though_its_report_cannot_be_written(asked: Path) -> None:
    shutil.rmtree(asked / "reports")
    (asked / "reports").write_text("a file stands in its place")
    result = invoke(asked, "decide", type_change(asked), "reject", "--json")
    assert (result.exit_code, json.loads(result.stdout)["decision"]["verdict"]) == (0, "reject")
    assert "could not be written: " in result.stderr


def test_an_edited_change_is_measured_and_its_fate_told(asked: Path) -> None:
    proposal = type_change(asked)
    fields = json.dumps({"to_type": "BIGINT", "forward": 'CAST("amount" AS BIGINT)'})
    result = invoke(asked, "decide", proposal, "edit", "--change", fields)
    assert result.exit_code == 0
    assert f"{proposal}: edited and measured; " in result.stdout
    assert type_of_amount(asked) == "VARCHAR"


def test_an_edit_that_lost_is_told_with_its_reason(tmp_path: Path) -> None:
    with closing(make_ledger(tmp_path / "ledger.db", "p1")) as ledger:
        edited = make_change(to_type="BIGINT")
        ledger.decide(make_decision("p1", verdict="edit", edited=edited))
        lost = make_trial("failed", edited, "There is no column x any more.")
        ledger.record_trials("t1", "flights", [lost])
        said = Answered.read(ledger, ["p1"]).said
        assert said == ["p1: edited; failed: There is no column x any more."]
        ledger.offer_again("t1", "p1", "agent:report")
        (said,) = Answered.read(ledger, ["p1"]).said
        again = "p1: edited; failed: There is no column x any more. It waits for another answer."
        assert said == again
        rule = "[[rule]]\napprovals = 2\n"
        (tmp_path / "policy.toml").write_text(rule)
        ledger.decide(make_decision("p1", decided_at=now()))
        (said,) = Answered.read(ledger, ["p1"]).said
    assert said == "p1: 1 of 2 approvals (ada); it waits for others."


def test_an_edit_to_what_was_answered_before_is_not_said_to_wait(tmp_path: Path) -> None:
    with closing(make_ledger(tmp_path / "ledger.db", "p1")) as ledger:
        other = make_change(to_type="BIGINT")
        same = change_id("flights", other)
        ledger.offer(
            "t1", [open_proposal("p2").model_copy(update={"id": same, "change": other})], "a"
        )
        ledger.decide(make_decision(same, verdict="reject", decided_at=now()))
        ledger.record_trials("t1", "flights", [make_trial("accepted", other)])
        ledger.decide(make_decision("p1", verdict="edit", edited=other, decided_at=now()))
        (said,) = Answered.read(ledger, ["p1"]).said
    assert said == f"p1: edited; that is {same}, which was rejected already."


def test_an_edit_that_names_no_column_leaves_the_question_open(asked: Path) -> None:
    proposal = type_change(asked)
    fields = json.dumps({"forward": 'CAST("gone" AS INTEGER)'})
    result = invoke(asked, "decide", proposal, "edit", "--change", fields)
    assert result.exit_code == 0
    assert f"{proposal}: edited; refused: " in result.stdout
    assert "It waits for another answer." in result.stdout
    assert document(asked, "status")["undelivered"] == []
    # As it was offered, not as it was edited.
    assert invoke(asked, "decide", proposal, "approve").exit_code == 0
    assert type_of_amount(asked) == "INTEGER"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["decide", "p0", "approve"], 1, "No proposal 'p0'. `pillion status` lists"),
        (["decide", "p0", "perhaps"], 2, "'perhaps' is no answer; give approve, edit, reject"),
        (["decide", "p0", "reject", "--change", "{}"], 2, "--change goes with edit, not reject"),
        (["decide", "p0", "expire"], 2, "'expire' is no answer"),
        (["undo", "p0"], 1, "No proposal 'p0'"),
        (["review", "nope"], 1, "No product 'nope'. Known products: sales"),
        (["run", "nope"], 1, "No product 'nope'"),
        (["run", "sales", "--only", "nope"], 2, "Unknown agent 'nope'; --only takes schema, query"),
        (["run", "sales", "--budget", "nan"], 2, "--budget"),
        (["run", "../../etc"], 1, "No product '../../etc'"),
    ],
)
def test_unknown_names_are_refused_with_what_there_is(
    arguments: list[str], code: int, words: str, home_of_a_run: Path
) -> None:
    assert words in refusal(invoke(home_of_a_run, *arguments), code)


@pytest.mark.parametrize("command", [["status"], ["run", "sales"], ["describe", "sales"]])
def test_where_there_is_no_product_it_is_said_where_it_was_looked_for(
    command: list[str], tmp_path: Path
) -> None:
    home = tmp_path / "elsewhere"
    said = invoke(home, *command).output
    assert f"They were looked for in {home}; PILLION_HOME names another." in said


def test_what_was_taken_back_is_taken_back_once(asked: Path) -> None:
    proposal = type_change(asked)
    invoke(asked, "decide", proposal, "approve")
    with duckdb.connect(str(asked / DATABASE)):
        said = refusal(invoke(asked, "undo", proposal))
        assert "is locked by another process" in said and "The request is kept" in said
        assert document(asked, "status")["to_undo"] == [proposal]
    assert f"not carried out yet: {proposal}" in invoke(asked, "status").stdout
    # The same command again carries out what was kept, and that is no second time.
    assert document(asked, "undo", proposal)["outcomes"][-1]["status"] == "undone"
    assert type_of_amount(asked) == "VARCHAR"
    trail, since = document(asked, "log"), r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
    said = refusal(invoke(asked, "undo", proposal), 3)
    assert re.fullmatch(rf"{proposal} was undone already, at {since}; nothing was changed.\n", said)
    assert document(asked, "log") == trail
    assert [r["action"] for r in trail].count("undo.requested") == 1


def test_undo_of_what_was_never_applied_is_refused(asked: Path) -> None:
    before = (asked / DATABASE).read_bytes()
    with duckdb.connect(str(asked / DATABASE)):
        said = refusal(invoke(asked, "undo", type_change(asked)))
    assert "was never made; there is nothing to take back" in said
    assert document(asked, "status")["to_undo"] == []
    assert (asked / DATABASE).read_bytes() == before


def test_a_table_changed_since_the_measurement_expires_the_proposal(asked: Path) -> None:
    proposal = type_change(asked)
    execute(asked, "ALTER TABLE sales ADD COLUMN note VARCHAR")
    result = invoke(asked, "decide", proposal, "approve", "--json")
    (outcome,) = json.loads(result.stdout)["outcomes"]
    assert (result.exit_code, outcome["status"]) == (1, "expired")
    assert (
        "changed by someone else since this was measured (different since: column note is new)."
        in (outcome["detail"])
    )
    assert type_of_amount(asked) == "VARCHAR"


def test_rows_that_no_longer_fit_fail_the_change_and_change_nothing(asked: Path) -> None:
    proposal = type_change(asked)
    execute(asked, "INSERT INTO sales VALUES (-1, 'n/a', 'r1', 'open')")
    result = invoke(asked, "decide", proposal, "approve")
    (outcome,) = document(asked, "log", "--last", "2")[:1]
    assert (result.exit_code, outcome["action"]) == (1, "change.expired")
    assert "measured and offered again: pillion run sales" in result.stdout
    assert type_of_amount(asked) == "VARCHAR"


def test_an_answer_outlasts_another_program_that_holds_the_database(asked: Path) -> None:
    proposal = type_change(asked)
    with duckdb.connect(str(asked / DATABASE)):
        said = refusal(invoke(asked, "decide", proposal, "approve"))
        assert "is locked by another process" in said
        assert "The answer is kept" in said
        assert document(asked, "status")["undelivered"] == [proposal]
        assert f"not carried out yet: {proposal}" in invoke(asked, "status").stdout
    assert "What became of it" not in report_of(asked)
    told = invoke(asked, "review").stderr
    assert f"{proposal}, approved before, is " in told and says_kept(told)
    assert type_of_amount(asked) == "INTEGER"
    assert "What became of it" in report_of(asked)


def test_an_answer_outlasts_a_full_disk(asked: Path, tmp_path: Path) -> None:
    proposal = type_change(asked)
    with small_disk(tmp_path / "disk", 24) as disk:
        shutil.copytree(asked / "products", disk / "products")
        shutil.rmtree(asked / "products")
        (asked / "products").symlink_to(disk / "products")
        filler = fill(disk)
        said = refusal(invoke(asked, "decide", proposal, "approve"))
        assert "has 0 B free. Free some" in said and "The answer is kept" in said
        assert document(asked, "status")["undelivered"] == [proposal]
        assert type_of_amount(asked) == "VARCHAR"
        filler.unlink()
        told = refusal(invoke(asked, "decide", proposal, "approve"), 3)
        assert f"{proposal} was already answered: approve by ada" in told
        assert f"{proposal}, approved before, is " in told and says_kept(told)
        assert type_of_amount(asked) == "INTEGER"
        assert [r["action"] for r in document(asked, "log")].count("change.applied") == 1


def test_an_answer_is_taken_while_another_command_works_here(
    asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = type_change(asked)
    monkeypatch.setattr(steward, "LOCK_SECONDS", 0.1)
    with FileLock(asked / "steward.lock"):
        said = invoke(asked, "decide", proposal, "approve")
        assert (said.exit_code, said.stderr) == (0, "")
        assert "approved; it is applied as soon as its run can go on" in said.stdout
        assert "was already answered" in refusal(invoke(asked, "decide", proposal, "reject"), 3)
    assert document(asked, "status")["undelivered"] == [proposal]
    assert type_of_amount(asked) == "VARCHAR"


def test_an_undo_is_kept_while_another_command_works_here(
    asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = type_change(asked)
    invoke(asked, "decide", proposal, "approve")
    monkeypatch.setattr(steward, "LOCK_SECONDS", 0.1)
    with FileLock(asked / "steward.lock"):
        said = refusal(invoke(asked, "undo", proposal))
        assert "is working in" in said and "The request is kept" in said
        assert "No proposal 'p0'" in refusal(invoke(asked, "undo", "p0"))
    assert document(asked, "status")["to_undo"] == [proposal]
    assert ">undone<" not in report_of(asked)
    invoke(asked, "review")
    assert (document(asked, "status")["to_undo"], type_of_amount(asked)) == ([], "VARCHAR")
    assert ">undone<" in report_of(asked)


@pytest.mark.parametrize(
    "answers", [("reject", "reject"), ("approve", "approve"), ("approve", "reject")]
)
def test_of_two_answers_at_once_exactly_one_stands_and_is_carried_out_once(
    asked: Path, answers: tuple[str, str]
) -> None:
    proposal = type_change(asked)
    with (
        started(asked, "decide", proposal, answers[0], "--reason", "one") as one,
        started(asked, "decide", proposal, answers[1], "--reason", "two") as two,
    ):
        said = {p.pid: p.communicate(timeout=100) for p in (one, two)}
    assert sorted([one.returncode, two.returncode]) == [0, 3], said
    stands, loser = (answers[0], two) if one.returncode == 0 else (answers[1], one)
    assert f"{proposal} was already answered: {stands} by ada" in said[loser.pid][1]
    # Whatever the two left undone the next command does, and nothing twice.
    assert proposal not in [w["id"] for w in document(asked, "review")]
    done = [r["action"] for r in document(asked, "log")]
    assert [a for a in done if a in ("proposal.approve", "proposal.reject")] == [
        f"proposal.{stands}"
    ]
    made = [(proposal, "applied")] if stands == "approve" else []
    assert (done.count("change.applied"), changes(asked)) == (len(made), made)
    assert type_of_amount(asked) == ("INTEGER" if made else "VARCHAR")


def test_an_approval_after_expiry_is_refused_and_the_proposal_expires(
    home: Path, tmp_path: Path
) -> None:
    make_home(home, rows=60_000)
    run = document(home, "run", "sales", "--budget", "30", PILLION_EXPIRES_DAYS="0.00001")
    proposal = run["proposals"][0]["id"]
    time.sleep(1)
    said = refusal(invoke(home, "decide", proposal, "approve"))
    assert f"{proposal} expired at" in said
    assert "`pillion run`" in said
    found = document(home, "status")
    assert found["waiting"] == []
    assert set(found["overdue"]) == {p["id"] for p in run["proposals"]}
    assert f"Expired without an answer: {proposal}" in invoke(home, "status").stdout
    assert "Nothing waits" in invoke(home, "ask", "what waits for me?").stdout
    assert "Nothing waits" in invoke(home, "review").stdout
    assert document(home, "status")["overdue"] == []
    assert type_of_amount(home) == "VARCHAR"


def test_an_answer_beside_the_service_is_carried_out_by_it(asked: Path) -> None:
    proposal = type_change(asked)
    with started_by((), asked, "serve", "--port", free_port(), "--json") as child:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["pid"] == child.pid
        done = document(asked, "decide", proposal, "approve")
        applied, proved = (o["status"] for o in done["outcomes"])
        assert applied == "applied" and proved in KEPT
        assert done["decision"]["channel"] == "terminal"
        again = invoke(asked, "decide", proposal, "reject")
        assert again.exit_code == 3
        undone = document(asked, "undo", proposal)
        assert undone["outcomes"][-1]["status"] == "undone"
        child.terminate()
        assert (child.wait(60), child.stderr and child.stderr.read()) == (0, "")
    assert type_of_amount(asked) == "VARCHAR"
    assert "chain whole" in invoke(asked, "log", "--verify").stdout
