"""Descriptions put into a contract: nothing else of the file changes, and a crash loses nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tools import failpoints
from tools.product.contract import load_contract
from tools.product.contract_edit import Key, blanks, describe, described
from tools.product.errors import ContractInvalid

HEAD = "# ours ü\nkind: DataContract\napiVersion: v3.1.0\nid: x\nversion: 1.0.0\nschema:\n"
TEXT = (
    HEAD
    + """\
  - name: flights   # all flights
    properties:
      - name: dep_delay # late é
        logicalType: integer   # whole
      - {name: "a b", logicalType: string}
      - logicalType: string
        name: >
          folded
        required: true
      - name: 'empty'
        description:   # later
        logicalType: string
      - name: drafted
        description: Text; every present value is a number.
      - name: told
        description: |
          by its
          owner
  - name: main.sales
    physicalName: '"main"."sales"'
    description: All sales.
    properties:
    - name: id"""
)


def write(path: Path, text: str = TEXT) -> Path:
    path.write_bytes(text.encode())
    return path


def test_what_has_no_description_or_only_a_drafted_one_is_blank(tmp_path: Path) -> None:
    found = list(blanks(load_contract(write(tmp_path / "c.yaml"))))
    assert [(b.table, b.column) for b in found] == [
        ("flights", None), ("flights", "dep_delay"), ("flights", "a b"), ("flights", "folded\n"),
        ("flights", "empty"), ("flights", "drafted"), ("sales", "id"),
    ]  # fmt: skip
    assert str(found[1].key) == "schema.flights.properties.dep_delay"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_comments_layout_and_line_ends_stay(tmp_path: Path, end: str, mark: str) -> None:
    before = mark + TEXT.replace("\n", end)
    path = write(tmp_path / "c.yaml", before)
    texts = {b.key: f'"{b.column}": described # not a comment' for b in blanks(load_contract(path))}
    assert describe(path, texts) == (7, 0)
    after = path.read_bytes().decode()
    assert all(p.description for s in load_contract(path).schema_ or () for p in s.properties or ())
    assert after.count("\n") == after.count(end) and after.startswith(mark + "# ours")
    for comment in ("# all flights", "# late é", "# whole", "# later"):
        assert comment in after
    added = [line for line in after.split(end) if line not in before.split(end)]
    assert len(added) == 7 and all("described" in line for line in added)


def test_what_was_described_meanwhile_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml")
    assert describe(path, {Key("flights", "told"): "x", Key("gone", None): "x"}) == (0, 0)
    assert path.read_text() == TEXT


@given(st.text(max_size=40), st.text(min_size=1, max_size=12).filter(str.strip))
def test_any_text_comes_back_as_it_was_made_harmless(words: str, name: str) -> None:
    table = yaml.safe_dump([{"name": name}], allow_unicode=True)
    text = HEAD + table
    try:
        after = described(text, Path("c.yaml"), {("schema", 0): words})
    except ContractInvalid:
        return
    found = yaml.safe_load(after)["schema"][0]
    assert set(found) == {"name", "description"}
    assert "\n" not in found["description"]


def test_a_layout_that_cannot_be_kept_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", HEAD + "  - ? name\n    : flights\n")
    before = path.read_bytes()
    try:
        describe(path, {Key("flights", None): "Flights."})
    except ContractInvalid:
        assert path.read_bytes() == before
    else:
        assert load_contract(path).schema_[0].description == "Flights."  # type: ignore[index]


@pytest.mark.crash
def test_a_crash_leaves_the_old_contract_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "c.yaml")
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(failpoints, "_AT", "write_text.before_rename")
        describe(path, {Key("flights", None): "Flights."}, {"carrier": "Who flies."})
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert path.read_text() == TEXT
    assert describe(path, {Key("flights", None): "Flights."}, {"carrier": "Who flies."}) == (1, 1)
