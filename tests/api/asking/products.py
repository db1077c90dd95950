"""A product to ask about, whose server only describes itself."""

from __future__ import annotations

from api.asking.contract import Reply
from mcp_servers.product.contract import (
    ColumnDescription,
    ProductDescription,
    TableDescription,
    WorkloadReport,
)
from tests.factories import make_timing
from tools.messages import TableName
from tools.product.workload import QueryPattern, Workload

FLIGHTS = TableName(name="flights")
P1, P2, P3 = "p00000000001", "p00000000002", "p00000000003"
DELAYS = "SELECT carrier, avg(dep_delay) FROM flights GROUP BY carrier"
CARRIERS = "SELECT count(DISTINCT carrier) FROM flights"
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: c1
version: 1.0.0
status: active
schema:
  - name: flights
    description: One row a flight that left New York.
    properties:
      - name: dep_delay
        logicalType: integer
        required: true
        description: Minutes after the planned departure.
"""


def pattern(sql: str, ms: float, *callers: str) -> QueryPattern:
    timing = make_timing(sql)
    return QueryPattern(
        fingerprint=timing.fingerprint, sql=sql, normalized=sql, runs=10, total_ms=ms,
        tables=(FLIGHTS,), columns=(), source="tap", callers=callers,
    )  # fmt: skip


class Product:
    """A product's server that describes itself and its workload, and knows no other tool."""

    def __init__(self) -> None:
        self.patterns = [pattern(CARRIERS, 900), pattern(DELAYS, 100, "delays dashboard")]
        self.columns = ["carrier", "dep_delay", "arr_delay"]
        self.comment: str | None = None
        self.types: dict[str, str] = {}
        self.total = 2

    async def read_workload(self, limit: int) -> WorkloadReport:
        return WorkloadReport(
            workload=Workload(patterns=tuple(self.patterns)), patterns_total=self.total
        )

    async def describe_product(self) -> ProductDescription:
        columns = tuple(
            ColumnDescription(
                name=n, type=self.types.get(n, "VARCHAR"), nullable=True, comment=self.comment
            )
            for n in self.columns
        )
        table = TableDescription(name=FLIGHTS, rows=336_776, columns=columns)
        return ProductDescription(
            name="flights", engine="duckdb 2", bytes=1, tables=(table,), contract="c",
            schema_hash="h",
        )  # fmt: skip


def sources(reply: Reply, kind: str) -> list[str]:
    return [s.id for s in reply.sources if s.kind == kind]
