"""Settings of the service, read once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Limits of the HTTP service; every field is `PILLION_SERVICE_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="PILLION_SERVICE_",
        env_file=".env",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
    )

    allowed_hosts: Annotated[
        str, Field(description="Names besides loopback under which it answers, by commas.")
    ] = ""
    allowed_origins: Annotated[
        str, Field(description="Web origins whose pages may call it, by commas; none by default.")
    ] = ""
    max_runs: Annotated[int, Field(ge=1, le=1000, description="Runs at the same time.")] = 16
    requests_per_second: Annotated[
        float, Field(gt=0, le=1e6, description="Requests one address may send, on average.")
    ] = 200.0
    drain_seconds: Annotated[
        float,
        Field(ge=0, le=3600, description="Time running steps get to end when it is stopped."),
    ] = 20.0

    @property
    def hosts(self) -> frozenset[str]:
        """The names of `Host` headers that are answered."""
        return LOOPBACK | _words(self.allowed_hosts)

    @property
    def origins(self) -> frozenset[str]:
        """The origins that CORS lets in."""
        return _words(self.allowed_origins)


LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in text.split(",") if word.strip())
