"""Where a server of ours listens: announced in a file while it lives."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from pydantic import ValidationError

from graph.errors import GraphError
from tools.messages import Message


class Serving(Message):
    """Where a running server listens; written by `pillion serve`, mode 0600."""

    url: str
    token: str = ""
    query_token: str = ""
    """Of a product: asks at /query and changes nothing."""
    pid: int


@contextmanager
def announced(where: Path, serving: Serving) -> Iterator[Path]:
    """Keep the file that says where something is served, whole or not at all."""
    draft = where.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(serving.model_dump_json())
    draft.replace(where)
    try:
        yield where
    finally:
        where.unlink(missing_ok=True)


def find_serving(where: Path, marks: Collection[str], command: str) -> Serving | None:
    """Read such a file; None when there is none or the process, known by a mark, is gone."""
    try:
        serving = Serving.model_validate_json(where.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as exc:
        raise GraphError(
            f"{where} is damaged; it says where `pillion {command}` listens. Stop that command if"
            " it runs, then delete the file."
        ) from exc
    return serving if _serves(serving.pid, marks) else None


def _serves(pid: int, marks: Collection[str]) -> bool:
    """Return whether that process is the server and not a later one of the same number.

    Who asks is none: in a container the first process is 1 again after every start.
    """
    if pid == os.getpid():
        return False
    try:
        return not set(marks).isdisjoint(psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.AccessDenied:
        return True
