"""Settings of the product process, read once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProductSettings(BaseSettings):
    """Limits of the product server; every field is `PILLION_PRODUCT_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="PILLION_PRODUCT_", env_file=".env", frozen=True, extra="ignore"
    )

    memory_limit: Annotated[
        str, Field(description="DuckDB memory of the product's own instance.")
    ] = "1GB"
    threads: Annotated[int, Field(ge=1, description="DuckDB threads of the product.")] = 2
    shadow_memory_limit: Annotated[
        str, Field(description="DuckDB memory of each of the two shadow instances.")
    ] = "600MB"
    query_timeout: Annotated[
        float, Field(gt=0, description="Seconds after which a consumer's query is stopped.")
    ] = 30.0
    max_rows: Annotated[int, Field(ge=1, description="Most rows one query returns.")] = 100_000
    max_bytes: Annotated[
        int, Field(ge=1000, description="Most bytes of values that one query returns.")
    ] = 200_000_000
    token: Annotated[
        SecretStr | None,
        Field(description="Bearer token of the HTTP server; without one it refuses to listen."),
    ] = None
    query_token: Annotated[
        SecretStr | None,
        Field(description="Bearer token for consumers: it asks at /query and changes nothing."),
    ] = None

    def engine(self, memory_limit: str) -> dict[str, str]:
        """Return what an instance of DuckDB with that much memory is opened with."""
        return {"memory_limit": memory_limit, "threads": str(self.threads)}
