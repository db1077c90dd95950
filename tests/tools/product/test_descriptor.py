from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from tools.product.descriptor import (
    Descriptor,
    DescriptorInvalid,
    OutputPort,
    load_descriptor,
    save_descriptor,
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "product.odps.yaml"
    save_descriptor(make_descriptor(tmp_path), path)
    return path


def make_descriptor(folder: Path) -> Descriptor:
    return Descriptor(
        name="shop-1_a",
        database=folder / "shop.duckdb",
        contract=folder / "home" / "c.yaml",
        queries=(str(folder / 'q\'s "ü".sql'),),
        home=folder / "home",
        ports=(OutputPort(name="tables", contractId="c"),),
        rest={"domain": "sales", "customProperties": [{"property": "cost", "value": 3}]},
    )


def test_a_descriptor_comes_back_as_it_was_saved(written: Path, tmp_path: Path) -> None:
    assert load_descriptor(written) == make_descriptor(tmp_path)


def test_the_document_is_odps_with_own_properties_beside_others(written: Path) -> None:
    document = yaml.safe_load(written.read_text())
    assert (document["apiVersion"], document["kind"]) == ("v1.0.0", "DataProduct")
    assert document["id"] and document["status"]
    assert set(document["outputPorts"][0]) >= {"name", "version", "contractId"}
    names = [p["property"] for p in document["customProperties"]]
    assert names == [f"pillion.{k}" for k in ("database", "contract", "queries", "home")] + ["cost"]


def test_a_product_without_ports_offers_its_tables(tmp_path: Path) -> None:
    plain = make_descriptor(tmp_path).model_copy(update={"ports": ()})
    save_descriptor(plain, tmp_path / "p.yaml")
    assert [p.name for p in load_descriptor(tmp_path / "p.yaml").ports] == ["shop-1_a"]


def test_files_inside_its_folder_move_with_it(written: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.move(written.parent, moved)
    found = load_descriptor(moved / written.name)
    assert (found.home, found.contract) == (moved, moved / "c.yaml")
    assert found.database == tmp_path / "shop.duckdb"


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "..", "é", "x" * 64, "a\n"])
def test_names_are_plain(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Descriptor(name=name, database=tmp_path, contract=tmp_path, home=tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: DataProduct", "kind: DataContract", "data contract"),
        ("apiVersion: v1.0.0", "apiVersion: v7", "'v7' is unknown"),
        ("name: shop-1_a", "name: a b", "name"),
        ("status: active\n", "", "status"),
        ("pillion.home", "pillion.hom", "pillion.home is missing"),
        ("- property: cost", "- cost: cost", "customProperties"),
        ("value: ../shop", "valu: ../shop", "pillion.database"),
        ("outputPorts:", "outputPorts: 3\nx:", "outputPorts"),
        ("kind:", "kind: [", "not YAML"),
    ],
)
def test_a_faulty_descriptor_is_refused_with_file_and_field(
    written: Path, old: str, new: str, words: str
) -> None:
    text = written.read_text().replace(f"value: {written.parents[1]}/shop", "value: ../shop")
    assert old in text
    written.write_text(text.replace(old, new, 1))
    with pytest.raises(DescriptorInvalid) as caught:
        load_descriptor(written)
    assert str(written) in str(caught.value)
    assert words in str(caught.value)


def test_a_failed_write_leaves_the_old_document(written: Path) -> None:
    before = written.read_text()
    broken = load_descriptor(written).model_copy(update={"rest": {"domain": object()}})
    with pytest.raises(yaml.YAMLError):
        save_descriptor(broken, written)
    assert written.read_text() == before
    assert len(list(written.parent.iterdir())) == 1
