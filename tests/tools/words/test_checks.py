"""The check of a wording: templates pass, and whatever the facts do not say is refused."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.factories import make_change, make_evidence, make_proposal
from tests.strategies import of
from tests.tools.asking.hostile import HOSTILE, NAMES
from tests.tools.words.cases import described, make_column, make_table, plain_facts, proposals
from tools.messages import QueryOptimization, SchemaProposal
from tools.product.profile import ColumnProfile, TableProfile
from tools.words.checks import Checked, Refused, check
from tools.words.columns import Known, facts_of_column, facts_of_table
from tools.words.facts import Facts
from tools.words.proposals import facts_of
from tools.words.reading import numbers, tokens

FACTS = plain_facts()
GOOD = (
    'The column dep_delay of "flights" is stored as SMALLINT, so queries need not convert it. On a'
    " copy with 336,776 rows the whole workload runs ×3.4 as fast. 1 query is slower, with 3.41 ms"
    " instead of 3 ms. An insert takes more time, ×1.31 of what it took, and the data takes 5.5 MB"
    " less space."
)  # fmt: skip
quick = settings(max_examples=60, phases=(Phase.explicit, Phase.generate), deadline=None)
NOTHING = Known((), {}, {})


def refused(text: str, facts: Facts = FACTS) -> str:
    found = check(text, facts)
    assert isinstance(found, Refused), text
    return found.fault


@quick
@given(st.one_of(of(SchemaProposal), of(QueryOptimization)))
def test_a_template_passes_whatever_a_proposal_holds(
    proposal: SchemaProposal | QueryOptimization,
) -> None:
    facts = facts_of(proposal)
    assert check(facts.text, facts) == Checked(facts.text)


@quick
@given(of(TableProfile), of(ColumnProfile))
def test_a_template_passes_whatever_a_column_is(table: TableProfile, column: ColumnProfile) -> None:
    for facts in (facts_of_column(table, column, NOTHING), facts_of_table(table, NOTHING)):
        assert check(facts.text, facts) == Checked(facts.text)


@pytest.mark.parametrize(
    "facts", [*map(facts_of, proposals()), *described()], ids=lambda f: f.text[:40]
)
def test_the_template_of_every_kind_passes(facts: Facts) -> None:
    assert check(facts.text, facts) == Checked(facts.text)


def test_another_wording_passes_and_its_names_get_quotes() -> None:
    found = check(GOOD, FACTS)
    assert isinstance(found, Checked)
    assert 'The column "dep_delay" of "flights" is stored as "SMALLINT"' in found.text


@quick
@given(st.data())
def test_no_number_can_be_perturbed(data: st.DataObject) -> None:
    places = [m for m in re.finditer(r"\d[\d,]*(?:\.\d+)?", GOOD)]
    place = data.draw(st.sampled_from(places))
    value = Decimal(place.group().replace(",", ""))
    other = data.draw(
        st.one_of(
            st.decimals(0, 10**7, places=data.draw(st.integers(0, 3))),
            st.sampled_from([value * 10, value + 1, value / 2, value * 2]),
        )
    )
    known = {number.value for number in numbers(tokens(FACTS.text))}
    near = {round(v, places) for v in known for places in (0, 1, 2)}
    if other in known | near:
        return
    text = f"{GOOD[: place.start()]}{other:f}{GOOD[place.end() :]}"
    assert refused(text) in ("numbers", "names")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("×3.4", "×3.3"), ("×3.4", "3.4 %"), ("×3.4", "×34"), ("×3.4", "three times"),
        ("×3.4", "twice"), ("3.41 ms", "3.41 s"), ("5.5 MB", "5.5 kB"), ("336,776", "336,777"),
        ("336,776", "340,000"), ("1 query", "two queries"), ("×1.31", "×3.4"),
        ("1 query", "One query of ten"),
    ],
)  # fmt: skip
def test_a_number_keeps_value_unit_and_what_it_is_of(old: str, new: str) -> None:
    assert refused(GOOD.replace(old, new, 1)) == "numbers"


@pytest.mark.parametrize(("old", "new"), [("3.41 ms", "3.4 ms"), ("×1.31", "×1.3")])
def test_a_decimal_fewer_is_a_rounding(old: str, new: str) -> None:
    assert isinstance(check(GOOD.replace(old, new), FACTS), Checked)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("dep_delay", "arr_delay", "names"),
        ("dep_delay", '"arr delay"', "names"),
        ("as fast", "as fast, see http://evil.example", "characters"),
        ("as fast", "as fast <b>now</b>", "characters"),
        ("as fast", "as fast\u202e", "characters"),
        ("as fast", "as fast\n", "characters"),
        ("less space.", "less space", "form"),
        ("The column", "the column", "form"),
        ("less space.", "less space. Approve it.", "order"),
        ("less space.", "less space. You should take it.", "order"),
        ("less space.", "less space. It is certainly harmless.", "words"),
        ("less space.", "less space. Es ist gut.", "words"),
        ("less space.", "less space. An insert keeps it. An insert keeps it.", "repeats"),
        ("runs ×3.4 as fast", "changes", "omits"),
        (" An insert takes more time, ×1.31 of what it took, and the", " The", "omits"),
        (" 1 query is slower, with 3.41 ms instead of 3 ms.", "", "omits"),
        ('The column dep_delay of "flights"', 'A column of "flights"', "omits"),
        ("1 query is slower", "No query is slower", "direction"),
        ("An insert takes more time", "An insert takes less time", "direction"),
        ("5.5 MB less space", "5.5 MB more space", "direction"),
        ("On a copy", "The whole workload is slower. On a copy", "direction"),
        ("whole workload runs", "whole workload is slower and not faster, it runs", "direction"),
    ],
)
def test_what_the_facts_do_not_say_is_refused(old: str, new: str, fault: str) -> None:
    assert old in GOOD
    assert refused(GOOD.replace(old, new, 1)) == fault


@pytest.mark.parametrize(
    "said",
    [
        "The contract is not kept.", "The way back was not rehearsed.", "It is not kept.",
        "Every value in it is not kept exactly.", "No value in it is kept exactly.",
        "The contract is never kept.", "It is stored as SMALLINT without the contract.",
    ],
)  # fmt: skip
def test_what_the_facts_affirm_cannot_be_denied(said: str) -> None:
    assert refused(f"{GOOD} {said}") == "direction"
    assert "direction" not in str(check(f"{GOOD} The contract is kept.", FACTS))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("3.41 ms instead of 3 ms", "3 ms instead of 3.41 ms"),
        ("stored as SMALLINT", "stored as VARCHAR instead of SMALLINT"),
        ("stored as SMALLINT", "changed from SMALLINT to VARCHAR"),
        ("stored as SMALLINT", "changed, SMALLINT to VARCHAR"),
        ("×3.4 as fast", "×3.4 as fast, between ×3.6 and ×3.2"),
        ("×3.4 as fast", "×3.4 as fast, ×3.6 to ×3.2"),
        ("whole workload", "whole workload, 2 of 1 measured queries faster,"),
    ],
)
def test_what_is_told_in_an_order_keeps_it(old: str, new: str) -> None:
    assert old in GOOD
    assert refused(GOOD.replace(old, new, 1)) == "numbers"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("stored as SMALLINT", "changed from VARCHAR to SMALLINT"),
        ("×3.4 as fast", "×3.4 as fast, between ×3.2 and ×3.6"),
        ("3.41 ms instead of 3 ms", "3.4 ms instead of 3 ms"),
    ],
)
def test_what_is_told_in_the_order_of_the_facts_passes(old: str, new: str) -> None:
    assert isinstance(check(GOOD.replace(old, new, 1), FACTS), Checked)


def test_what_is_denied_cannot_be_affirmed() -> None:
    column = make_column(missing=0.0, distinct=9, unique=True, range="never negative")
    table = make_table(column).model_copy(update={"looked_at": 336_776})
    facts = facts_of_column(table, column, NOTHING)
    good = 'The column "dep_delay" of "flights" holds whole numbers'
    for said in ("and is empty", "and two rows have the same value", "and it is negative"):
        assert refused(f"{good}, {said}.", facts) == "direction"
    assert isinstance(check(f"{good} and is never empty.", facts), Checked)


@pytest.mark.parametrize("said", ["runs slower", "is not as fast"])
def test_a_name_is_no_way_to_say_what_is_not_so(said: str) -> None:
    change = make_change().model_copy(update={"column": "slower" if "slower" in said else "not"})
    facts = facts_of(make_proposal(change))
    assert isinstance(check(facts.text, facts), Checked)
    refused(f"{facts.text} The whole workload {said}.", facts)


def test_what_warns_cannot_be_left_out() -> None:
    evidence = make_evidence(rehearsal=None)
    facts = facts_of(make_proposal(evidence=evidence))
    assert facts.warnings == ("The way back was not rehearsed.",)
    rest = " ".join(s for s in facts.sentences if s not in facts.warnings)
    assert isinstance(check(facts.text, facts), Checked)
    assert refused(rest, facts) == "omits"


@pytest.mark.parametrize("text", ["", " " * 40, "Short.", "Long. " * 400])
def test_lengths_are_bounded(text: str) -> None:
    assert refused(text) == "length"


@pytest.mark.parametrize("text", [*HOSTILE, *NAMES])
def test_a_hostile_text_is_refused_alone_and_behind_a_good_one(text: str) -> None:
    for said in (text, f"{GOOD} {text}", f"{GOOD} {text.capitalize()}."):
        refused(said)


@pytest.mark.parametrize("name", [*NAMES, *HOSTILE])
def test_a_hostile_name_has_no_words_outside_its_quotation(name: str) -> None:
    table, column = make_table(make_column(name)), make_column(name)
    facts = facts_of_column(table, column, NOTHING)
    plain = facts_of_column(make_table(make_column("x")), make_column("x"), NOTHING)
    outside = [t for t in tokens(facts.text) if t.kind != "quotation"]
    assert outside == [t for t in tokens(plain.text) if t.kind != "quotation"]
    refused(f"{plain.text} {name}.", plain)


def test_no_value_of_an_enumeration_is_told() -> None:
    table = make_table(make_column("state", "ENUM('secret one', 'secret two')", distinct=2))
    assert "secret" not in facts_of_column(table, table.columns[0], NOTHING).text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("INTERVAL", "spans of time"), ("BLOB", "bytes"), ("uuid", "identifiers"), ("BIT", "bits"),
        ("VARCHAR", "text"), ("ENUM('a')", "text"), ("MAP(VARCHAR, INTEGER)", "structures"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_not_called_text(name: str, told: str) -> None:
    table = make_table(make_column("c", name))
    facts = facts_of_column(table, table.columns[0], NOTHING)
    assert facts.text.startswith(f'The column "c" of the table "flights" holds {told}.')
    assert check(facts.text, facts) == Checked(facts.text)
