"""Answers fit their question: they are of what is named, and say where nothing is."""

from __future__ import annotations

import pytest

from api.asking.asking import ask
from api.asking.home import Home
from graph.ledger import now
from tests.api.asking.products import (
    CARRIERS,
    DELAYS,
    FLIGHTS,
    P1,
    P2,
    P3,
    Product,
    pattern,
    sources,
)
from tests.factories import make_decision, make_outcome, make_trial
from tests.ledgers import open_proposal
from tools.messages import CreateIndex, SortTable, TableName
from tools.product.contract_inference import INFERRED

UNKNOWN = "p0123456789a"
PLANES = TableName(name="planes")


async def told(home: Home, text: str) -> str:
    return (await ask(home, text)).text


async def test_a_proposal_that_does_not_wait_is_not_answered_for_all_others(
    answered: Home,
) -> None:
    text = await told(answered, f"is {P1} still waiting?")
    assert 'waits no more, approved by "ada", verified' in text and P3 not in text
    assert "waits for an answer" in await told(answered, f"is {P3} still waiting?")
    assert f"There is no proposal {UNKNOWN}" in await told(answered, f"is {UNKNOWN} waiting?")


async def test_what_one_change_brought_is_told_of_that_one(answered: Home) -> None:
    assert P1 in await told(answered, f"what did {P1} bring?")
    waits = await told(answered, f"what was gained from {P3}?")
    assert waits.startswith(f"Nothing came of {P3}") and P1 not in waits
    assert f"no proposal {UNKNOWN}" in await told(answered, f"what did {UNKNOWN} bring?")
    about = await told(answered, "what changed in planes?")
    assert about.startswith('No change that was made speaks of "plane".') and P1 in about
    assert 'speaks of "order"' in await told(answered, "what changed in orders?")


async def test_space_is_told_where_it_is_asked_for(answered: Home) -> None:
    assert ", size -5.5 MB on a copy" in await told(answered, "how much space was saved?")
    assert "size" not in await told(answered, "what was gained?")


async def test_words_of_the_question_itself_are_not_missed(answered: Home) -> None:
    for text in (
        "what was gained?", "how much faster did it get?", "did it pay off?", "who decided what?",
        "list the decisions with their reasons", "who signed off what?", "which ideas lost?",
        "why was nothing proposed?", "what was gained in flights?", "was it worth it?",
    ):  # fmt: skip
        assert "speaks of" not in (found := await told(answered, text)), text
        assert "is about, or by" not in found, text


async def test_changes_of_a_product_are_not_only_those_of_the_table_of_its_name(
    answered: Home,
) -> None:
    other = open_proposal("p00000000009").model_copy(
        update={"change": CreateIndex(table=PLANES, columns=("tailnum",), name="by_tail")}
    )
    answered.ledger.open_thread("flights-2", "flights", "all")
    answered.ledger.offer("flights-2", [other], "agent:rank")
    answered.ledger.decide(make_decision(other.id, decided_at=now()))
    answered.ledger.record_outcome(make_outcome(other.id), "pillion")
    assert "2 changes in place" in await told(answered, "what was gained in flights?")
    index = await told(answered, "what was gained by the index?")
    assert other.id in index and P1 not in index


async def test_who_decided_is_not_told_of_somebody_or_something_else(answered: Home) -> None:
    assert 'by, "eve"' in await told(answered, "what did eve decide?")
    assert "by," not in await told(answered, "what did ada decide?")
    assert 'about, or by, "plane"' in await told(answered, "who approved the change of planes?")
    assert f"no proposal {UNKNOWN}" in await told(answered, f"who approved {UNKNOWN}?")
    approved = await told(answered, f"who rejected {P1}?")
    assert approved.startswith("None of these answers rejected anything.")
    assert "None of these" not in await told(answered, f"who rejected {P2}?")
    asked = await ask(answered, "did anybody reject anything?")
    assert asked.plan == "decisions" and P2 in asked.text


async def test_a_proposal_is_found_whatever_product_is_named_beside_it(answered: Home) -> None:
    two = Home(answered.settings, answered.ledger, ("flights", "sales"), answered.open)
    assert f"Proposal {P3}" in await told(two, f"explain {P3} in sales")


