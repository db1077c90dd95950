"""Settings of an issuer of tokens: those that would let others in are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api.service.settings import ServiceSettings
from tests.api.service.issuer import AUDIENCE
from tests.commands import invoke, refusal


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_audience": ""},
        {"oidc_jwks": ""},
        {"oidc_jwks": "http://issuer.example/jwks"},
        {"oidc_algorithms": "none"},
        {"oidc_algorithms": "RS256,HS256"},
        {"oidc_algorithms": ","},
        {"oidc_roles": {"dba": "king"}},
        {"public_url": "pillion.example"},
    ],
)
def test_settings_that_would_let_others_in_are_refused(wrong: dict[str, Any]) -> None:
    good = {"oidc_issuer": "https://i", "oidc_audience": AUDIENCE, "oidc_jwks": "https://i/jwks"}
    assert ServiceSettings(**good).oidc_issuer
    with pytest.raises(ValidationError):
        ServiceSettings(**{**good, **wrong})


def test_settings_that_do_not_go_together_are_named(tmp_path: Path) -> None:
    said = refusal(invoke(tmp_path, "serve", PILLION_SERVICE_OIDC_ISSUER="https://i"), 2)
    assert "OIDC_ISSUER, OIDC_AUDIENCE and OIDC_JWKS go together" in said
