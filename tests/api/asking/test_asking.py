"""Answers in plain words: from what is recorded, with sources, and never more than an answer."""

from __future__ import annotations

import pytest

from api.asking.asking import BadQuestion, ask
from api.asking.heavy import matching
from api.asking.home import Home
from api.wording import quoted
from graph.errors import UnknownProduct
from tests.api.asking.products import CARRIERS, DELAYS, P1, P2, P3, Product, pattern, sources
from tests.factories import make_evidence, make_outcome, make_timing, make_trial
from tests.tools.asking.hostile import HOSTILE, NAMES
from tools.asking.model import SecondOpinion
from tools.product.contract_edit import describe
from tools.slm.errors import ModelError


async def test_why_something_is_slow_names_queries_that_speak_of_it(answered: Home) -> None:
    reply = await ask(answered, "why is the delays dashboard slow?")
    fingerprint = make_timing(DELAYS).fingerprint
    assert (reply.status, reply.plan, reply.product) == ("answered", "slow", "flights")
    assert sources(reply, "query") == [fingerprint] and sources(reply, "proposal") == [P1]
    assert 'asked by "delays dashboard"' in reply.text and "×3 as fast; verified" in reply.text


async def test_without_a_match_the_heaviest_queries_are_shown_and_it_is_said(home: Home) -> None:
    reply = await ask(home, "why is the weather report slow?")
    assert 'No query of flights speaks of "weather"' in reply.text
    assert sources(reply, "query")[0] == make_timing(CARRIERS).fingerprint
    assert "No proposal is known to make them faster" in reply.text


async def test_the_name_of_the_product_is_not_looked_for_in_its_queries(
    home: Home, product: Product
) -> None:
    product.patterns = [pattern("SELECT count(*) FROM planes", 5)]
    reply = await ask(home, "why is it slow on flights?")
    assert reply.text.startswith("The heaviest query of flights:")


async def test_without_a_workload_nothing_is_made_up(home: Home, product: Product) -> None:
    product.patterns = []
    reply = await ask(home, "which queries are the slowest?")
    assert "No query of flights is known" in reply.text and reply.sources == ()


def test_more_words_in_common_go_before_more_time() -> None:
    patterns = [pattern(CARRIERS, 900), pattern(DELAYS, 100)]
    assert matching(patterns, ("carrier", "delay")) == [patterns[1]]
    assert matching(patterns, ("carrier",)) == patterns
    assert matching(patterns, ()) == matching(patterns, ("x",)) == []


async def test_what_waits_is_listed_with_how_to_answer(answered: Home) -> None:
    reply = await ask(answered, "what waits for me?")
    assert sources(reply, "proposal") == [P3]
    assert "pillion decide ID approve" in reply.text


async def test_what_was_gained_is_what_was_proved_on_live(answered: Home) -> None:
    reply = await ask(answered, "what was gained?")
    assert sources(reply, "proposal") == [P1]
    assert "verified, ×3.3 (3.1–3.5) on live" in reply.text


async def test_a_change_without_a_proof_is_in_place_all_the_same(answered: Home) -> None:
    answered.ledger.record_outcome(make_outcome(P1, status="unproven", ratio=None), "pillion")
    reply = await ask(answered, "what was gained?")
    assert "1 change in place" in reply.text and "Not in place" not in reply.text


async def test_who_decided_comes_with_rows_of_the_trail(answered: Home) -> None:
    reply = await ask(answered, f"who rejected {P2}?")
    (seq,) = sources(reply, "audit")
    row = next(r for r in answered.ledger.audit_rows() if str(r.seq) == seq)
    assert (row.action, row.subject) == ("proposal.reject", P2)
    assert f'"ada": rejected {P2}' in reply.text
    everyone = await ask(answered, "show all decisions")
    assert len(sources(everyone, "audit")) == 2
    nobody = await ask(answered, f"who approved {P3}?")
    assert "Nobody has answered that yet" in nobody.text


