"""Settings: read from the environment and .env, bad values named, secrets never shown."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from graph.settings import Settings
from mcp_servers.product.contract import MeasureLimits
from mcp_servers.product.settings import ProductSettings

SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith("PILLION_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_env_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PILLION_BUDGET_SECONDS=7\nPILLION_MIN_GAIN=1.5\nOTHER=1\n")
    monkeypatch.setenv("PILLION_MIN_GAIN", "1.7")
    settings = Settings()
    assert (settings.budget_seconds, settings.min_gain) == (7.0, 1.7)


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"PILLION_{name.upper()}", "")
    assert Settings() == Settings.model_construct()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("budget_seconds", "0"), ("budget_seconds", "-1"), ("budget_seconds", "soon"),
        ("budget_seconds", "inf"), ("budget_seconds", "nan"), ("budget_seconds", "86401"),
        ("expires_days", "0"), ("expires_days", "1e12"), ("min_gain", "0.9"),
        ("max_insert_cost", "0"), ("max_loser_share", "1.1"), ("max_loser_share", "-0.1"),
        ("rollback_below", "0"), ("rollback_below", "inf"), ("changed_evidence", "0"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PILLION_{name.upper()}", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert [e["loc"] for e in caught.value.errors()] == [(name,)]


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILLION_MIN_GAIN", "x")
    monkeypatch.setenv("PILLION_EXPIRES_DAYS", "x")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert {e["loc"] for e in caught.value.errors()} == {("min_gain",), ("expires_days",)}


def test_the_longest_budget_is_one_the_product_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILLION_BUDGET_SECONDS", "86400")
    budget = Settings().budget_seconds
    assert MeasureLimits(budget_seconds=budget).budget_seconds == budget


def test_a_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    Path(".env").write_text("PILLION_HOME=~/state\n")
    assert Settings().home == Path("/home/ada/state")
    assert Settings().ledger_path == Path("/home/ada/state/ledger.db")


def test_the_person_is_who_was_set_or_who_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(principal="ada").person == "ada"
    monkeypatch.setenv("LOGNAME", "grace")
    assert Settings().person == "grace"


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert Settings().person == f"uid {os.getuid()}"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().min_gain = 2.0  # type: ignore[misc]


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILLION_PRODUCT_TOKEN", SECRET)
    settings = ProductSettings()
    assert settings.token is not None and settings.token.get_secret_value() == SECRET
    for shown in (repr(settings), str(settings), settings.model_dump_json(), f"{settings.token}"):
        assert SECRET not in shown


@pytest.mark.parametrize("around", ["\r", " ", "\n"])
def test_what_stands_around_a_key_is_no_part_of_it(
    around: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILLION_KEY", f"{SECRET}{around}")
    key = Settings().key
    assert key is not None and key.get_secret_value() == SECRET


@pytest.mark.parametrize("inside", ["\n", "\x1b", " ", "\u00fc"])
def test_a_key_that_no_header_carries_is_refused_and_not_shown(
    inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILLION_KEY", f"{SECRET}{inside}x")
    with pytest.raises(ValidationError, match="a key has no blanks") as caught:
        Settings()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", [Settings, ProductSettings])
def test_what_is_named_like_a_secret_is_one(kind: type[Settings] | type[ProductSettings]) -> None:
    for name, field in kind.model_fields.items():
        if any(word in name for word in ("token", "password", "secret", "api_key")):
            assert "SecretStr" in str(field.annotation), name


def test_every_setting_says_what_it_is() -> None:
    for kind in (Settings, ProductSettings):
        assert all(field.description for field in kind.model_fields.values())
