"""Who calls, and what they may do: roles a product, checked by every route.

A route asks with `Needs`; whatever else has headers and no route, such as a mounted application,
awaits `Access.authenticate`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.service.keys import EVERY, ROLES, Keys, Role
from api.service.problems import Refused
from api.service.rates import Rate
from api.service.settings import ServiceSettings
from api.service.terminal import LONGEST, PERSON, name_in
from api.service.tokens import Tokens, is_token
from tools.messages import Principal

REALM = 'Bearer realm="pillion"'
METADATA = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True)
class Caller:
    """An authenticated principal and its role in each product."""

    principal: Principal
    roles: Mapping[str, Role]
    still: Callable[[], bool] = field(default=lambda: True, compare=False, repr=False)
    """Whether what it showed is good still: what is open for long asks again."""

    def may(self, role: Role, product: str) -> bool:
        """Return whether the caller has that role, or more, in a product."""
        held = [self.roles[p] for p in (product, EVERY) if p in self.roles]
        return any(ROLES.index(h) >= ROLES.index(role) for h in held)

    def may_somewhere(self, role: Role) -> bool:
        """Return whether the caller has that role, or more, in any product."""
        return any(self.may(role, product) for product in self.roles)

    def check(self, role: Role, product: str) -> None:
        """Raise a refusal unless the caller has that role in a product."""
        if not self.may(role, product):
            raise forbidden(role, product)

    def sees(self, role: Role, metadata: Mapping[str, Any]) -> bool:
        """Return whether the caller has that role for a thread: by its product, or as its maker."""
        product = metadata.get("product")
        if product is not None:
            return self.may(role, str(product))
        mine = metadata.get("created_by") == self.principal.name and self.may_somewhere(role)
        return mine or self.may(role, EVERY)


def forbidden(role: Role, product: str) -> Refused:
    """Return the refusal for lacking a role."""
    where = "every product" if product == EVERY else product
    refused = Refused(403, "forbidden", f"This needs the role {role} for {where}.")
    refused.headers["www-authenticate"] = f'{REALM}, error="insufficient_scope"'
    return refused


class Needs:
    """The rule of a route: the role its caller needs, in some product at least.

    Routes about one product check that product besides; `everywhere` asks for all of them.
    Where `named`, a terminal may say for whom it asks.
    """

    def __init__(self, role: Role, *, everywhere: bool = False, named: bool = False) -> None:
        self.role = role
        self.everywhere = everywhere
        self.named = named

    async def __call__(self, request: HTTPConnection) -> Caller:
        """Return the caller; refuses with 401 or 403."""
        access: Access = request.app.state.service.access
        try:
            caller = await access.authenticate(request.headers)
            if self.named:
                caller = access.named(caller, request.headers)
        except Refused as exc:
            if exc.status == 401:
                exc.headers["www-authenticate"] = access.challenge(exc, base_url(request))
            raise
        request.state.caller = f"{caller.principal.kind}:{caller.principal.name}"
        enough = caller.may(self.role, EVERY) if self.everywhere else None
        if enough is False or (enough is None and not caller.may_somewhere(self.role)):
            raise forbidden(self.role, EVERY if self.everywhere else "this")
        return caller


Asker = Annotated[Caller, Depends(Needs("viewer", named=True))]
Starter = Annotated[Caller, Depends(Needs("operator", named=True))]
Undoer = Annotated[Caller, Depends(Needs("approver", named=True))]
Viewer = Annotated[Caller, Depends(Needs("viewer"))]
Operator = Annotated[Caller, Depends(Needs("operator"))]
Approver = Annotated[Caller, Depends(Needs("approver"))]
Auditor = Annotated[Caller, Depends(Needs("viewer", everywhere=True))]
Admin = Annotated[Caller, Depends(Needs("admin", everywhere=True))]


@dataclass(frozen=True)
class Access:
    """Identifies callers by keys and tokens; without either they are the local person."""

    person: str
    keys: Keys
    settings: ServiceSettings
    tokens: Tokens | None
    rate: Rate
    own: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """Announced in the home while the service runs: who can read it there is the local person."""

    @classmethod
    def of(cls, person: str, keys: Keys, settings: ServiceSettings) -> Access:
        """Return what the settings call for: tokens are taken where an issuer is named."""
        tokens = Tokens(settings) if settings.oidc_issuer else None
        return cls(person, keys, settings, tokens, Rate(settings.principal_requests_per_second))

    @property
    def open(self) -> bool:
        """Whether nobody has to say who they are."""
        return self.tokens is None and not self.keys.asked_for

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Return who sent a request with these headers.

        Refuses with 401, with 429 who asks too often, and with 503 while a token's key is missing.
        """
        secret = _secret(headers)
        if self.tokens is not None and is_token(secret):
            await self.tokens.prepare(secret)
        caller = self.identify(headers)
        self.rate.check(f"{caller.principal.kind}:{caller.principal.name}")
        return replace(caller, still=lambda: self._still(headers))

    def _still(self, headers: Mapping[str, str]) -> bool:
        try:
            self.identify(headers)
        except Refused:
            return False
        return True

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """Return the same from what is at hand: a token whose key is not known yet is refused."""
        secret = _secret(headers)
        if self._owns(headers) or self.open:
            everything = cast(dict[str, Role], {EVERY: "admin"})
            return Caller(Principal(kind="person", name=self.person), everything)
        if self.tokens is not None and is_token(secret):
            holder = self.tokens.check(secret)
            return Caller(Principal(kind=holder.kind, name=holder.name), holder.roles)
        found = self.keys.find(secret) if secret else None
        if found is None:
            raise Refused(401, "unauthorized", self._ways())
        return Caller(Principal(kind=found.kind, name=found.name), found.roles)

    def named(self, caller: Caller, headers: Mapping[str, str]) -> Caller:
        """Return the caller under the name their terminal says; refuses a name that is another's.

        Whom a key or an issuer can vouch for is not whom a terminal says: they show it.
        """
        name = name_in(headers)
        if name is None or name.casefold() == caller.principal.name.casefold():
            return caller
        if not name:
            raise Refused(
                400, "bad_name",
                f"{PERSON} is 1 to {LONGEST} printable characters, percent-encoded; a terminal"
                " takes them from PILLION_PRINCIPAL.",
            )  # fmt: skip
        if not self._owns(headers):
            raise Refused(403, "not_shown", "Only a terminal of the home's owner says a name.")
        if self.tokens is not None or self.keys.named(name):
            raise Refused(
                403, "not_shown",
                f"This service knows {name!r} by a key or a token, and a name alone shows neither:"
                " set PILLION_KEY to theirs, or ask under another PILLION_PRINCIPAL.",
            )  # fmt: skip
        return replace(caller, principal=Principal(kind="person", name=name))

    def _owns(self, headers: Mapping[str, str]) -> bool:
        shown = _secret(headers).encode("utf-8", "surrogatepass")
        return secrets.compare_digest(shown, self.own.encode())

    def _ways(self) -> str:
        token = f" or a token of {self.settings.oidc_issuer}" if self.tokens else ""
        return (
            f"Send `Authorization: Bearer KEY`{token} or `X-Api-Key: KEY`; its operator makes keys"
            " with `pillion keys add`."
        )

    def challenge(self, refused: Refused, base: str, path: str = "") -> str:
        """Return the `WWW-Authenticate` of a refusal (RFC 6750, RFC 9728).

        `path` is that of the resource below the service, such as `/mcp`.
        """
        parts = [REALM]
        if refused.code != "unauthorized":
            parts += [f'error="{refused.code}"', f'error_description="{refused.detail}"']
        if self.tokens is not None:
            parts.append(f'resource_metadata="{base}{METADATA}{path}"')
        return ", ".join(parts)

    def resource_metadata(self, base: str, path: str = "") -> dict[str, Any] | None:
        """Return what RFC 9728 wants to be told of a resource; None where no tokens are taken."""
        if self.tokens is None:
            return None
        return {
            "resource": f"{base}{path}",
            "resource_name": "Pillion",
            "authorization_servers": [self.settings.oidc_issuer],
            "bearer_methods_supported": ["header"],
        }


def base_url(request: HTTPConnection) -> str:
    """Return the URL by which clients know the service, without a slash at its end."""
    settings: ServiceSettings = request.app.state.service.limits
    return settings.public_url or str(request.base_url).rstrip("/")


def _secret(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
