"""Text from anywhere made harmless for a line of output."""

from __future__ import annotations

import unicodedata

_SPACES = str.maketrans("\n\r\t\v\f\x85\u2028\u2029", " " * 8)
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def plain(text: object) -> str:
    """Return `text` on one line with control, bidi and unprintable characters made visible."""
    return "".join(_seen(character) for character in str(text).translate(_SPACES))


def _seen(character: str) -> str:
    category, code = unicodedata.category(character), ord(character)
    if category == "Zs":
        return " "
    if category not in _UNSEEN:
        return character
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
