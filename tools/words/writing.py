"""Another wording of facts, asked of a language model; the template stands where it fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from tools.slm.engine import Prompt, Schema, TooFewTokens
from tools.slm.errors import ModelBusy, ModelError, TooLate
from tools.words.checks import Refused, check
from tools.words.facts import About, Facts
from tools.words.told import Words, template

Complete = Callable[[Prompt, Schema, int, float], str]
"""What a model says under a schema, within a number of tokens and seconds; raises `ModelError`."""
LONGEST, TOKENS = 480, 300
ROOM = 1.2
"""How much longer a wording may be than the template."""
_PROPOSAL = """\
Facts about a change of a database, retold in a few short sentences for its owner. Every number and\
 every name stays as it is, nothing is added.

Facts:
The column "amount" of the table "orders" is stored as "DECIMAL(10,2)" instead of "VARCHAR".
Every value in it is kept exactly, and queries need not convert it from text any more.
Measured on a copy with 80,000 rows, the whole workload runs ×2.4 as fast (with 95 % confidence\
 between ×2.2 and ×2.5).
3 of 9 measured queries are faster for certain, the most so one with 4.1 ms instead of 12.7 ms.
1 query is slower for certain, at most 2 % of the workload, the most so one with 3.4 ms instead of\
 3 ms.
An insert takes more time, ×1.08 of what it took.
The data takes 1.2 MB less space, 3.1 MB instead of 4.3 MB.
The contract is kept.
The way back was rehearsed on a copy, worked and took 310 ms.
Retold: {"text": "\\"amount\\" in \\"orders\\" is kept as \\"DECIMAL(10,2)\\" and not as text, so\
 queries need not convert it. On a copy with 80,000 rows the workload runs ×2.4 as fast. 1 query is\
 slower, with 3.4 ms instead of 3 ms. An insert takes more time, ×1.08 of what it took, and the\
 data takes 1.2 MB less space. The way back was rehearsed and took 310 ms."}

Facts:
"""
_DESCRIPTION = """\
Facts about tables and columns of a database, retold as short descriptions. Every number and every\
 name stays as it is, nothing is added.

Facts:
The column "paid_at" of the table "orders" holds points in time.
It is empty in 12 % of the rows.
It has 845 different values.
They span some years.
Of 30 known queries 4 filter by it.
Retold: {"text": "\\"paid_at\\" holds points in time over some years, 845 different ones, and is\
 empty in 12 % of the rows of \\"orders\\"; of 30 known queries 4 filter by it."}

Facts:
The column "country" of the table "customers" holds text.
It is never empty.
Each is 2 characters long.
No known query names it.
Retold: {"text": "\\"country\\" of \\"customers\\" holds text that is never empty, each 2\
 characters long, and no known query names it."}

Facts:
The table "customers" has 1,200 rows and 7 columns.
Its rows are identified by "customer_id".
Queries read it together with "orders".
Of 30 known queries 9 read it.
Retold: {"text": "The 1,200 rows of \\"customers\\" are identified by \\"customer_id\\" and have 7\
 columns; of 30 known queries 9 read it, together with \\"orders\\"."}

Facts:
"""
PREFIXES: Mapping[About, str] = {
    "proposal": _PROPOSAL, "table": _DESCRIPTION, "column": _DESCRIPTION, "term": _DESCRIPTION,
}  # fmt: skip
SUFFIX = "\nRetold: "


def prompt_of(facts: Facts) -> Prompt:
    """Return what a model is asked; the facts, which hold names of the data, are quoted data."""
    return Prompt(PREFIXES[facts.about], "\n".join(facts.sentences), SUFFIX)


def schema_of(facts: Facts) -> Schema:
    """Return what a model's answer has to be; what it says over and over ends early."""
    longest = min(LONGEST, int(ROOM * len(facts.text)))
    return {
        "type": "object",
        "properties": {"text": {"type": "string", "minLength": 20, "maxLength": longest}},
        "required": ["text"],
        "additionalProperties": False,
    }


def write(facts: Facts, model: str, complete: Complete, seconds: float) -> Words:
    """Return a model's wording where it passes the check, else the template with the reason."""
    try:
        answer = complete(prompt_of(facts), schema_of(facts), TOKENS, seconds)
    except TooFewTokens:
        return template(facts, "too_long")
    except TooLate:
        return template(facts, "too_late")
    except ModelBusy:
        return template(facts, "busy")
    except ModelError:
        return template(facts, "failed")
    found = check(text_of(answer), facts)
    if isinstance(found, Refused):
        return template(facts, found.fault)
    return Words(text=found.text, by=model)


def text_of(answer: str) -> str:
    """Return the whole sentences in a model's answer, empty where there are none."""
    try:
        said = json.loads(answer)
    except ValueError:
        return ""
    text = said.get("text") if isinstance(said, dict) else None
    if not isinstance(text, str):
        return ""
    text = text.strip()
    # The last one may have been cut where there was no more room.
    return text if text.endswith(".") else text[: text.rfind(". ") + 1]
