"""What a caller of the product server sees when a tool fails."""

from __future__ import annotations

import re

PASSING = frozenset({"database_locked", "disk_full"})
SERVER_ENDED = "server_ended"
"""The code of a tool in which the server ended so often that it is not tried again."""
ATTEMPTS = 3
"""How often a step is tried in which the server ends; each time the call is repeated once."""
_CODED = re.compile(r"(?s)(?:Error executing tool \w+: )?\[(\w+)\] (.*)")


class ToolFailed(Exception):
    """A tool said no, with a code of `tools.product.errors` and a message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @classmethod
    def parse(cls, text: str) -> ToolFailed:
        """Read back what `encode` wrote into a tool error."""
        found = _CODED.match(text)
        return cls(found[1], found[2]) if found else cls("internal", text)

    @staticmethod
    def encode(code: str, message: str) -> str:
        """Return the text of a tool error that `parse` understands."""
        return f"[{code}] {message}"


class ServerGone(Exception):
    """The product server ended; everything it committed is safe and the call can be repeated."""


class ServerEnded(ServerGone):
    """The product server ended in a call, and again in its repetition or before that."""


class NotNow(ServerGone):
    """The product cannot be changed at present: another program holds it, or its disk is full."""

    @classmethod
    def unless_lasting(cls, failure: ToolFailed, kept: str) -> None:
        """Raise where the reason passes by itself or with room made; `kept` says what waits."""
        if failure.code in PASSING:
            raise cls(f"{failure.message} {kept}") from failure


def ended_each_time(step: str) -> str:
    """Return what a person is told of a step that is given up, and what to do."""
    return (
        f"The product server ended in each of {ATTEMPTS} attempts at this ({step}). Its server.log,"
        " beside the product, may say why; where memory is short, give it more, or lower"
        " PILLION_PRODUCT_MEMORY_LIMIT and PILLION_PRODUCT_SHADOW_MEMORY_LIMIT."
    )
