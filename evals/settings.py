"""Settings of the eval suite."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from graph.settings import Settings
from mcp_servers.product.settings import ProductSettings

OWN = {"home", "budget_seconds", "principal", "key"}
"""What the suite gives itself, and a secret."""


class EvalSettings(BaseSettings):
    """Who else is asked for advice; every field is `PILLION_EVAL_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="PILLION_EVAL_", env_file=".env", env_ignore_empty=True, frozen=True,
        extra="ignore",
    )  # fmt: skip

    model: Annotated[
        str,
        Field(description="Chat model of the baseline `model`: a LangChain class, MODULE:CLASS."),
    ] = ""
    model_arguments: Annotated[
        dict[str, Any], Field(description="What that class is made with, as a JSON object.")
    ] = {}


def changed_settings() -> dict[str, Any]:
    """Return the settings of this environment under which Pillion may propose something else.

    Those are all that are not the defaults, as the names of their variables without `PILLION_`.
    """
    agent = Settings().model_dump(mode="json", exclude_defaults=True, exclude=OWN)
    product = ProductSettings().model_dump(mode="json", exclude_defaults=True, exclude={"token"})
    return {**agent, **{f"product_{name}": value for name, value in product.items()}}