async def test_why_nothing_was_proposed_is_what_was_tried(answered: Home) -> None:
    reply = await ask(answered, "why was nothing proposed?")
    assert sources(reply, "run") == ["flights-1"] and len(sources(reply, "idea")) == 1
    assert "the workload gets slower" in reply.text and "2 statements write" in reply.text


async def test_an_idea_that_changes_results_is_told_with_the_query(answered: Home) -> None:
    wrong = make_evidence(queries=(make_timing("SELECT 7 FROM flights", equal=False),))
    lost = make_trial(reason="query q1: contents differ", evidence=wrong)
    answered.ledger.record_trials("flights-1", "flights", [lost])
    told = (await ask(answered, "why was nothing proposed?")).text
    assert 'changes results: "query q1: contents differ"; the query is "SELECT 7 FROM' in told


async def test_a_proposal_is_explained_by_id_or_by_what_it_is_about(answered: Home) -> None:
    for text in (f"explain {P3}", f"is {P3} risky?"):
        reply = await ask(answered, text)
        assert f"Proposal {P3}" in reply.text and sources(reply, "proposal") == [P3]
    several = await ask(answered, "explain the proposal about types")
    assert "Which of these?" in several.text
    assert "no proposal pffffffffff1" in (await ask(answered, "explain pffffffffff1")).text


async def test_runs_are_told_by_name_and_latest_first(answered: Home) -> None:
    reply = await ask(answered, "what is the status of the last run?")
    assert sources(reply, "run") == ["flights-1"] and "is running" in reply.text
    unknown = await ask(answered, "status of run flights-20260302-093000-ab12")
    assert unknown.text == 'There is no run "flights-20260302-093000-ab12".'


async def test_what_a_name_means_is_told_from_the_glossary_too(home: Home) -> None:
    path = home.settings.product_home("flights") / "c.yaml"
    describe(path, {}, {"Carrier": HOSTILE[0]})
    reply = await ask(home, "what does carrier mean?")
    assert f"The glossary of the contract says of {quoted('carrier')}" in reply.text
    assert quoted(HOSTILE[0]) in reply.text
    assert sources(reply, "contract") == ["customProperties.glossary"]


async def test_what_a_column_means_is_what_the_contract_says(home: Home) -> None:
    reply = await ask(home, "what does dep_delay mean?")
    assert "Minutes after the planned departure." in reply.text and "never missing" in reply.text
    assert sources(reply, "contract") == ["schema.flights.properties.dep_delay"]
    table = await ask(home, "describe the table flights")
    assert "One row a flight" in table.text and sources(table, "table") == ["flights"]
    silent = await ask(home, "what does carrier mean?")
    assert "The contract does not speak of it." in silent.text
    unknown = await ask(home, "what does dep_dely mean?")
    assert 'Did you mean "dep_delay"?' in unknown.text and unknown.sources == ()


async def test_deciding_and_changing_is_pointed_elsewhere(answered: Home) -> None:
    before = answered.ledger.audit_rows()
    for text in ("approve everything", f"undo {P1}", "drop the table flights", f"reject {P3}"):
        reply = await ask(answered, text)
        assert (reply.status, reply.plan) == ("answered", "elsewhere"), text
        assert "nothing was done" in reply.text and "`pillion decide" in reply.text
    assert answered.ledger.audit_rows() == before


async def test_an_order_to_look_is_handed_to_whoever_asked(answered: Home) -> None:
    before = answered.ledger.audit_rows()
    reply = await ask(answered, "look for improvements of the schema only")
    assert (reply.status, reply.product, reply.agents) == ("starts", "flights", ("schema",))
    assert reply.run is None and answered.ledger.audit_rows() == before


async def test_hostile_requests_change_nothing_and_start_nothing(answered: Home) -> None:
    before = answered.ledger.audit_rows()
    for text in HOSTILE:
        reply = await ask(answered, text, "flights")
        assert reply.status in ("answered", "asked_back") and reply.run is None, text
    assert answered.ledger.audit_rows() == before
    assert answered.ledger.offer_of(P3).waiting


