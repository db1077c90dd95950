"""Who calls, and what they may do: roles a product, checked by every route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.service.keys import EVERY, ROLES, Keys, Role
from api.service.problems import Refused
from tools.messages import Principal


@dataclass(frozen=True)
class Caller:
    """An authenticated principal and its role in each product."""

    principal: Principal
    roles: Mapping[str, Role]

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
    return Refused(403, "forbidden", f"This needs the role {role} for {where}.")


class Needs:
    """The rule of a route: the role its caller needs, in some product at least.

    Routes about one product check that product besides; `everywhere` asks for all of them.
    """

    def __init__(self, role: Role, *, everywhere: bool = False) -> None:
        self.role = role
        self.everywhere = everywhere

    async def __call__(self, request: HTTPConnection) -> Caller:
        """Return the caller; refuses with 401 or 403."""
        caller: Caller = request.app.state.service.access.identify(request.headers)
        enough = caller.may(self.role, EVERY) if self.everywhere else None
        if enough is False or (enough is None and not caller.may_somewhere(self.role)):
            raise forbidden(self.role, EVERY if self.everywhere else "this")
        return caller


Viewer = Annotated[Caller, Depends(Needs("viewer"))]
Operator = Annotated[Caller, Depends(Needs("operator"))]
Approver = Annotated[Caller, Depends(Needs("approver"))]
Auditor = Annotated[Caller, Depends(Needs("viewer", everywhere=True))]
Admin = Annotated[Caller, Depends(Needs("admin", everywhere=True))]


@dataclass(frozen=True)
class Access:
    """Identifies callers by their keys; while none was ever made, they are the local person."""

    person: str
    keys: Keys

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """Return who sent a request with these headers; refuses with 401."""
        if not self.keys.asked_for:
            everything = cast(dict[str, Role], {EVERY: "admin"})
            return Caller(Principal(kind="person", name=self.person), everything)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        secret = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        found = self.keys.find(secret) if secret else None
        if found is None:
            raise Refused(
                401, "unauthorized", "Send `Authorization: Bearer KEY` or `X-Api-Key: KEY`; its"
                " operator makes keys with `pillion keys add`.",
            )  # fmt: skip
        return Caller(Principal(kind=found.kind, name=found.name), found.roles)