async def test_what_was_proposed_after_all_is_said_where_it_is_asked_why_not(
    answered: Home,
) -> None:
    text = await told(answered, "why was no type changed?")
    assert "Proposed:" in text and f"{P1} (flights)" in text and "Refused by people:" in text
    nothing = await told(answered, "why was nothing proposed on tailnum?")
    assert nothing.startswith('No idea of the latest run, nor a proposal, speaks of "tailnum".')
    assert "the workload gets slower" in nothing


async def test_a_run_that_did_not_end_is_told_as_such(answered: Home) -> None:
    assert "which is still going on, did not propose" in await told(answered, "what was tried?")
    answered.ledger.set_thread("flights-1", "failed")
    assert "flights-1, which failed, did not" in await told(answered, "what was tried?")
    assert (await told(answered, "which runs failed?")).startswith("1 run of 1 failed:")
    still = await told(answered, "is a run still going?")
    assert still.startswith("No run of 1 is still going on. The latest:")


async def test_a_question_about_all_tables_names_none_that_is_missing(home: Home) -> None:
    assert await told(home, "which tables are there?") == 'flights has 1 table: "flights".'
    text = await told(home, "which columns are nullable?")
    assert text.startswith("Nothing in that is the name of a table or column of flights.")


async def test_what_a_draft_says_of_text_is_not_said_of_a_number(
    home: Home, product: Product
) -> None:
    path = home.settings.product_home("flights") / "c.yaml"
    drafted = INFERRED["integer"]
    path.write_text(path.read_text().replace("Minutes after the planned departure.", drafted))
    assert drafted in await told(home, "what does dep_delay mean?")
    product.types["dep_delay"] = "INTEGER"
    found = await told(home, "what does dep_delay mean?")
    assert drafted not in found and 'kept as "integer"' in found


async def test_the_slowest_is_not_the_one_that_takes_most_in_all(
    home: Home, product: Product
) -> None:
    often, slow = pattern(CARRIERS, 900), pattern(DELAYS, 500)
    product.patterns = [often, slow.model_copy(update={"runs": 1})]
    for text, first in (
        ("which query is the slowest?", slow), ("which query is the heaviest?", often),
    ):  # fmt: skip
        reply = await ask(home, text)
        assert sources(reply, "query")[0] == first.fingerprint, text
    assert "500 ms in all, 36 %, 500 ms each" in reply.text


async def test_queries_that_are_asked_as_often_are_not_said_to_be_asked_most(
    home: Home, product: Product
) -> None:
    product.patterns = [p.model_copy(update={"total_ms": 0.0}) for p in product.patterns]
    text = await told(home, "which queries are the heaviest?")
    assert text.startswith("The 2 queries of flights:")
    product.patterns[0] = product.patterns[0].model_copy(update={"runs": 90})
    text = await told(home, "which queries are the heaviest?")
    assert text.startswith("The 2 most often asked queries of flights:")


async def test_one_query_is_not_told_as_many_and_a_share_only_of_the_whole(
    home: Home, product: Product
) -> None:
    reply = await ask(home, "which queries about dep_delay are slow?")
    assert reply.text.startswith('The one query of flights that speaks of "dep", "delay":')
    assert "10 %" in reply.text
    product.total = 900
    assert "10 %" not in await told(home, "which queries about dep_delay are slow?")


async def test_what_is_not_in_place_is_not_said_to_make_anything_faster(answered: Home) -> None:
    made = "makes it ×3 as fast; verified"
    assert made in await told(answered, "why is the delays dashboard slow?")
    answered.ledger.record_outcome(make_outcome(P1, status="undone", ratio=None), "pillion")
    gone = await told(answered, "why is the delays dashboard slow?")
    assert "would make it ×3 as fast; undone" in gone


@pytest.mark.parametrize(
    "text",
    [
        "see which columns flights has", "find the column dep_delay", "check the type of distance",
        "check which queries are slow", "find the slowest query", "see which queries wait",
        "find the proposal about the index", "look at the columns of flights",
    ],
)  # fmt: skip
async def test_to_be_shown_what_is_there_starts_no_run(home: Home, text: str) -> None:
    assert (await ask(home, text)).status != "starts"


async def test_ideas_of_a_kind_are_found_by_it(answered: Home) -> None:
    by_date = make_trial(change=SortTable(table=FLIGHTS, order_by=("month",)), reason="not clear")
    answered.ledger.record_trials("flights-1", "flights", [by_date])
    text = await told(answered, "why was no index proposed?")
    assert "did not propose 1 idea" in text and by_date.candidate.id not in text
    assert "did not propose 2 ideas" in await told(answered, "why was nothing proposed?")
