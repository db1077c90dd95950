"""The command that forgets: prune."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer
from filelock import FileLock, Timeout

from api.cli.shell import Json, load_settings, print_json, tell
from api.products import check_writable
from api.wording import counted, size
from graph.pruning import Pruned, Pruning
from graph.run_store import now
from graph.settings import Settings

DAYS = 30.0


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    keep: Annotated[
        int, typer.Option(help="Checkpoints kept of each finished thread, the latest.", min=1)
    ] = 1,
    older_than: Annotated[
        float, typer.Option(help="Days since something happened in it.", min=0, max=36_500)
    ] = DAYS,
    json: Json = False,
) -> None:
    """Forget checkpoints, events and delivered answers of finished runs, and give the space back.

    What works or waits is left alone, and so are proposals, answers, evidence and the trail.
    Works beside the service.

    Example: `pillion prune --older-than 7 --dry-run`
    """
    settings = load_settings()
    check_writable(settings.home)
    before = now() - timedelta(days=older_than)
    with _alone(settings) as alone:
        done = Pruning(settings, before, keep, dry_run=dry_run, alone=alone).run()
    if json:
        print_json({**_view(done), "dry_run": dry_run})
    else:
        _tell(done, older_than, dry_run=dry_run)


@contextmanager
def _alone(settings: Settings) -> Iterator[bool]:
    """Hold the home if nobody does; says whether it is held."""
    lock = FileLock(settings.home / "steward.lock")
    settings.home.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _view(done: Pruned) -> dict[str, object]:
    files = [file._asdict() for file in done.files]
    return {**asdict(done), "files": files, "saved_bytes": _saved(done)}


def _saved(done: Pruned) -> int:
    return sum(file.before - file.after for file in done.files)


def _tell(done: Pruned, days: float, *, dry_run: bool) -> None:
    if not any((done.checkpoints, done.writes, done.events, done.answers, done.keys)):
        tell(f"Nothing is left to forget of finished runs that were quiet for {days:g} days.")
        return
    what = ", ".join(
        (
            counted(done.checkpoints, "checkpoint"),
            counted(done.writes, "write"),
            counted(done.events, "event"),
            counted(done.answers, "delivered answer"),
            counted(done.keys, "used key"),
        )
    )
    held = size(done.content_bytes)
    if dry_run:
        tell(f"Would forget {what} of {counted(done.threads, 'thread')}: {held} of content.")
        return
    tell(f"Forgot {what} of {counted(done.threads, 'thread')}: {held} of content.")
    for file in done.files:
        tell(f"{file.name}: {size(file.before)} before, {size(file.after)} after.")
