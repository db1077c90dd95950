"""The glossary of a contract: what names mean that several of its tables share.

ODCS links a term to an authority by its URL. Lines that are written nowhere else stand in the
contract itself, as the custom property `glossary`: a list of `term` and `definition`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from tools.product.yaml_edit import Edit, added, appended, filled, pair, refused
from tools.product.yaml_file import YamlFile

PLACE = "customProperties"
PROPERTY, VALUE, TERM, DEFINITION = "glossary", "value", "term", "definition"


def glossary(contract: OpenDataContractStandard) -> dict[str, str]:
    """Return the definitions by their terms, these in lower case; what is no entry is left out."""
    return dict(
        (entry[TERM].lower(), str(entry.get(DEFINITION) or ""))
        for own in contract.customProperties or ()
        if own.property == PROPERTY and isinstance(own.value, list)
        for entry in own.value
        if isinstance(entry, dict) and isinstance(entry.get(TERM), str)
    )


def glossary_edit(file: YamlFile, text: str, terms: Mapping[str, str]) -> Edit:
    """Return how terms are written into a contract's text; raises `ContractInvalid`."""
    entries = [{TERM: term, DEFINITION: said} for term, said in terms.items()]
    whole = [{"property": PROPERTY, VALUE: entries}]
    held = pair(file.root, PLACE)
    if held is None:
        return added(text, file.root, PLACE, whole)
    if not isinstance(held.value, yaml.SequenceNode):
        return filled(text, held, whole, file.path)
    own = _own(held.value)
    if own is None:
        return appended(text, held.value, whole)
    listed = pair(own, VALUE)
    if listed is None:
        raise refused(file.path)
    if not isinstance(listed.value, yaml.SequenceNode):
        return filled(text, listed, entries, file.path)
    return appended(text, listed.value, entries)


def with_terms(data: dict[str, Any], terms: Mapping[str, str]) -> None:
    """Add terms to a contract's data, as they are to be read back."""
    listed = data.get(PLACE) or []
    own = next((p for p in listed if p.get("property") == PROPERTY), None)
    if own is None:
        own = {"property": PROPERTY, VALUE: []}
        listed.append(own)
    own[VALUE] = [*(own.get(VALUE) or []), *({TERM: t, DEFINITION: d} for t, d in terms.items())]
    data[PLACE] = listed


def _own(listed: yaml.SequenceNode) -> yaml.MappingNode | None:
    for node in listed.value:
        if isinstance(node, yaml.MappingNode):
            named = pair(node, "property")
            if named is not None and named.value.value == PROPERTY:
                return node
    return None
