"""Settings of the service, read once."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.service.keys import Role, parse_role

ALGORITHMS = frozenset(
    "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA".split()
)  # fmt: skip
"""Signatures whose checking key is public; never `none`, never one with a shared secret."""


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
    public_url: Annotated[
        str, Field(description="URL by which clients know it, where a proxy stands before it.")
    ] = ""
    max_runs: Annotated[int, Field(ge=1, le=1000, description="Runs at the same time.")] = 16
    requests_per_second: Annotated[
        float, Field(gt=0, le=1e6, description="Requests one address may send, on average.")
    ] = 200.0
    principal_requests_per_second: Annotated[
        float, Field(gt=0, le=1e6, description="Requests one key or person may send, on average.")
    ] = 200.0
    retention_days: Annotated[
        float,
        Field(
            ge=0,
            le=36_500,
            description="Days after which it forgets what finished runs leave; never with 0.",
        ),
    ] = 30.0
    tls_certificate: Annotated[
        str, Field(description="PEM file of the certificate it shows; plain HTTP without.")
    ] = ""
    tls_key: Annotated[str, Field(description="PEM file of its key, closed to others.")] = ""
    plain_http: Annotated[
        bool, Field(description="Whether keys may come unencrypted from other machines.")
    ] = False
    request_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=3600,
            description="Time for a request's head, its body, and a reader who takes nothing.",
        ),
    ] = 30.0
    drain_seconds: Annotated[
        float,
        Field(ge=0, le=3600, description="Time running steps get to end when it is stopped."),
    ] = 20.0
    oidc_issuer: Annotated[
        str, Field(description="Issuer of the tokens it takes (`iss`); none are taken without.")
    ] = ""
    oidc_audience: Annotated[str, Field(description="What tokens must be meant for (`aud`).")] = ""
    oidc_jwks: Annotated[
        str, Field(description="Where the issuer's keys are: a https URL, or a file.")
    ] = ""
    oidc_algorithms: Annotated[
        str, Field(description="Signature algorithms that are taken, by commas.")
    ] = "RS256,PS256,ES256,EdDSA"
    oidc_leeway_seconds: Annotated[
        float, Field(ge=0, le=300, description="How far the issuer's clock may be off.")
    ] = 30.0
    oidc_name_claim: Annotated[
        str, Field(description="Claim that names the caller in answers and in the trail.")
    ] = "sub"
    oidc_person_claim: Annotated[
        str, Field(description="Claim that only people's tokens have; others are agents'.")
    ] = "email"
    oidc_roles_claim: Annotated[
        str, Field(description="Claim that holds the caller's groups or roles; dots go inward.")
    ] = "roles"
    oidc_roles: Annotated[
        dict[str, str],
        Field(description="From a value of that claim to ROLE or PRODUCT=ROLE, by commas."),
    ] = {}

    @field_validator("public_url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if url and urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("give a http or https URL")
        return url.rstrip("/")

    @field_validator("oidc_jwks")
    @classmethod
    def _check_jwks(cls, where: str) -> str:
        """Keys that came over an open line could be anybody's."""
        parts = urlsplit(where)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("keys are fetched over https, or over http from this machine")
        return where

    @field_validator("oidc_algorithms")
    @classmethod
    def _check_algorithms(cls, text: str) -> str:
        foreign = [a for a in _listed(text) if a not in ALGORITHMS]
        if foreign or not _listed(text):
            raise ValueError(f"choose of {', '.join(sorted(ALGORITHMS))}")
        return text

    @field_validator("oidc_roles")
    @classmethod
    def _check_roles(cls, roles: dict[str, str]) -> dict[str, str]:
        for text in roles.values():
            if not granted(text):
                raise ValueError(f"{text!r} is not ROLE or PRODUCT=ROLE of {get_args(Role)}")
        return roles

    @model_validator(mode="after")
    def _check_whole(self) -> Any:
        given = (self.oidc_issuer, self.oidc_audience, self.oidc_jwks)
        if any(given) and not all(given):
            raise ValueError("OIDC_ISSUER, OIDC_AUDIENCE and OIDC_JWKS go together")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("TLS_CERTIFICATE and TLS_KEY go together")
        return self

    @property
    def encrypted(self) -> bool:
        """Whether callers reach it over HTTPS: its own, or that of a proxy before it."""
        return bool(self.tls_certificate) or urlsplit(self.public_url).scheme == "https"

    @property
    def hosts(self) -> frozenset[str]:
        """The names of `Host` headers that are answered."""
        return LOOPBACK | _words(self.allowed_hosts)

    @property
    def origins(self) -> frozenset[str]:
        """The origins that CORS lets in."""
        return _words(self.allowed_origins)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The signature algorithms of tokens that are taken."""
        return tuple(_listed(self.oidc_algorithms))


LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches that address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def granted(text: str) -> dict[str, Role] | None:
    """Return the roles that `ROLE` and `PRODUCT=ROLE`, by commas, give; None when it is neither."""
    pairs = [parse_role(word) for word in _listed(text)]
    found = [pair for pair in pairs if pair is not None]
    return dict(found) if found and len(found) == len(pairs) else None


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _listed(text))
