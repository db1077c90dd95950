"""Tokens of an issuer: whose are taken, what they allow, and every forgery that is not."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.service import jwks
from api.service.access import Access
from api.service.problems import Refused
from api.service.service import Service, open_service
from api.service.settings import ServiceSettings
from api.service.tokens import MAX_TOKEN
from graph.settings import Settings
from tests.api.service.issuer import ADA, INVALID, Issuer, bearer, key_of, told
from tests.api.service.test_guard import problem_of


@pytest.fixture
async def service(tmp_path: Path, issuer: Issuer, more: dict[str, Any]) -> AsyncIterator[Service]:
    settings = Settings(home=tmp_path / "home", principal="local")
    limits = ServiceSettings(**{**issuer.settings, **more})
    async with open_service(settings, limits) as opened:
        yield opened


async def ask(http: httpx.AsyncClient, token: str, path: str = "/info") -> httpx.Response:
    return await http.get(path, headers=bearer(token))


async def test_a_token_of_the_issuer_is_its_holder_with_the_roles_it_names(
    service: Service, http: httpx.AsyncClient, issuer: Issuer
) -> None:
    token = issuer.token()
    assert (await ask(http, token)).status_code == 200
    caller = await service.access.authenticate(bearer(token))
    assert (caller.principal.kind, caller.principal.name) == ("person", "ada")
    assert caller.roles == {"sales": "approver"}
    assert problem_of(await ask(http, token, "/metrics")) == (403, "forbidden")
    assert service.access.identify(bearer(token)) == caller
    assert issuer.asked == 1


def unsigned(issuer: Issuer) -> str:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    return jwt.encode(claims, "", algorithm="none", headers={"kid": "one"})


def signed_with_the_public_key(issuer: Issuer) -> str:
    """Make an HS256 token whose secret is what everybody knows, as libraries refuse to."""
    public = key_of("one").public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": "one"}
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
    signed = head + b"." + issuer.token().encode().split(b".")[1]
    mac = hmac.HMAC(secret, hashes.SHA256())
    mac.update(signed)
    return (signed + b"." + base64.urlsafe_b64encode(mac.finalize()).rstrip(b"=")).decode()


def altered(issuer: Issuer) -> str:
    mine, hers = issuer.token(roles=["pillion:admin"]), issuer.token()
    return ".".join([*mine.split(".")[:2], hers.split(".")[2]])


def by_somebody_else(issuer: Issuer) -> str:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    return jwt.encode(claims, key_of("other"), algorithm="RS256", headers={"kid": "one"})


def critical(issuer: Issuer) -> str:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    headers = {"kid": "one", "crit": ["exp"]}
    return jwt.encode(claims, key_of("one"), algorithm="RS256", headers=headers)


FORGED = {
    "unsigned": (unsigned, "algorithm"),
    "HS256 with the public key": (signed_with_the_public_key, "algorithm"),
    "altered": (altered, "signature"),
    "signed by another key": (by_somebody_else, "signature"),
    "an algorithm that is not listed": (lambda i: i.token(algorithm="RS512"), "algorithm"),
    "an unknown key": (lambda i: i.token("other"), "no key"),
    "an unknown critical extension": (critical, "cannot be read"),
    "expired": (lambda i: i.token(exp=int(time.time()) - 31), "expired"),
    "not valid yet": (lambda i: i.token(nbf=int(time.time()) + 60), "not valid yet"),
    "issued tomorrow": (lambda i: i.token(iat=int(time.time()) + 86_400), "not valid yet"),
    "without an end": (lambda i: i.token(exp=None), "needs the claims"),
    "an end that is no number": (lambda i: i.token(exp="soon"), "not valid"),
    "an end beyond numbers": (lambda i: i.token(exp=1e400), "not"),
    "for somebody else": (lambda i: i.token(aud="https://other.example"), "somebody else"),
    "for nobody": (lambda i: i.token(aud=None), "needs the claims"),
    "of another issuer": (lambda i: i.token(iss="https://evil.example"), "another issuer"),
    "of nobody": (lambda i: i.token(sub=None), "needs the claims"),
    "an empty name": (lambda i: i.token(sub=""), "names nobody"),
    "a name that breaks lines": (lambda i: i.token(sub="ada\r\nx: y"), "names nobody"),
    "too long": (lambda i: i.token(more="x" * MAX_TOKEN), "longer"),
    "no token": (lambda i: "a.b.c", "cannot be read"),
    "binary": (lambda i: "\u00e9.\u00e9.\u00e9", "cannot be read"),
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_forged_or_foreign_token_is_refused(
    access: Access, issuer: Issuer, how: str
) -> None:
    make, said = FORGED[how]
    token = make(issuer)
    with pytest.raises(Refused, match=said) as refused:
        await access.authenticate(bearer(token))
    assert (refused.value.status, refused.value.code) == INVALID
    assert token not in refused.value.detail


async def test_what_is_wrong_with_a_token_is_told_in_the_header_too(
    http: httpx.AsyncClient, issuer: Issuer
) -> None:
    answer = await ask(http, unsigned(issuer))
    assert problem_of(answer) == INVALID
    challenge = (
        'error="invalid_token", error_description="The token\'s algorithm is not one that is'
    )
    assert answer.headers["www-authenticate"].startswith(f'Bearer realm="pillion", {challenge}')


async def test_the_clock_of_the_issuer_may_be_a_little_off(access: Access, issuer: Issuer) -> None:
    now = int(time.time())
    assert await told(access, issuer.token(exp=now - 20, nbf=now + 20)) == ADA


async def test_an_issuer_that_never_answers_is_given_up(
    http: httpx.AsyncClient, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.05)
    monkeypatch.setattr(Issuer, "published", property(lambda self: time.sleep(0.3) or b""))
    answer = await ask(http, issuer.token())
    assert problem_of(answer) == (503, "issuer_unavailable")
    assert answer.headers["retry-after"] == "30"


@pytest.mark.parametrize(
    "claims",
    [{"email": None}, {"azp": "ada"}, {"client_id": "ada"}, {"email": ""}],
)
async def test_a_token_that_is_not_certainly_a_persons_is_an_agents(
    access: Access, issuer: Issuer, claims: dict[str, Any]
) -> None:
    caller = await access.authenticate(bearer(issuer.token(**claims)))
    assert caller.principal.kind == "agent"


@pytest.mark.parametrize(
    ("more", "claims", "roles"),
    [
        ({}, {"roles": ["admin", "pillion:king", 7, "pillion:viewer"]}, {"*": "viewer"}),
        ({}, {"roles": "pillion:sales=viewer pillion:sales=admin"}, {"sales": "admin"}),
        ({}, {"roles": {"a": "pillion:admin"}}, {}),
        ({}, {"roles": None}, {}),
        (
            {"oidc_roles_claim": "realm_access.roles"},
            {"realm_access": {"roles": ["pillion:operator"]}},
            {"*": "operator"},
        ),
        (
            {"oidc_roles": {"dba": "viewer, sales=approver"}},
            {"roles": ["dba", "pillion:admin"]},
            {"*": "viewer", "sales": "approver"},
        ),
    ],
)
async def test_roles_come_from_the_claim_that_settings_name(
    access: Access, issuer: Issuer, claims: dict[str, Any], roles: dict[str, str]
) -> None:
    caller = await access.authenticate(bearer(issuer.token(**claims)))
    assert caller.roles == roles


async def test_keys_of_ours_go_on_working_beside_tokens(
    access: Access,
) -> None:
    secret = access.keys.add("robot", "agent", {"*": "viewer"})
    assert await told(access, secret) == (200, "robot")


async def test_who_sends_nothing_is_told_where_tokens_come_from(http: httpx.AsyncClient) -> None:
    answer = await http.get("/info")
    assert problem_of(answer) == (401, "unauthorized")
    where = "http://127.0.0.1/.well-known/oauth-protected-resource"
    challenge = f'Bearer realm="pillion", resource_metadata="{where}"'
    assert answer.headers["www-authenticate"] == challenge
    assert (await http.get(where)).json() == {
        "resource": "http://127.0.0.1",
        "resource_name": "Pillion",
        "authorization_servers": ["https://issuer.example"],
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.parametrize("more", [{"public_url": "https://pillion.example/"}])
async def test_behind_a_proxy_the_public_name_is_told(
    service: Service, http: httpx.AsyncClient
) -> None:
    document = (await http.get("/.well-known/oauth-protected-resource")).json()
    assert document["resource"] == "https://pillion.example"
    below = service.access.resource_metadata("https://pillion.example", "/mcp")
    assert below is not None and below["resource"] == "https://pillion.example/mcp"


async def test_too_small_a_role_is_told_in_the_header_too(
    http: httpx.AsyncClient, issuer: Issuer
) -> None:
    answer = await ask(http, issuer.token(), "/metrics")
    challenge = 'Bearer realm="pillion", error="insufficient_scope"'
    assert answer.headers["www-authenticate"] == challenge
