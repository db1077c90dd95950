"""What a review asks a person, and what becomes of each answer."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from api.cli import questions
from api.cli.questions import merge_change
from graph import steward
from graph.errors import InvalidAnswer
from graph.ledger import Ledger
from tests.commands import (
    document,
    environment,
    invoke,
    plain_text,
    refusal,
    type_of_amount,
    waiting,
)
from tests.factories import make_change
from tests.ledgers import make_ledger, open_proposal, says_kept


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "needs a JSON object of the fields to replace"),
        ("not json", "needs a JSON object of the fields to replace"),
        ("[1]", "needs a JSON object of the fields to replace"),
        ('{"kind": "drop_table"}', "keeps the kind and the table"),
        ('{"table": {"name": "t"}}', "keeps the kind and the table"),
        ('{"to_type": 5}', "not valid at change_type.to_type"),
        ('{"nonsense": 1}', "not valid at change_type.nonsense.* may replace column, from_type"),
        ("{}", "changes nothing; approve the proposal instead"),
    ],
)
def test_an_edit_that_is_none_is_refused_with_what_is_wrong(text: str | None, words: str) -> None:
    with pytest.raises(InvalidAnswer, match=words):
        merge_change(make_change(), text)


def test_an_answer_given_in_a_review_outlasts_a_command_that_begins_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    other = FileLock(home / "steward.lock")
    with closing(make_ledger(home / "ledger.db", "p1", "p2")) as ledger:
        ledger.set_thread("t1", "waiting")
    given = iter(["r", "not now"])

    def ask(*question: object, **options: object) -> str:
        other.acquire()
        return next(given, "s")

    monkeypatch.setattr(questions.Prompt, "ask", ask)
    monkeypatch.setattr(steward, "LOCK_SECONDS", 0.1)
    try:
        said = invoke(home, "review")
    finally:
        other.release(force=True)
    assert (said.exit_code, said.stderr) == (0, "")
    assert "p1: rejected; it is not offered again" in said.stdout
    with closing(Ledger(home / "ledger.db")) as ledger:
        decisions = [o.decision for o in ledger.offers()]
        assert [d and d.reason for d in decisions] == ["not now", None]
        assert list(ledger.undelivered()) == ["t1"]


def test_an_answer_to_numbers_that_are_others_by_now_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    with closing(make_ledger(home / "ledger.db", "p1")) as ledger:
        ledger.set_thread("t1", "waiting")

        def ask(*question: object, **options: object) -> str:
            ledger.offer("t2", [open_proposal("p1")], "agent:rank")
            return "a"

        monkeypatch.setattr(questions.Prompt, "ask", ask)
        assert "p1 was offered anew (as round 2, and" in invoke(home, "review").stdout
        said = refusal(invoke(home, "decide", "p1", "approve", "--round", "1"))
        assert "as round 2, and the answer is about round 1" in said
        assert ledger.offer_of("p1").decision is None


def review_in_a_terminal(home: Path, answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Answer each prompt that holds the first text with the second, as a person would type."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "api.cli.main", "review"],
        env={**os.environ, **environment(home), "TERM": "xterm"},
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    shown, since = "", ""
    left = list(answers)
    while True:
        try:
            data = os.read(leader, 65536).decode(errors="replace")
        except OSError:
            break
        shown, since = shown + data, since + data
        if left and left[0][0] in plain_text(since):
            os.write(leader, f"{left.pop(0)[1]}\n".encode())
            since = ""
    os.close(leader)
    assert left == [], plain_text(shown)
    return child.wait(60), plain_text(shown)


def test_a_review_shows_the_evidence_and_takes_an_answer_to_each(asked: Path) -> None:
    count = len(waiting(asked))
    first = [("skip?", "x"), ("skip?", "Edit"), ("as JSON", "{oops"), ("skip?", "approve")]
    code, shown = review_in_a_terminal(asked, first + [("skip?", "s")] * (count - 1))
    assert code == 0
    for part in (f"1 of {count}", "before", "after", "undo", "JSON object", "Give a, r, e, q or s"):
        assert part in shown
    assert says_kept(shown)
    assert type_of_amount(asked) == "INTEGER"
    assert len(waiting(asked)) == count - 1


def test_a_review_keeps_a_reason_and_stops_politely_at_the_end_of_the_input(asked: Path) -> None:
    first = waiting(asked)[0]
    result = invoke(asked, "review", stdin="r\nnot now\n")
    assert result.exit_code == 0
    decided = next(r for r in document(asked, "log") if r["action"] == "proposal.reject")
    assert (decided["subject"], json.loads(decided["body"])["reason"]) == (first, "not now")
    assert "rejected; it is not offered again" in result.stdout
    assert "Aborted" not in result.output


def test_a_review_can_be_left_and_the_rest_waits(asked: Path) -> None:
    before = waiting(asked)
    code, shown = review_in_a_terminal(asked, [("skip?", "Q")])
    assert code == 0 and "The rest waits." in shown
    assert waiting(asked) == before


def test_a_review_that_is_stopped_says_that_its_answers_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    with closing(make_ledger(home / "ledger.db", "p1", "p2")) as ledger:
        ledger.set_thread("t1", "waiting")
    given = iter(["r", "not now"])

    def ask(*question: object, **options: object) -> str:
        answer = next(given, None)
        if answer is None:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(questions.Prompt, "ask", ask)
    result = invoke(home, "review")
    assert result.exit_code == 130
    recorded, stopped = result.stderr.splitlines()[-2:]
    assert recorded.startswith("1 answer is recorded; the next `pillion review` or `run`")
    assert stopped.startswith("Stopped. Nothing is half done")
    assert len(document(home, "status")["undelivered"]) == 1


def test_a_review_in_json_lists_what_waits(home_of_a_run: Path) -> None:
    listed: list[dict[str, Any]] = document(home_of_a_run, "review", "sales")
    assert [w["id"] for w in listed] == waiting(home_of_a_run)
    assert all(w["ratio"]["mid"] > 1 for w in listed)
