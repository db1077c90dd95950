"""Settings of `pillion mcp`, read once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from graph.settings import Key


class McpSettings(BaseSettings):
    """Who an editor is at the service; every field is `PILLION_MCP_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="PILLION_MCP_",
        env_file=".env",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    key: Annotated[
        Key | None,
        Field(description="Key shown to the service; the person at this machine without one."),
    ] = None
