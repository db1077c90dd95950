"""Fabricated messages for tests: believable defaults, any field can be replaced."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from tools.messages import (
    Candidate,
    ChangeType,
    ContractVerdict,
    CreateIndex,
    CreateSummary,
    Decision,
    Evidence,
    Expected,
    Interval,
    Outcome,
    Principal,
    QueryOptimization,
    QueryTiming,
    Rehearsal,
    SchemaProposal,
    SortTable,
    TableName,
    Trial,
    TrialStatus,
    change_id,
)
from tools.run_report import RunReport

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
FLIGHTS = TableName(name="flights")
HOSTILE = "<script>alert(1)</script>\x1b[31m[bold]\u202edrop\x00 \"'`&"


def make_interval(mid: float, spread: float = 0.05) -> Interval:
    """Return an interval of `spread` around `mid`."""
    return Interval(low=mid * (1 - spread), mid=mid, high=mid * (1 + spread))


def make_timing(
    sql: str = "SELECT count(*) FROM flights",
    before: float = 24.0,
    after: float = 8.0,
    **fields: Any,
) -> QueryTiming:
    """Return one query before and after."""
    values: dict[str, Any] = {
        "fingerprint": "q" + hashlib.sha256(sql.encode()).hexdigest()[:10],
        "sql": sql,
        "share": 0.1,
        "runs": 12,
        "before_ms": make_interval(before),
        "after_ms": make_interval(after),
        "ratio": make_interval(before / after),
        "equal": True,
    }
    return QueryTiming.model_validate(values | fields)


def make_timings() -> tuple[QueryTiming, ...]:
    """Return a believable set: big and small gains, one draw, one certain loser."""
    return (
        make_timing(
            "SELECT carrier, avg(CAST(dep_delay AS DOUBLE)) AS late FROM flights "
            "WHERE dep_delay <> 'NA' GROUP BY carrier ORDER BY late DESC",
            84.0,
            9.6,
            share=0.42,
            runs=120,
        ),
        make_timing(
            "SELECT month, count(*) FROM flights WHERE CAST(dep_delay AS INTEGER) > 60 "
            "GROUP BY month",
            61.0,
            14.2,
            share=0.25,
            runs=64,
            row_groups_before=42,
            row_groups_after=9,
        ),
        make_timing("SELECT max(arr_delay) FROM flights", 12.3, 12.2, share=0.02, runs=5),
        make_timing("SELECT * FROM flights WHERE tailnum = 'N14228'", 5.1, 6.4, share=0.01),
    )


def make_evidence(**fields: Any) -> Evidence:
    """Return evidence measured on a shadow, with a rehearsed rollback."""
    ratio = fields.get("ratio", make_interval(3.4))
    values: dict[str, Any] = {
        "method": "shadow",
        "engine": "duckdb 2.0.0",
        "rows": 336_776,
        "ratio": ratio,
        "expected": Expected(ratio=make_interval(ratio.mid, 0.2), days=30),
        "queries": make_timings(),
        "insert_cost": make_interval(1.03, 0.02),
        "bytes_before": 45_350_912,
        "bytes_after": 39_845_888,
        "rehearsal": Rehearsal(
            ok=True, apply_ms=180.0, undo_ms=205.0, detail="schema, rows and contents as before"
        ),
        "reference": "k-demo",
    }
    return Evidence.model_validate(values | fields)


def make_change(**fields: Any) -> ChangeType:
    """Return the change of one text column into a number."""
    values: dict[str, Any] = {
        "table": FLIGHTS,
        "column": "dep_delay",
        "from_type": "VARCHAR",
        "to_type": "SMALLINT",
        "forward": "CAST(NULLIF(\"dep_delay\", 'NA') AS SMALLINT)",
        "backward": "coalesce(CAST(\"dep_delay\" AS VARCHAR), 'NA')",
        "null_marker": "NA",
    }
    return ChangeType.model_validate(values | fields)


def make_proposal(change: Any = None, **fields: Any) -> SchemaProposal:
    """Return a proposal of the schema agent, by default a type change."""
    wanted = change if change is not None else make_change()
    values: dict[str, Any] = {
        "id": change_id("flights", wanted),
        "product": "flights",
        "principal": Principal(kind="agent", name="schema"),
        "summary": "Store flights.dep_delay as SMALLINT: 3.4 times less time for its queries.",
        "change": wanted,
        "undo": ("write the numbers back as text", "write missing values back as NA"),
        "evidence": make_evidence(),
        "contract": ContractVerdict(compatible=True),
        "risk": ("Every present row fits; a later value that is not a number is refused.",),
        "schema_hash": "5ca1ab1e",
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=7),
    }
    return SchemaProposal.model_validate(values | fields)


def make_summary_proposal(**fields: Any) -> QueryOptimization:
    """Return a proposal of the query agent: a summary table."""
    change = CreateSummary.model_validate(
        {
            "table": FLIGHTS,
            "summary": {"name": "flights_by_carrier_month"},
            "dimensions": [
                {"expression": '"carrier"', "column": "carrier"},
                {"expression": '"month"', "column": "month"},
            ],
            "aggregates": [{"function": "count", "column": "n"}],
            "rewrites": [
                (
                    "SELECT carrier, count(*) FROM flights GROUP BY carrier",
                    "SELECT carrier, sum(n) FROM flights_by_carrier_month GROUP BY carrier",
                )
            ],
        }
    )
    timing = make_timing("SELECT carrier, count(*) FROM flights GROUP BY carrier", 31.0, 0.4)
    base = make_proposal(change).model_dump(exclude={"type"})
    values: dict[str, Any] = {
        "principal": {"kind": "agent", "name": "query"},
        "summary": "Keep counts by carrier and month, so that 1 query reads 185 rows.",
        "undo": ("drop the trigger and the summary table",),
        "risk": ("Each insert also updates the summary.",),
        "evidence": make_evidence(
            ratio=make_interval(1.6),
            alone=make_interval(1.4),
            given=("p0123456789a",),
            queries=(timing,),
            insert_cost=make_interval(1.21),
            bytes_before=39_845_888,
            bytes_after=40_108_032,
        ),
    }
    return QueryOptimization.model_validate(base | values | fields)


def make_trial(
    status: TrialStatus = "rejected", change: Any = None, reason: str = "", **fields: Any
) -> Trial:
    """Return a candidate that was tried, by default an index that made things slower."""
    wanted = change or CreateIndex(table=FLIGHTS, columns=("carrier",), name="flights_carrier")
    measured = status in {"accepted", "rejected"}
    evidence = make_evidence(
        ratio=make_interval(0.82, 0.02),
        queries=(make_timing("SELECT * FROM flights WHERE carrier = 'UA'", 10.0, 12.2),),
        insert_cost=make_interval(1.9),
        bytes_after=49_545_216,
    )
    values: dict[str, Any] = {
        "candidate": Candidate(
            id=change_id("flights", wanted),
            agent="schema",
            change=wanted,
            reason="3 queries filter by it",
        ),
        "status": status,
        "reason": reason or "the workload gets slower",
        "evidence": evidence if measured else None,
    }
    return Trial.model_validate(values | fields)


def make_trials() -> tuple[Trial, ...]:
    """Return one trial of each way to lose."""
    by_date = SortTable(table=FLIGHTS, order_by=("month", "day"))
    return (
        make_trial(),
        make_trial("refused", make_change(column="tailnum"), "breaks schema[0].properties[3]"),
        make_trial("unmeasured", by_date, "the time budget of 60 s was spent"),
        make_trial("accepted", make_change(column="arr_delay"), "gain proved"),
    )


def make_decision(proposal_id: str = "p0123456789a", **fields: Any) -> Decision:
    """Return a person's approval in the terminal."""
    values: dict[str, Any] = {
        "proposal_id": proposal_id,
        "verdict": "approve",
        "principal": Principal(kind="person", name="ada"),
        "channel": "terminal",
        "decided_at": NOW + timedelta(minutes=4),
        "seconds": 41.0,
    }
    return Decision.model_validate(values | fields)


def make_outcome(proposal_id: str = "p0123456789a", **fields: Any) -> Outcome:
    """Return a change that was applied and proved on live."""
    values: dict[str, Any] = {
        "proposal_id": proposal_id,
        "status": "verified",
        "detail": "measured again on the live product",
        "ratio": make_interval(3.3),
    }
    return Outcome.model_validate(values | fields)


def make_report(**fields: Any) -> RunReport:
    """Return a whole run: one change applied, one rejected with a reason, three losers."""
    typed, summary = make_proposal(), make_summary_proposal()
    values: dict[str, Any] = {
        "product": "flights",
        "thread_id": "t-20260302-1",
        "engine": "duckdb 2.0.0",
        "started_at": NOW,
        "finished_at": NOW + timedelta(minutes=6),
        "queries": 18,
        "proposals": (typed, summary),
        "decisions": (
            make_decision(typed.id),
            make_decision(summary.id, verdict="reject", reason="we load every minute", seconds=12),
        ),
        "outcomes": (make_outcome(typed.id),),
        "trials": make_trials(),
        "total": make_interval(3.3),
        "notes": ("2 statements of the log write data and were not measured.",),
    }
    return RunReport.model_validate(values | fields)
