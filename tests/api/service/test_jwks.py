"""The issuer's keys: which are kept, for how long, and what happens while it is down."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt
import pytest

from api.service import jwks
from api.service.access import Access
from api.service.jwks import MAX_BYTES, PAUSE_SECONDS, KeySet
from api.service.keys import Keys
from api.service.problems import Refused
from api.service.settings import ServiceSettings
from tests.api.service.issuer import ADA, INVALID, Issuer, key_of, public_jwk, told
from tests.proxies import named_proxy


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the service believe that time passed."""
    real, passed = time.monotonic, [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    monkeypatch.setattr(jwks.time, "monotonic", lambda: real() + passed[0])
    return sleep


@pytest.mark.parametrize("kid, algorithm", [("ec", "ES256"), ("ed", "EdDSA"), ("one", "PS256")])
async def test_every_kind_of_key_is_taken(
    access: Access, issuer: Issuer, kid: str, algorithm: str
) -> None:
    issuer.keys = [public_jwk(kid)]
    assert await told(access, issuer.token(kid, algorithm)) == ADA


async def test_a_key_is_not_used_with_an_algorithm_that_is_not_its_own(
    access: Access, issuer: Issuer
) -> None:
    issuer.keys = [public_jwk("one", alg="RS256")]
    assert await told(access, issuer.token(algorithm="PS256")) == INVALID
    elliptic = jwt.encode({"sub": "x"}, key_of("ec"), "ES256", headers={"kid": "one"})
    assert await told(access, elliptic) == INVALID


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "kid": "one", "k": "c2VjcmV0"},
        public_jwk("one", use="enc"),
        {**public_jwk("small"), "kid": "one"},
        {"kty": "RSA", "kid": "one"},
        "one",
    ],
)
async def test_only_public_keys_for_signatures_are_kept(
    access: Access, issuer: Issuer, key: Any
) -> None:
    issuer.keys = [key, public_jwk("two")]
    assert await told(access, issuer.token("one")) == INVALID
    assert await told(access, issuer.token("two")) == ADA


async def test_a_rotated_key_is_found_and_made_up_ones_do_not_flood_the_issuer(
    access: Access, issuer: Issuer, later: Any
) -> None:
    assert await told(access, issuer.token()) == ADA
    later(PAUSE_SECONDS + 1)
    issuer.keys = [public_jwk("two")]
    assert await told(access, issuer.token("two")) == ADA
    assert issuer.asked == 2
    for name in ("x", "y", "z"):
        forged = jwt.encode({}, key_of("one"), "RS256", headers={"kid": name})
        assert await told(access, forged) == INVALID
    assert await told(access, issuer.token()) == INVALID
    assert issuer.asked == 2


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500}, {"status": 302}, {"body": b"<html>"}, {"body": b'{"keys": {}}'},
        {"body": b'{"keys": []}'}, {"body": b" " * (MAX_BYTES + 1)}, {"body": b"[" * 100_000},
    ],
)  # fmt: skip
async def test_known_keys_hold_while_the_issuer_is_down_but_not_for_ever(
    access: Access, issuer: Issuer, later: Any, fault: dict[str, Any]
) -> None:
    token = issuer.token(exp=int(time.time()) + 1_000_000)
    assert await told(access, token) == ADA
    vars(issuer).update(fault)
    later(jwks.FRESH_SECONDS + 1)
    assert await told(access, token) == ADA
    assert issuer.asked == 2
    later(jwks.KEPT_SECONDS)
    assert await told(access, token) == (503, "issuer_unavailable")


async def test_a_key_that_was_taken_back_is_forgotten_within_the_hour(
    access: Access, issuer: Issuer, later: Any
) -> None:
    assert await told(access, issuer.token()) == ADA
    issuer.keys = [public_jwk("two")]
    later(jwks.FRESH_SECONDS + 1)
    assert await told(access, issuer.token()) == INVALID


async def test_keys_come_from_a_file_as_well(tmp_path: Path, issuer: Issuer) -> None:
    file = tmp_path / "jwks.json"
    limits = ServiceSettings(**{**issuer.settings, "oidc_jwks": str(file)})
    with closing(Keys(tmp_path / "keys.db")) as keys:
        missing = Access.of("local", keys, limits)
        assert await told(missing, issuer.token()) == (503, "issuer_unavailable")
        file.write_bytes(issuer.published)
        found = Access.of("local", keys, limits)
        assert await told(found, issuer.token()) == ADA
    assert issuer.asked == 0


async def test_keys_of_this_machine_come_past_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with named_proxy(monkeypatch) as came:
        with pytest.raises(Refused):
            await KeySet("http://127.0.0.1:1/jwks").prepare("a")
        assert came == []
        with pytest.raises(Refused):
            await KeySet("https://issuer.example/jwks").prepare("a")
        assert came[0].startswith(b"CONNECT issuer.example")
