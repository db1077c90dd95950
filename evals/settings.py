"""Settings of the eval suite."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


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
