"""Settings of the agent process, read once."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _sendable(key: SecretStr) -> SecretStr:
    """Return a key without what stands around it: a line's end would end the header it goes in."""
    bare = key.get_secret_value().strip()
    if not (bare.isascii() and bare.isprintable()) or " " in bare:
        raise ValueError("a key has no blanks and no characters beyond ASCII")
    return SecretStr(bare)


Key = Annotated[SecretStr, AfterValidator(_sendable)]
"""A key of the service."""


class Settings(BaseSettings):
    """Where Pillion keeps its state and how far it may go; every field is `PILLION_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="PILLION_",
        env_file=".env",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    home: Annotated[Path, Field(description="Directory of all state.")] = Path(".pillion")
    budget_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=86_400,
            description="Seconds of work one run may spend measuring on the shadow; on a busy"
            " machine up to five times as long on the clock, beside a busy product eight times.",
        ),
    ] = 120.0
    expires_days: Annotated[
        float,
        Field(gt=0, le=36_500, description="Days after which an unanswered proposal expires."),
    ] = 14.0
    min_gain: Annotated[
        float,
        Field(ge=1, description="Smallest total gain (before / after) worth a person's time."),
    ] = 1.02
    max_insert_cost: Annotated[
        float,
        Field(
            ge=1,
            description="Most an insert batch may slow down (after / before) where the workload"
            " writes to the table; three times that where no write to it was seen.",
        ),
    ] = 3.0
    max_loser_share: Annotated[
        float,
        Field(ge=0, le=1, description="Largest share of the workload that may get slower."),
    ] = 0.25
    rollback_below: Annotated[
        float,
        Field(gt=0, description="Live before / after under which a change is rolled back."),
    ] = 0.9
    changed_evidence: Annotated[
        float,
        Field(gt=0, description="Relative change of the time saved that reopens a refused idea."),
    ] = 0.5
    model: Annotated[
        str,
        Field(
            pattern=r"^([a-z0-9_]+:\S+)?$",
            description="A provider's chat model in place of a local one, as LangChain names it,"
            " such as ollama:llama3.2; what it is asked is sent there.",
        ),
    ] = ""
    engine: Annotated[
        Literal["auto", "onnx", "llama", "mlx"],
        Field(
            description="What computes the language model; the fastest that works here by default."
        ),
    ] = "auto"
    ask_model: Annotated[
        bool,
        Field(
            description="Whether `pillion ask` may ask the language model where rules are unsure."
        ),
    ] = False
    words_model: Annotated[
        bool,
        Field(
            description="Whether the language model may word explanations and descriptions; what"
            " it writes is checked, and a template stands in for what does not pass."
        ),
    ] = False
    principal: Annotated[
        str, Field(description="Who answers in the terminal; the login name by default.")
    ] = ""

    key: Annotated[
        Key | None,
        Field(description="Key that commands show a running service, in place of that name."),
    ] = None

    @field_validator("home")
    @classmethod
    def _expand(cls, home: Path) -> Path:
        """Let `~` mean the home directory in a .env file too, where no shell expands it."""
        return home.expanduser()

    @property
    def person(self) -> str:
        """The name under which decisions from this terminal are recorded."""
        if self.principal:
            return self.principal
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            # A container's user may have no name.
            return f"uid {os.getuid()}"

    @property
    def ledger_path(self) -> Path:
        """The SQLite file of proposals, decisions, outbox and audit trail."""
        return self.home / "ledger.db"

    @property
    def checkpoint_path(self) -> Path:
        """The SQLite file of graph checkpoints."""
        return self.home / "checkpoints.db"

    def product_home(self, product: str) -> Path:
        """The directory of one product."""
        return self.home / "products" / product
