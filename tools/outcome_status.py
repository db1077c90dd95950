"""What may become of a decided proposal in the product."""

from __future__ import annotations

from typing import Literal

OutcomeStatus = Literal[
    "applied",
    "verified",
    "unproven",
    "rolled_back",
    "undone",
    "expired",
    "failed",
]
"""`verified`: surely no slower on live than policy allows; `unproven`: in place without such a
proof; `failed`: never made."""
IN_PLACE: frozenset[OutcomeStatus] = frozenset({"applied", "verified", "unproven"})
"""Where a change is in the product now."""
