"""A contract's glossary: terms are put in beside all that is there, and read back."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tools.plain_text import plain
from tools.product.contract import load_contract
from tools.product.contract_edit import Key, describe, described
from tools.product.errors import ContractInvalid
from tools.product.glossary import glossary

HEAD = "# ours\nkind: DataContract\napiVersion: v3.1.0\nid: x\nversion: 1.0.0\n"
SCHEMA = "schema:\n- name: flights   # all\n"
TERMS = {"carrier": 'Who flies: "two" letters # no comment', "day": "A day."}
PLACES = {
    "nothing": "",
    "an empty list": "customProperties: []  # later\n",
    "no value": "customProperties:   # later\n",
    "another": "customProperties:\n  - property: cost\n    value: 3   # a year\n",
    "another in one line": "customProperties: [{property: cost, value: 3}]\n",
    "an empty glossary": "customProperties:\n- property: glossary\n  value:\n",
    "a glossary": (
        "customProperties:\n- property: glossary # terms\n  value:\n"
        "    - term: Day\n      definition: >\n        Ours.\n    - note\n"
        "- property: cost\n  value: 3\n"
    ),
    "a glossary in one line": (
        "customProperties: [{property: glossary, value: [{term: day, definition: Ours.}]}]\n"
    ),
}


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_terms_stand_beside_whatever_is_there(
    where: str, last: bool, end: str, tmp_path: Path
) -> None:
    parts = (SCHEMA, PLACES[where]) if last else (PLACES[where], SCHEMA)
    text = (HEAD + "".join(parts)).replace("\n", end)
    path = write(tmp_path / "c.yaml", text)
    new = 1 if "day" in PLACES[where].lower() else 2
    assert describe(path, {Key("flights", None): "Flights."}, TERMS) == (1, new)
    contract = load_contract(path)
    found = glossary(contract)
    assert found["carrier"] == TERMS["carrier"]
    assert found["day"].strip() == ("A day." if new == 2 else "Ours.")
    assert contract.schema_ and contract.schema_[0].description == "Flights."
    after = path.read_bytes().decode()
    assert after.count("\n") == after.count(end)
    assert all(line.split("#")[-1] in after for line in text.splitlines() if "#" in line)
    assert ("cost" in text) == any(p.property == "cost" for p in contract.customProperties or ())
    assert describe(path, {}, TERMS) == (0, 0) and path.read_bytes().decode() == after


def test_a_contract_in_one_line_gets_its_terms_in_that_line(tmp_path: Path) -> None:
    text = '{"kind": "DataContract", "apiVersion": "v3.1.0", "id": "x", "version": "1.0.0"}'
    path = write(tmp_path / "c.yaml", text)
    assert describe(path, {}, TERMS) == (0, 2)
    assert len(glossary(load_contract(path))) == 2 and "\n" not in path.read_text()


@pytest.mark.parametrize(
    "strange",
    ["- property: glossary\n  value: see the wiki\n", "- property: glossary\n  description: x\n"],
)
def test_a_glossary_of_another_shape_is_left_alone(strange: str, tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", f"{HEAD}{SCHEMA}customProperties:\n{strange}")
    before = path.read_bytes()
    with pytest.raises(ContractInvalid, match="nothing can be put into safely"):
        describe(path, {}, TERMS)
    assert path.read_bytes() == before and glossary(load_contract(path)) == {}


@given(
    st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=40), min_size=1, max_size=3)
)
def test_any_term_comes_back_as_it_was_made_harmless(terms: dict[str, str]) -> None:
    harmless = {plain(term): plain(said) for term, said in terms.items()}
    after = described(HEAD + SCHEMA, Path("c.yaml"), {}, harmless)
    (own,) = yaml.safe_load(after)["customProperties"]
    assert {entry["term"]: entry["definition"] for entry in own["value"]} == harmless
