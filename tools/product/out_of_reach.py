"""What works in an owner's own program and never here: files, other databases, extensions."""

from __future__ import annotations

import re

_FILE = re.compile(
    r'Cannot access (?:file|directory) "(.*?)" - file system operations are disabled'
)
_DATABASE = re.compile(r"Table with name .* does not exist because schema .* does not exist")
_EXTENSION = re.compile(
    r"required extension '|it exists in the .* extension|Function with name .* does not exist"
)


def out_of_reach(said: str) -> bool:
    """Whether the engine's words may be about what works for the owner."""
    return any(words.search(said) for words in (_FILE, _DATABASE, _EXTENSION))


def reason(said: str) -> str:
    """Return the first line of the engine's words; of a file, what is meant."""
    line = said.splitlines()[0] if said else ""
    file = _FILE.search(line)
    if file is None:
        return line
    return f'it reads the file "{file[1]}", and Pillion reads the database alone'
