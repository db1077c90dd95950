"""Bearer tokens of an OpenID Connect issuer: signed by it, meant for us, valid now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt

from api.service.jwks import KeySet
from api.service.keys import ROLES, Kind, Role
from api.service.problems import Refused
from api.service.settings import ServiceSettings, granted

MAX_TOKEN = 16_384
MAX_NAME = 200
OWN = "pillion:"
"""What a value of the roles claim begins with when no table says what values mean."""
REQUIRED = ["exp", "iss", "aud", "sub"]


class Holder(NamedTuple):
    """Who a token was given to."""

    name: str
    kind: Kind
    roles: dict[str, Role]


class Tokens:
    """Checks tokens; the keys come from a `KeySet`."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._keys = KeySet(settings.oidc_jwks)

    async def prepare(self, token: str) -> None:
        """Have the key at hand that `check` needs; raises what `KeySet.prepare` raises."""
        await self._keys.prepare(_header(token).get("kid"))

    def check(self, token: str) -> Holder:
        """Return who holds a token; raises `Refused` with 401 and what is wrong with it."""
        header = _header(token)
        algorithm = header.get("alg")
        if algorithm not in self._settings.algorithms:
            raise invalid("The token's algorithm is not one that is taken here.")
        key = self._keys.find(header.get("kid"))
        if key is None:
            raise invalid("The token names no key that its issuer publishes.")
        if key.get("alg", algorithm) != algorithm:
            raise invalid("The token's algorithm is not that of its key.")
        try:
            claims = jwt.decode(
                token, jwt.PyJWK(key, algorithm=algorithm), algorithms=[algorithm],
                audience=self._settings.oidc_audience, issuer=self._settings.oidc_issuer,
                leeway=self._settings.oidc_leeway_seconds, options={"require": REQUIRED},
            )  # fmt: skip
        except jwt.PyJWTError as exc:
            raise invalid(_reason(exc)) from exc
        except (ValueError, OverflowError) as exc:
            raise invalid("The token's claims are not what a token holds.") from exc
        return self._holder(claims)

    def _holder(self, claims: Mapping[str, Any]) -> Holder:
        name = claims.get(self._settings.oidc_name_claim)
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise invalid(f"The token's claim {self._settings.oidc_name_claim} names nobody.")
        return Holder(name, self._kind(claims), self._roles(claims))

    def _kind(self, claims: Mapping[str, Any]) -> Kind:
        """Tell people from programs; in doubt it is a program, which may never decide."""
        own = claims["sub"] in (claims.get("azp"), claims.get("client_id"))
        person = bool(claims.get(self._settings.oidc_person_claim)) and not own
        return "person" if person else "agent"

    def _roles(self, claims: Mapping[str, Any]) -> dict[str, Role]:
        """Return the highest role by product that the claim gives; unknown values give none."""
        roles: dict[str, Role] = {}
        for value in _values(claims, self._settings.oidc_roles_claim):
            table = self._settings.oidc_roles
            said = table.get(value, "") if table else value.removeprefix(OWN)
            if not table and said == value:
                continue
            for product, role in (granted(said) or {}).items():
                held = roles.get(product, role)
                roles[product] = max(held, role, key=ROLES.index)
        return roles


def is_token(secret: str) -> bool:
    """Return whether that looks like a signed token and not like a key of ours."""
    return secret.count(".") == 2


def invalid(detail: str) -> Refused:
    """Return the refusal of a token."""
    return Refused(401, "invalid_token", detail)


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN:
        raise invalid(f"The token is longer than {MAX_TOKEN} characters.")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as exc:
        raise invalid("The token cannot be read.") from exc
    if not isinstance(header.get("kid", ""), str):
        raise invalid("The token's key id is no text.")
    return header


def _values(claims: Mapping[str, Any], path: str) -> list[str]:
    """Return the texts at a claim such as `realm_access.roles`; one text is split at spaces."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return found.split()
    return [v for v in found if isinstance(v, str)] if isinstance(found, list) else []


def _reason(error: jwt.PyJWTError) -> str:
    """Say what is wrong without repeating what the token holds."""
    known: dict[type[Exception], str] = {
        jwt.ExpiredSignatureError: "The token has expired.",
        jwt.ImmatureSignatureError: "The token is not valid yet.",
        jwt.InvalidAudienceError: "The token is meant for somebody else.",
        jwt.InvalidIssuerError: "The token is from another issuer.",
        jwt.MissingRequiredClaimError: f"The token needs the claims {', '.join(REQUIRED)}.",
        jwt.InvalidSignatureError: "The token's signature does not fit.",
    }
    return next((text for kind, text in known.items() if isinstance(error, kind)),
                "The token is not valid.")  # fmt: skip
