"""Text from anywhere made harmless for a line of output."""

from __future__ import annotations

import json
import unicodedata

NAME_WIDTH = 120
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


def short(text: object, width: int) -> str:
    """Return `text` on one line, its blanks collapsed, cut to `width` with an ellipsis."""
    line = " ".join(plain(text).split())
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def quoted(text: object, width: int = NAME_WIDTH) -> str:
    """Return hostile text as a quoted, single-line, printable literal of bounded length."""
    return json.dumps(short(text, width), ensure_ascii=False)
