"""An issuer of tokens: real keys, and a real HTTP server that publishes them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from api.service.access import Access
from api.service.problems import Refused

AUDIENCE = "https://pillion.example"
ADA = (200, "ada")
INVALID = (401, "invalid_token")
"""What becomes of a token of ada's, and of one that is none."""


@cache
def key_of(kid: str) -> Any:
    """Return the private key of that name, made at the first use."""
    if kid.startswith("ec"):
        return ec.generate_private_key(ec.SECP256R1())
    if kid.startswith("ed"):
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 1024 if kid == "small" else 2048)


def public_jwk(kid: str, **more: Any) -> dict[str, Any]:
    """Return the public half as an issuer publishes it."""
    public = key_of(kid).public_key()
    algorithm: Any = {"ec": ECAlgorithm, "ed": OKPAlgorithm}.get(kid[:2], RSAAlgorithm)
    return {**json.loads(algorithm.to_jwk(public)), "kid": kid, "use": "sig", **more}


class Issuer:
    """What it publishes can be changed, and it can be down."""

    def __init__(self) -> None:
        self.keys = [public_jwk("one")]
        self.body: bytes | None = None
        self.status = 200
        self.asked = 0
        self.url = ""

    @property
    def published(self) -> bytes:
        """The key set as it is sent."""
        return self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()

    @property
    def settings(self) -> dict[str, Any]:
        """What a service needs to be told of it."""
        return {
            "oidc_issuer": "https://issuer.example",
            "oidc_audience": AUDIENCE,
            "oidc_jwks": f"{self.url}/jwks.json",
        }

    def token(self, kid: str = "one", algorithm: str = "RS256", **claims: Any) -> str:
        """Return a token of ada's; claims that are None are left out."""
        now = int(time.time())
        all_claims = {
            "iss": "https://issuer.example", "aud": AUDIENCE, "sub": "ada", "exp": now + 300,
            "email": "ada@example.com", "roles": ["pillion:sales=approver"], **claims,
        }  # fmt: skip
        held = {k: v for k, v in all_claims.items() if v is not None}
        return jwt.encode(held, key_of(kid), algorithm=algorithm, headers={"kid": kid})


@contextmanager
def publishing() -> Iterator[Issuer]:
    """Publish keys on a port of this machine."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            body = issuer.published
            self.send_response(issuer.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bearer(token: str) -> dict[str, str]:
    """Return the header that shows a token."""
    return {"authorization": f"Bearer {token}"}


async def told(access: Access, token: str) -> tuple[int, str]:
    """Return status and code of what becomes of a token; 200 with its holder's name."""
    try:
        return 200, (await access.authenticate(bearer(token))).principal.name
    except Refused as exc:
        return exc.status, exc.code