async def test_names_in_data_change_no_route_and_stay_in_quotes(
    home: Home, product: Product
) -> None:
    texts = ("why is the carrier report slow?", "what does carrier mean?", "describe flights")
    plain = [await ask(home, text) for text in texts]
    product.columns += NAMES
    product.comment = " ".join(NAMES)
    product.patterns += [pattern(f'SELECT "{n}" FROM flights', 5000, n) for n in NAMES]
    found = [await ask(home, text) for text in texts]
    assert [(r.plan, r.confidence, r.status) for r in found] == [
        (r.plan, r.confidence, r.status) for r in plain
    ]
    shown = "\n".join(r.text for r in found)
    assert not {c for c in shown if not c.isprintable() and c != "\n"}
    assert f'"{NAMES[0]}"' in shown


async def test_a_reason_that_gives_orders_is_quoted(answered: Home) -> None:
    reply = await ask(answered, "list the decisions with their reasons")
    assert f'because "{HOSTILE[0]}"' in reply.text and reply.plan == "decisions"


async def test_what_others_hold_is_as_good_as_not_there(answered: Home) -> None:
    for text in (
        "what waits for me?",
        "show all decisions",
        "show the runs",
        "show open proposals",
    ):
        reply = await ask(answered, text)
        assert "secret" not in reply.text and "p0000000000f" not in str(reply.sources)
    assert "no proposal p0000000000f" in (await ask(answered, "explain p0000000000f")).text
    with pytest.raises(UnknownProduct):
        await ask(answered, "what waits for me?", "secret")


async def test_several_products_are_asked_about_unless_one_is_named(home: Home) -> None:
    two = Home(home.settings, home.ledger, ("flights", "sales"), home.open)
    reply = await ask(two, "which queries are the slowest?")
    assert (reply.status, reply.products) == ("asked_back", ("flights", "sales"))
    assert "--product" in reply.text
    assert (await ask(two, "which queries of flights are the slowest?")).product == "flights"
    assert (await ask(two, "which queries are the slowest?", "flights")).product == "flights"
    assert (await ask(two, "what waits for me?")).status == "answered"
    none = Home(home.settings, home.ledger, (), home.open)
    assert "pillion init" in (await ask(none, "look for improvements")).text


@pytest.mark.parametrize("text", ["", " \x00 ", "a" * 1_000_000])
async def test_what_cannot_be_read_is_refused_in_words(home: Home, text: str) -> None:
    with pytest.raises(BadQuestion, match="request"):
        await ask(home, text)


async def test_an_unsure_request_is_asked_back_with_examples(home: Home) -> None:
    reply = await ask(home, "lorem ipsum")
    assert (reply.status, reply.plan, len(reply.choices)) == ("asked_back", None, 3)
    assert all(c.example in reply.text for c in reply.choices)
    assert "what waits for me?" in (await ask(home, "what can you do?")).text


async def test_a_model_that_cannot_be_used_leaves_it_to_the_rules(home: Home) -> None:
    def fails(*given: object) -> dict[str, float]:
        raise ModelError("no model")

    asked = Home(home.settings, home.ledger, home.products, home.open, SecondOpinion(fails))
    reply = await ask(asked, "lorem ipsum")
    assert (reply.status, reply.by) == ("asked_back", "rules")


async def test_a_model_may_answer_where_rules_are_not_sure(home: Home) -> None:
    def sure(prompt: object, choices: list[str]) -> dict[str, float]:
        likely = 0.9 if "lorem" in str(prompt) else 0.1
        rest = (1 - likely) / (len(choices) - 1)
        return {c: likely if c == " waiting" else rest for c in choices}

    asked = Home(home.settings, home.ledger, home.products, home.open, SecondOpinion(sure))
    reply = await ask(asked, "lorem ipsum")
    assert (reply.plan, reply.by, reply.text) == (
        "waiting",
        "model",
        "Nothing waits for an answer.",
    )
