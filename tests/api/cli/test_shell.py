from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from api.cli import entry
from api.cli.boundary import explain
from graph.errors import RunFailed
from graph.settings import Settings
from tests.commands import document, environment, invoke, make_home, refusal, started, started_by
from tests.preforked import PYTHON
from tests.products import SEVERAL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PILLION_BUDGET_SECONDS", "soon"),
        ("PILLION_BUDGET_SECONDS", "nan"),
        ("PILLION_BUDGET_SECONDS", "inf"),
        ("PILLION_EXPIRES_DAYS", "-1"),
        ("PILLION_EXPIRES_DAYS", "1e300"),
        ("PILLION_MAX_LOSER_SHARE", "2"),
        ("PILLION_PRODUCT_THREADS", "0"),
        ("PILLION_PRODUCT_MAX_ROWS", "many"),
    ],
)
@pytest.mark.parametrize("command", ["status", "doctor"])
def test_a_bad_setting_is_named_with_its_value_and_exit_code_2(
    name: str, value: str, command: str, home: Path
) -> None:
    said = refusal(invoke(home, command, **{name: value}), 2)
    assert f"{name}={value} is not valid" in said


@pytest.mark.parametrize(
    ("name", "command"), [("PILLION_KEY", ["status"]), ("PILLION_MCP_KEY", ["mcp"])]
)
def test_a_bad_key_is_named_and_not_shown(name: str, command: list[str], home: Path) -> None:
    said = refusal(invoke(home, *command, **{name: "pil_hers and more"}), 2)
    assert f"The setting {name} is not valid" in said and "pil_hers" not in said


def test_an_empty_setting_means_its_default(home: Path) -> None:
    assert invoke(home, "status", PILLION_BUDGET_SECONDS="").exit_code == 0


def test_a_home_that_is_a_file_is_refused_with_words(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")
    assert "is a file, not a directory" in refusal(invoke(home, "review"))
    assert "is a file, not a directory" in invoke(home, "doctor").stdout


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("ledger.db", ["run", "sales"]),
        ("ledger.db", ["review", "--json"]),
        ("ledger.db", ["undo", "p1"]),
        ("checkpoints.db", ["run", "sales"]),
    ],
)
def test_damaged_state_is_named_with_what_to_do(name: str, command: list[str], asked: Path) -> None:
    damage(asked / name)
    said = refusal(invoke(asked, *command))
    assert f"{name} is damaged" in said
    assert "Restore it from a backup" in said


def test_the_queue_is_shown_although_the_checkpoints_are_damaged(asked: Path) -> None:
    damage(asked / "checkpoints.db")
    assert document(asked, "review")[0]["product"] == "sales"


@pytest.mark.parametrize(
    "command", [["status"], ["log"], ["log", "--verify"], ["status", "--json"]]
)
def test_a_damaged_ledger_does_not_break_the_commands_that_look(
    command: list[str], asked: Path
) -> None:
    damage(asked / "ledger.db")
    assert "ledger.db is damaged" in refusal(invoke(asked, *command))


def damage(path: Path) -> None:
    for journal in path.parent.glob(f"{path.name}-*"):
        journal.unlink()
    path.write_bytes(b"this is not a database" * 400)


def test_a_ledger_locked_by_another_process_is_said_in_words(home: Path) -> None:
    error = sqlite3.OperationalError("database is locked")
    told = explain(error, Settings(home=home))
    assert told.code == 1
    assert "Another process holds the state" in told.text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "x"), "no space left for x"),
        (PermissionError(13, "Permission denied", "/elsewhere"), "/elsewhere may not be used"),
        (ExceptionGroup("g", [ExceptionGroup("g", [ValueError("deep")])]), "ValueError: deep"),
        (RuntimeError(""), "RuntimeError: no reason given"),
    ],
)
def test_any_error_becomes_a_sentence(error: Exception, words: str, home: Path) -> None:
    told = explain(error, Settings(home=home))
    assert told.code == 1
    assert words in told.text
    assert "\n" not in told.text


def test_an_unexpected_error_keeps_its_traceback_in_a_file_for_the_repair(home: Path) -> None:
    try:
        raise ZeroDivisionError("by hand")
    except ZeroDivisionError as exc:
        told = explain(exc, Settings(home=home))
    assert str(home / "errors.log") in told.text
    assert "test_shell.py" in (home / "errors.log").read_text()


def test_a_run_that_met_the_unforeseen_keeps_the_traceback_of_its_cause(home: Path) -> None:
    try:
        raise RunFailed("r-1 failed") from ZeroDivisionError("by hand")
    except RunFailed as exc:
        told = explain(exc, Settings(home=home))
    assert "ZeroDivisionError: by hand" in told.text
    assert "ZeroDivisionError" in (home / "errors.log").read_text()


