"""The issuer's public keys: fetched when they are needed, kept while it cannot be reached."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import httpx2
import jwt
import orjson

from api.service.problems import Refused

LOG = logging.getLogger("pillion.access")
FRESH_SECONDS = 3600.0
"""After so long they are fetched again, so that a key that was taken back is forgotten."""
KEPT_SECONDS = 86_400.0
"""So long they hold while they cannot be fetched again."""
PAUSE_SECONDS = 30.0
"""Between two tries: tokens with made-up key ids cannot make us flood the issuer."""
FETCH_SECONDS = 5.0
MAX_BYTES = 256 * 1024
MAX_KEYS = 100
KINDS = ("RSA", "EC", "OKP")
RSA_BITS = 2048


class KeysUnusable(Exception):
    """What the issuer publishes is not a set of public keys."""


class KeySet:
    """The keys behind one URL or in one file, by key id."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._keys: dict[str, dict[str, Any]] = {}
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def prepare(self, kid: str | None) -> None:
        """Fetch the keys when this one is not known, or all were read long ago.

        Raises `Refused` with 503 when there are none to check with.
        """
        known = self.find(kid) is not None
        if known and (self._age() < FRESH_SECONDS or self._lock.locked()):
            return
        async with self._lock:
            if self.find(kid) is None or self._age() >= FRESH_SECONDS:
                await self._try()
        if not self._keys or self._age() >= KEPT_SECONDS:
            refused = Refused(
                503, "issuer_unavailable", "The keys to check tokens with cannot be had now;"
                " try again later, or use an API key.",
            )  # fmt: skip
            refused.headers["retry-after"] = f"{PAUSE_SECONDS:.0f}"
            raise refused

    def find(self, kid: str | None) -> dict[str, Any] | None:
        """Return a key by its id; without one, the only key there is."""
        if kid is not None:
            return self._keys.get(kid)
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    def _age(self) -> float:
        return time.monotonic() - self._read_at

    async def _try(self) -> None:
        """Read the keys unless that was tried a moment ago; trouble leaves those that we have."""
        at = time.monotonic()
        if at - self._tried_at < PAUSE_SECONDS:
            return
        self._tried_at = at
        try:
            self._keys = _usable(await self._read())
            self._read_at = at
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError, KeysUnusable) as exc:
            LOG.warning("keys of %s: %s: %s", self._source, type(exc).__name__, exc)

    async def _read(self) -> bytes:
        if not self._source.startswith(("http://", "https://")):
            return await asyncio.to_thread(_file, Path(self._source))
        body = bytearray()
        # What is on this machine is asked itself: a proxy of the environment could put in its own.
        around = self._source.startswith("https://")
        async with (
            asyncio.timeout(FETCH_SECONDS),
            httpx2.AsyncClient(
                timeout=FETCH_SECONDS, follow_redirects=False, trust_env=around
            ) as client,
            client.stream("GET", self._source, headers={"accept": "application/json"}) as answer,
        ):
            if answer.status_code != 200:
                raise KeysUnusable(f"status {answer.status_code}")
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise KeysUnusable(f"larger than {MAX_BYTES} bytes")
        return bytes(body)


def _file(path: Path) -> bytes:
    with path.open("rb") as file:
        body = file.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise KeysUnusable(f"larger than {MAX_BYTES} bytes")
    return body


def _usable(body: bytes) -> dict[str, dict[str, Any]]:
    """Return the public signing keys of a JWK set by their ids; others are passed over."""
    try:
        listed = orjson.loads(body)["keys"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise KeysUnusable("no JSON with a list of keys") from exc
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise KeysUnusable(f"not a list of at most {MAX_KEYS} keys")
    found = {str(k.get("kid", "")): k for k in listed if isinstance(k, dict) and _signs(k)}
    if not found:
        raise KeysUnusable("no public key for signatures of RSA with 2048 bits, EC or Ed25519")
    return found


def _signs(key: dict[str, Any]) -> bool:
    if key.get("kty") not in KINDS or key.get("use", "sig") != "sig":
        return False
    try:
        made = jwt.PyJWK(key, algorithm=key.get("alg")).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return bool(key["kty"] != "RSA" or made.key_size >= RSA_BITS)
