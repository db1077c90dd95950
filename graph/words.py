"""Wordings of a model that were written before, and how often it came to which end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from graph.language import chosen
from graph.settings import Settings
from graph.sqlite_file import SqliteFile
from tools.words.facts import Facts
from tools.words.told import LASTING, Words

FILE = "words.db"
MOST = 2000
"""Wordings that are kept; the ones written first go first."""
WRITTEN = "written"
"""The end of a wording that passed its check; every other one is a reason."""


class Tried(NamedTuple):
    """How often a model was asked for words about something, with what end."""

    about: str
    model: str
    outcome: str
    number: int
    seconds: float
    """Of all of them together."""


class WordStore(SqliteFile):
    """A cache: it may be deleted at any time, and what is lost with a crash is written again."""

    schema = """
        CREATE TABLE IF NOT EXISTS words (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, model TEXT NOT NULL,
            body TEXT NOT NULL, UNIQUE (key, model)
        );
        CREATE TABLE IF NOT EXISTS tried (
            about TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL,
            number INTEGER NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (about, model, outcome)
        );
    """
    version = 1
    synchronous = "NORMAL"

    def find(self, facts: Facts, model: str) -> Words | None:
        """Return the words that are kept for facts and a model, if any."""
        row = self._con.execute(
            "SELECT body FROM words WHERE key = ? AND model = ?", (facts.key, model)
        ).fetchone()
        try:
            return Words.model_validate_json(row[0]) if row else None
        except ValidationError:
            # Written by another version; it is written again.
            return None

    def keep(self, facts: Facts, model: str, words: Words, seconds: float) -> None:
        """Count an attempt and keep its end, unless another attempt may end otherwise."""
        outcome = words.fallback or WRITTEN
        with self._transaction() as con:
            con.execute(
                "INSERT INTO tried VALUES (?, ?, ?, 1, ?) ON CONFLICT DO UPDATE"
                " SET number = number + 1, seconds = seconds + excluded.seconds",
                (facts.about, model, outcome, seconds),
            )
            if outcome == WRITTEN or outcome in LASTING:
                con.execute(
                    "INSERT OR REPLACE INTO words (key, model, body) VALUES (?, ?, ?)",
                    (facts.key, model, words.model_dump_json()),
                )
                con.execute(
                    "DELETE FROM words WHERE seq <= (SELECT max(seq) FROM words) - ?", (MOST,)
                )

    def tried(self, model: str | None = None) -> list[Tried]:
        """Return how attempts ended, of one model or of all."""
        found = self._con.execute("SELECT * FROM tried ORDER BY about, model, outcome")
        return [t for t in map(Tried._make, found) if model in (None, t.model)]


def told(settings: Settings) -> str:
    """Return who words explanations, for people; raises `ModelError`."""
    if not settings.words_model:
        return "templates"
    found = chosen(settings)
    if found is None:
        return "templates, as no language model is chosen"
    return told_of(settings.home, found.name) or f"{found.name} is asked; it wrote nothing yet"


def told_of(home: Path, model: str) -> str:
    """Return how often a model's words passed their check, for people; empty without any."""
    ends: Counter[str] = Counter()
    for tried in tried_at(home, model):
        ends[tried.outcome] += tried.number
    if not ends:
        return ""
    total, passed = ends.total(), ends.pop(WRITTEN, 0)
    why = ", ".join(f"{reason} {n}" for reason, n in ends.most_common())
    rest = f"; templates for the rest: {why}" if why else ""
    return f"{model} wrote {passed} of {total}{rest}"


def tried_at(home: Path, model: str | None = None) -> list[Tried]:
    """Return how attempts in a home ended; none where no model was asked for words."""
    if not (home / FILE).exists():
        return []
    store = WordStore(home / FILE)
    try:
        return store.tried(model)
    finally:
        store.close()