@pytest.mark.parametrize("command", [["log"], ["log", "--json"], ["status"], ["--help"]])
def test_a_reader_that_leaves_early_gets_no_complaint(command: list[str], asked: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "api.cli.main", *command],
        env={**os.environ, **environment(asked)}, stdout=writing, stderr=subprocess.PIPE,
        text=True, timeout=60,
    )  # fmt: skip
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode in ((141,) if command != ["--help"] else (1, 141))


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["status", "--help"],
        ["--version"],
        ["status"],
        ["log", "--json"],
        ["eval", "list"],
    ],
)  # fmt: skip
def test_output_that_cannot_be_written_is_said_to_be_that(command: list[str], home: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "api.cli.main", *command],
            env={**os.environ, **environment(home)}, stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1, "The output cannot be written: No space left on device. What was done stands; send the"
        " output elsewhere.\n",
    )  # fmt: skip


def test_a_command_that_is_stopped_while_it_is_loaded_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Loading:
        def main(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(entry, "commands", Loading())
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == f"{entry.STOPPED_WORDS}\n"


def test_what_runs_first_waits_for_nothing() -> None:
    code = "import sys, api.cli.entry; print({'typer', 'pydantic', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- 2>&-"])
def test_a_command_whose_streams_were_closed_ends_well(closed: str, asked: Path) -> None:
    ran = 'exec "$0" -c "from api.cli.entry import main; main()" status'
    done = subprocess.run(
        ["sh", "-c", f"{ran} {closed}", sys.executable],
        env={**os.environ, **environment(asked)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert ("Waiting for an answer" in done.stdout) == (closed in ("<&-", "2>&-"))


BEHIND_AMPERSAND = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN);"
    " os.execv(sys.argv[1], sys.argv[1:])"
)


def children_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def wait_for_snapshot(home: Path) -> None:
    """Return while the run measures."""
    ends = time.monotonic() + 60
    while not list(home.glob("products/sales/shadow/snapshot-*/copy/sales.duckdb")):
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing_and_the_next_one_continues(
    number: signal.Signals, home: Path
) -> None:
    make_home(home, rows=60_000)
    with started(home, "run", "sales", "--budget", "30", python=PYTHON) as run:
        wait_for_snapshot(home)
        below = children_of(run.pid)
        os.killpg(run.pid, number)
        out, said = run.communicate(timeout=60)
    assert (run.returncode, out) == (130, "")
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "Stopped. Nothing is half done; the next command continues."
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    assert list((home / "products" / "sales" / "shadow").glob("snapshot-*")) == []
    (thread,) = document(home, "status")["threads"]
    assert document(home, "run", "sales", "--budget", "5")["thread"] == thread["id"]


def test_a_command_in_the_background_of_a_script_ends_when_it_is_told_to(home: Path) -> None:
    make_home(home, rows=20_000)
    ignoring = (sys.executable, "-c", BEHIND_AMPERSAND)
    with started_by(ignoring, home, "run", "sales", "--budget", "30") as run:
        wait_for_snapshot(home)
        run.terminate()
        assert run.wait(60) == 130


def test_a_terminal_without_unicode_is_shown_what_it_has(home: Path) -> None:
    make_home(home, rows=1000)
    with started_by(("env", "PYTHONIOENCODING=ascii"), home, "status") as child:
        out, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (0, "")
    assert "sales" in out and "?" in out


def test_a_second_command_is_told_that_another_process_works_here(home: Path) -> None:
    make_home(home, rows=20_000)
    with started(home, "run", "sales", "--budget", "30") as run:
        wait_for_snapshot(home)
        run.send_signal(signal.SIGSTOP)
        said = refusal(invoke(home, "run", "sales"))
        details = {c["check"]: c["detail"] for c in document(home, "doctor")}
        run.send_signal(signal.SIGCONT)
        run.send_signal(signal.SIGINT)
        run.wait(60)
    assert f"Another Pillion process (pid {run.pid}) is working in" in said
    assert not (home / "steward.pid").exists()
    assert details["products"] == "not looked at: another Pillion command works here now"


def test_progress_without_a_terminal_is_one_line_a_candidate(home: Path) -> None:
    make_home(home, rows=20_000, queries=SEVERAL)
    lines = invoke(home, "run", "sales", "--budget", "30").stderr.splitlines()
    about = [line.split("candidate ")[1] for line in lines if "candidate" in line]
    assert 0 < len(about) < 10
    assert [a.split("/")[0] for a in about] == [str(n + 1) for n in range(len(about))]
    assert all(a.split(": ")[-1] in ("accepted", "not worth it") for a in about)
    assert invoke(home, "run", "sales", "--budget", "30", "--json").stderr == ""
