"""Judges on disk: each version under the hash of its content, and which one serves.

A judge is checked before it is used: its size, its hash, and every number of it.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from pathlib import Path
from typing import NamedTuple

from pydantic import AwareDatetime, ValidationError

from tools.failpoints import crash_point
from tools.messages import Message
from tools.slm.errors import BadModel, ModelError
from tools.slm.evaluation import Evaluation
from tools.slm.judge import Judge
from tools.slm.steps import write_whole

LARGEST = 2_000_000
"""Bytes of a judge's file; a real one has a tenth of it."""
ID = re.compile(r"j[0-9a-f]{12}")
JUDGE, ABOUT, CARD, SERVING = "judge.json", "about.json", "card.md", "serving.json"
COMING = "coming.json"


class About(Message):
    """What is kept beside a judge: when and how it was made, and how good it is."""

    made_at: AwareDatetime
    chosen: str
    evaluation: Evaluation
    against: str | None
    """The judge that served then; None is rules."""


class Serving(Message):
    """Which judge serves, and those that served before, the latest last; None is rules."""

    id: str | None
    before: tuple[str | None, ...] = ()


class Coming(Message):
    """Who is to serve once that is kept in the trail, under a key that nothing else has."""

    key: str
    serving: Serving


class Version(NamedTuple):
    """A judge that is kept; `about` is missing where it cannot be read."""

    id: str
    path: Path
    about: About | None


class Store:
    """The judges of a home directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, judge: Judge, about: About, card: str) -> str:
        """Keep a judge and return its id; the same judge again is one version, newly compared."""
        body = judge.model_dump_json()
        judge_id = id_of(body)
        place = self._folder / judge_id
        write_whole(place / CARD, card)
        write_whole(place / ABOUT, about.model_dump_json())
        write_whole(place / JUDGE, body)
        return judge_id

    def versions(self) -> list[Version]:
        """Return the judges, oldest first."""
        found = [p for p in self._folder.glob("j*") if ID.fullmatch(p.name) and p.is_dir()]
        kept = [Version(p.name, p, self._about(p)) for p in found if (p / JUDGE).exists()]
        return sorted(kept, key=lambda v: (v.about.made_at.isoformat() if v.about else "", v.id))

    def version(self, judge_id: str) -> Version:
        """Return one judge; raises `ModelError` for an unknown one."""
        known = {v.id: v for v in self.versions()}
        if judge_id not in known:
            have = ", ".join(known) or "none yet; `pillion model train` makes one"
            raise ModelError(f"There is no judge {judge_id!r}. Known judges: {have}.")
        return known[judge_id]

    def _about(self, place: Path) -> About | None:
        try:
            return About.model_validate_json((place / ABOUT).read_bytes())
        except (OSError, ValidationError):
            return None

    def load(self, judge_id: str) -> Judge:
        """Return a judge after checking its file; raises `BadModel`."""
        return load(self.version(judge_id).path / JUDGE, judge_id)

    def card(self, judge_id: str) -> str:
        """Return a judge's card (Markdown)."""
        return (self.version(judge_id).path / CARD).read_text(encoding="utf-8")

    def serving(self) -> Serving:
        """Return which judge serves; raises `BadModel` when that cannot be read."""
        path = self._folder / SERVING
        try:
            return Serving.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return Serving(id=None)
        except (OSError, ValidationError) as exc:
            raise BadModel(
                f"{path} cannot be read; remove it, and rules rank until `pillion model use`."
            ) from exc

    def with_judge(self, judge_id: str) -> Serving:
        """Return what it is once a judge serves."""
        now = self.serving()
        return now if now.id == judge_id else Serving(id=judge_id, before=(*now.before, now.id))

    def without_last(self) -> Serving:
        """Return what it is once what served before does again; raises `ModelError` for nothing."""
        now = self.serving()
        if not now.before:
            raise ModelError("No judge was put into service yet, so there is nothing to undo.")
        return Serving(id=now.before[-1], before=now.before[:-1])

    def prepare(self, serving: Serving) -> Coming:
        """Write down who is to serve; nobody does yet."""
        coming = Coming(key=uuid.uuid4().hex, serving=serving)
        write_whole(self._folder / COMING, coming.model_dump_json())
        return coming

    def coming(self) -> Coming | None:
        """Return what was prepared and is neither done nor dropped."""
        try:
            return Coming.model_validate_json((self._folder / COMING).read_bytes())
        except (OSError, ValidationError):
            return None

    def serve(self, serving: Serving) -> None:
        """Let that judge serve from now on, also in running processes."""
        write_whole(self._folder / SERVING, serving.model_dump_json())
        crash_point("judges.served")

    def drop_coming(self) -> None:
        """Forget what was prepared."""
        (self._folder / COMING).unlink(missing_ok=True)


def id_of(body: str) -> str:
    """Return the id of a judge: the hash of its file."""
    return "j" + hashlib.sha256(body.encode()).hexdigest()[:12]


def load(path: Path, judge_id: str) -> Judge:
    """Read a judge's file; raises `BadModel` for one that is not what it was."""
    again = "train a new one with `pillion model train`, or take a backup's file"
    try:
        if path.stat().st_size > LARGEST:
            raise BadModel(f"{path} is larger than any judge ({LARGEST} bytes); {again}.")
        body = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadModel(f"{path} cannot be read ({exc}); {again}.") from exc
    if id_of(body) != judge_id:
        raise BadModel(f"{path} is not the file that was made as {judge_id}; {again}.")
    try:
        return Judge.model_validate_json(body)
    except ValidationError as exc:
        said = exc.errors()[0]["msg"]
        raise BadModel(f"{path} holds no judge of this version: {said}; {again}.") from exc
