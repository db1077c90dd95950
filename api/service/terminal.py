"""The name for which a terminal has the service work: what it says, and how it is sent.

A terminal beside a service shows the secret of `service.json`, which only the home's owner can
read. That proves the owner's account and no more; the name is what the terminal says, as it is
without a service. It counts where something is asked for or taken back, never in an answer: those a
terminal writes itself, as given in a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

PERSON = "x-pillion-person"
LONGEST = 200


def said_to_be(name: str) -> dict[str, str]:
    """Return the header that tells a name; percent-encoded UTF-8, for headers are not."""
    return {PERSON: quote(name, safe="", errors="replace")}


def name_in(headers: Mapping[str, str]) -> str | None:
    """Return the name that a request tells: None without one, empty where it can be no name."""
    told = headers.get(PERSON)
    if told is None:
        return None
    try:
        name = unquote_to_bytes(told).decode().strip()
    except UnicodeDecodeError:
        return ""
    return name if len(name) <= LONGEST and name.isprintable() else ""
