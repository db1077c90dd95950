"""The published JSON Schemas of the vocabulary: `python -m tools.schemas` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tools.messages import CHANGE, PROPOSAL, SCHEMA_VERSION, Decision, Evidence, Outcome

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"
PUBLISHED: dict[str, TypeAdapter[Any]] = {
    "change": CHANGE,
    "decision": TypeAdapter(Decision),
    "evidence": TypeAdapter(Evidence),
    "outcome": TypeAdapter(Outcome),
    "proposal": PROPOSAL,
}


def schemas() -> Iterator[tuple[str, str]]:
    """Yield the file name and text of each schema."""
    for name, adapter in PUBLISHED.items():
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"pillion/{name}/{SCHEMA_VERSION}",
            **adapter.json_schema(),
        }
        yield f"{name}.json", json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in schemas():
        (FOLDER / file).write_text(text, encoding="utf-8")
