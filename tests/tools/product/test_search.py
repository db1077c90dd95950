"""The search over sets of changes, on a real database: winners, losers, time and crashes."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import pytest

from tests.jobs import CASTING, LOOKUP, SALES, STATUS, TYPED, make_job
from tools.messages import (
    AddNotNull,
    Aggregate,
    CreateSummary,
    Dimension,
    DropColumn,
    DropIndex,
    SortTable,
    TableName,
)
from tools.product import search as module
from tools.product.bench import Bench
from tools.product.journal import Entry
from tools.product.measurement import MeasureResult, ShadowJob
from tools.product.shadow import measure
from tools.product.workload import QueryPattern


def run(job: ShadowJob) -> MeasureResult:
    place = Path(job.snapshot).parent
    before = {*place.iterdir()}
    result = measure(job, lambda done, total, text: None)
    left = {*place.iterdir()} - before
    assert [p.name.partition("-")[0] for p in left] == ["trial"] * bool(result.chosen)
    return result


def test_a_gain_is_accepted_and_a_textbook_index_refused_with_its_number(tmp_path: Path) -> None:
    result = run(make_job(tmp_path, [TYPED, STATUS], [CASTING, LOOKUP]))
    typed, index = result.trials
    assert (typed.status, index.status) == ("accepted", "rejected")
    assert typed.evidence is not None and typed.evidence.ratio.low > 1.02
    assert typed.evidence.rehearsal is not None and typed.evidence.rehearsal.ok
    assert typed.evidence.insert_cost is not None
    assert "×" in index.reason
    assert index.evidence is not None and index.evidence.given == (typed.candidate.id,)
    assert result.total is not None and result.total.mid > 1
    assert {q.equal for q in result.queries} == {True}
    assert len(result.queries) == 2


def test_inserts_may_become_slower_where_nobody_was_seen_to_insert(tmp_path: Path) -> None:
    job = make_job(tmp_path, [], [CASTING])
    written = job.workload.model_copy(update={"writes": {"sales": 7}})
    seen = Bench(job.model_copy(update={"workload": written}))
    unseen = Bench(job)
    try:
        assert (seen.writes(SALES), unseen.writes(SALES)) == (7, 0)
        strict, patient = seen.insert_limit(SALES), unseen.insert_limit(SALES)
        assert strict == job.settings.max_insert_cost
        assert patient > strict
    finally:
        seen.close()
        unseen.close()


def test_what_is_asked_no_more_wins_nothing_and_its_result_is_still_checked(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path, [TYPED], [CASTING, "SELECT max(amount) AS top FROM sales"])
    since = "asked until 2026-03-18 at least every day and not in the 12 days since"
    patterns = job.workload.patterns
    gone = patterns[0].model_copy(update={"ceased": since})
    trial = run(_asked(job, (gone,))).trials[0]
    assert trial.status == "rejected" and trial.evidence is None
    assert trial.reason == f"its query seems to be asked no more: {since}"
    spoilt = patterns[1].model_copy(update={"ceased": since})
    assert "top as INTEGER" in run(_asked(job, (patterns[0], spoilt))).trials[0].reason


def _asked(job: ShadowJob, patterns: tuple[QueryPattern, ...]) -> ShadowJob:
    workload = job.workload.model_copy(update={"patterns": patterns})
    return job.model_copy(update={"workload": workload})


def test_a_change_of_results_is_refused_with_its_query(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED], [CASTING, "SELECT max(amount) AS top FROM sales"])
    trial = run(job).trials[0]
    assert trial.status == "rejected"
    assert job.workload.patterns[1].fingerprint in trial.reason
    assert "top as INTEGER instead of VARCHAR" in trial.reason
    assert trial.evidence is not None and not trial.evidence.equal


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("CREATE VIEW v AS SELECT max(amount) AS top FROM sales", "SELECT top FROM v"),
        ("CREATE MACRO top() AS (SELECT max(amount) FROM sales)", "SELECT top() AS top"),
    ],
)
def test_a_query_through_a_view_or_a_macro_is_held_against_a_change_beneath(
    tmp_path: Path, stored: str, asked: str
) -> None:
    (trial,) = run(make_job(tmp_path, [TYPED], [CASTING, asked], setup=[stored])).trials
    assert trial.status == "rejected"
    assert "top as INTEGER instead of VARCHAR" in trial.reason


def test_a_failing_query_after_a_change_refuses_it(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED], ["SELECT count(*) AS n FROM sales WHERE amount LIKE '9%'"])
    trial = run(job).trials[0]
    assert trial.status == "rejected" and "fails: Binder Error" in trial.reason


def test_what_costs_nothing_is_accepted_without_a_gain(tmp_path: Path) -> None:
    setup = ("CREATE INDEX unused ON sales (region)", "ALTER TABLE sales ADD COLUMN junk VARCHAR",
             "UPDATE sales SET junk = repeat(md5(CAST(id AS VARCHAR)), 5)")  # fmt: skip
    drop = DropIndex(table=SALES, name="unused", definition="CREATE INDEX unused ON sales(region);")
    changes = [drop, DropColumn(table=SALES, column="junk", type="VARCHAR"),
               AddNotNull(table=SALES, column="region")]  # fmt: skip
    job = make_job(tmp_path, changes, [CASTING], setup=setup, insert_rows=5000, repetitions=30)
    written = job.workload.model_copy(update={"writes": {str(SALES): 30}})
    result = run(job.model_copy(update={"workload": written}))
    assert [(t.status, t.reason) for t in result.trials if t.status != "accepted"] == []
    assert [t.evidence.method for t in result.trials if t.evidence][-1] == "contract"


def test_a_table_gets_one_summary_and_the_next_is_told_which(tmp_path: Path) -> None:
    by = "SELECT {0}, count(*) AS n FROM sales GROUP BY {0} ORDER BY {0}"
    changes = [_summary_of(by.format(column), column) for column in ("region", "status")]
    queries = [(by.format("region"), 400), (by.format("status"), 400)]
    first, second = run(make_job(tmp_path, changes, queries, rows=800_000)).trials
    assert first.status == "accepted", first.reason
    assert second.status == "rejected"
    assert second.reason == "by_region was accepted, and a table can have one summary"


def test_nothing_stands_on_what_a_person_refused(tmp_path: Path) -> None:
    by = "SELECT {0}, count(*) AS n FROM sales GROUP BY {0} ORDER BY {0}"
    changes = [_summary_of(by.format(column), column) for column in ("region", "status")]
    queries = [(by.format("region"), 400), (by.format("status"), 400)]
    # So many rows that a summary gains whatever else the machine does.
    job = make_job(tmp_path, changes, queries, rows=800_000)
    refused, other = job.candidates
    job = job.model_copy(update={"candidates": (refused.model_copy(update={"aside": True}), other)})
    result = run(job)
    first, second = result.trials
    assert (first.candidate.id, first.status) == (other.id, "accepted")
    assert second.reason == "by_status was accepted, and a table can have one summary"
    job = job.model_copy(update={"candidates": job.candidates[:1]})
    alone = run(job)
    assert alone.trials[0].status == "accepted", alone.trials[0].reason
    assert (alone.chosen, alone.total) == ((), None)


@pytest.mark.parametrize(("writes", "status"), [(1, "accepted"), (1_000_000, "rejected")])
def test_a_summary_is_weighed_against_the_writes_that_were_recorded(
    tmp_path: Path, writes: int, status: str
) -> None:
    by = "SELECT region, count(*) AS n FROM sales GROUP BY region ORDER BY region"
    summary, most = _summary_of(by, "region"), {"max_insert_cost": 99.0}
    job = make_job(tmp_path, [summary], [(by, 400)], rows=500_000, **most)
    seen = job.workload.model_copy(update={"writes": {"sales": writes}})
    trial = run(job.model_copy(update={"workload": seen})).trials[0]
    assert trial.status == status, trial.reason
    assert ("with 1,000,000 recorded writes the workload" in trial.reason) == (writes > 1)


def _summary_of(sql: str, column: str) -> CreateSummary:
    text = (
        f'SELECT "{column}" AS "{column}", CAST(sum("n") AS BIGINT) AS "n" FROM main."by_{column}"'
    )
    return CreateSummary(
        table=SALES,
        summary=TableName(name=f"by_{column}"),
        dimensions=(Dimension(expression=f'"{column}"', column=column),),
        aggregates=(Aggregate(function="count", column="n"),),
        rewrites=((sql, f"{text} GROUP BY 1 ORDER BY 1"),),
    )


def test_ties_at_a_limit_are_no_difference(tmp_path: Path) -> None:
    ties = "SELECT region, status FROM sales ORDER BY status LIMIT 5"
    trial = run(make_job(tmp_path, [SortTable(table=SALES, order_by=("region",))], [ties])).trials[
        0
    ]
    assert trial.evidence is not None and trial.evidence.equal


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT * FROM sales WHERE random() < 0.5", "differs from one run to the next"),
        ("SELECT nothing FROM sales", "nothing"),
        ("DELETE FROM sales", "DELETE"),
        ("DESCRIBE sales", "how a table is made"),
        ("FROM (SUMMARIZE sales)", "how a table is made"),
    ],
)
def test_a_query_that_cannot_be_compared_is_left_out(tmp_path: Path, sql: str, why: str) -> None:
    result = run(make_job(tmp_path, [TYPED], [CASTING, sql]))
    assert len(result.skipped) == 1 and why in result.skipped[0]
    assert result.trials[0].status == "accepted"


def test_a_view_that_reads_a_file_is_said_to_and_no_type_is_changed_under_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "regions.parquet"
    setup = (
        f"COPY (SELECT DISTINCT region FROM sales) TO '{file}'",
        f"CREATE VIEW near AS SELECT * FROM '{file}' JOIN sales USING (region)",
    )
    result = run(make_job(tmp_path, [TYPED], [CASTING, "SELECT count(*) FROM near"], setup=setup))
    assert f'it reads the file "{file}", and Pillion reads the database alone' in result.skipped[0]
    assert "cannot be tried here" in result.trials[0].reason


def test_a_change_that_cannot_be_made_does_not_stop_the_others(tmp_path: Path) -> None:
    broken = TYPED.model_copy(
        update={"column": "region", "forward": 'CAST("region" AS INTEGER)',
                "backward": 'CAST("region" AS VARCHAR)'}
    )  # fmt: skip
    gone = TYPED.model_copy(update={"column": "nowhere"})
    result = run(make_job(tmp_path, [broken, gone, TYPED], [CASTING]))
    assert [t.status for t in result.trials][2] == "accepted"
    assert {t.status for t in result.trials[:2]} <= {"refused", "failed"}


def test_a_spent_budget_still_gives_a_whole_result(tmp_path: Path) -> None:
    started = time.monotonic()
    job = make_job(tmp_path, [TYPED, STATUS], [CASTING, LOOKUP], budget_seconds=0.01)
    result = run(job)
    assert [t.status for t in result.trials] == ["unmeasured"] * 2
    assert "was spent" in result.trials[0].reason
    assert result.chosen == () and result.total is None
    assert any("no time was left" in s for s in result.skipped)
    assert time.monotonic() - started < 20


def test_a_query_stopped_in_the_last_race_does_not_lose_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy = "SELECT sum(hash(i, i + 1, i + 2)) AS h FROM range(30000000) AS r(i)"
    monkeypatch.setattr(module, "LEAST_SECONDS", 0.15)
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    result = run(make_job(tmp_path, [TYPED], [(CASTING, 9000), (heavy, 1)]))
    assert len(result.chosen) == 1
    assert [q.sql for q in result.queries] == [CASTING]


def test_a_query_without_end_starves_no_other(tmp_path: Path) -> None:
    """The log does not say how long it takes, and it was asked most often."""
    endless = (
        "SELECT count(*) AS n FROM sales a, sales b, sales c WHERE hash(a.id + b.id + c.id) = 7"
    )
    job = make_job(tmp_path, [TYPED], [(endless, 90), (CASTING, 10)], budget_seconds=8.0)
    untimed = tuple(p.model_copy(update={"total_ms": 0.0}) for p in job.workload.patterns)
    workload = job.workload.model_copy(update={"patterns": untimed})
    result = run(job.model_copy(update={"workload": workload}))
    assert [b.fingerprint for b in result.baseline] == [p.fingerprint for p in untimed]
    assert len(result.skipped) == 1 and "runs longer than" in result.skipped[0]
    assert result.trials[0].status != "unmeasured"


def test_a_gain_below_the_wanted_one_is_refused(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED], [CASTING], min_gain=50.0)
    trial = run(job).trials[0]
    assert trial.status == "rejected" and "wanted above ×50" in trial.reason
    assert trial.evidence is not None and trial.evidence.ratio.mid > 1


def test_a_finished_measurement_is_not_repeated(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED], [CASTING])
    first = run(job)
    assert measure(job, lambda done, total, text: pytest.fail("measured again")) == first


def test_a_change_accepted_before_a_crash_is_made_again_not_measured(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED, STATUS], [CASTING, LOOKUP])
    first = run(job)
    keep_lines(job, ("baseline", "trial"), most=2)
    again = run_again(job)
    assert again.trials[0] == first.trials[0]
    index = again.trials[1]
    assert index.evidence is not None and index.evidence.given == (job.candidates[0].id,)


def test_a_candidate_that_the_measurement_does_not_outlive_is_given_up(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED, STATUS], [CASTING, LOOKUP])
    run(job)
    killed = job.candidates[0].id
    for times in (1, 2):
        keep_lines(job, ("baseline",), most=1)
        journal = next(Path(job.evidence).iterdir())
        begun = Entry(kind="begun", begun=killed).model_dump_json()
        journal.write_text("\n".join([journal.read_text(), *[begun] * times]))
        first, second = run_again(job).trials
        assert (first.status == "failed", second.status) == (times == 2, "rejected")
    assert "ended in its trial 2 times" in first.reason


def keep_lines(job: ShadowJob, kinds: tuple[str, ...], *, most: int) -> None:
    """Leave of the journal what a crash would have left."""
    journal = next(Path(job.evidence).iterdir())
    lines = journal.read_text().splitlines()
    kept = [line for line in lines if any(f'{{"kind":"{k}"' in line for k in kinds)]
    journal.write_text("\n".join(kept[:most]))


def run_again(job: ShadowJob) -> MeasureResult:
    return measure(job, lambda done, total, text: None)


def test_an_accepted_change_that_no_longer_fits_is_measured_again(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED], [CASTING])
    run(job)
    keep_lines(job, ("baseline", "trial"), most=2)
    with duckdb.connect(job.snapshot) as con:
        con.execute("UPDATE sales SET amount = 'x' WHERE id = 1")
    trial = run_again(job).trials[0]
    assert trial.status == "refused"
