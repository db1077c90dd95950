"""What a run notes, on a ledger without a product."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.cli.working import finish
from graph.ledger import Ledger
from graph.settings import Settings

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


def test_what_could_be_measured_in_between_is_new_again(
    settings: Settings, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    for thread, unmeasured in (("r1", BAD), ("r2", ()), ("r3", BAD)):
        ran(ledger, thread, unmeasured)
    assert len(told(settings, "r3", capsys)) == 3
