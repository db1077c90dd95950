"""Output that cannot be written: another fault than a file that cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class OutputLost(Exception):
    """What a command says cannot be written."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(
            f"The output cannot be written: {reason.strerror or reason}. What was done stands;"
            " send the output elsewhere."
        )


@contextmanager
def written() -> Iterator[None]:
    """Tell output that cannot be written from a file that cannot; raises `OutputLost`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise OutputLost(exc) from exc
