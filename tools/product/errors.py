"""Everything that can go wrong with a data product, each with what to do about it."""

from __future__ import annotations

from typing import ClassVar


class ProductError(Exception):
    """The data product could not do what was asked."""

    code: ClassVar[str] = "product_error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint


class DatabaseUnusable(ProductError):
    """The file is missing, is not a DuckDB database, is damaged or is of a newer format."""

    code = "database_unusable"


class DatabaseLocked(ProductError):
    """Another process holds the database."""

    code = "database_locked"

    def __init__(self, message: str, *, pid: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pid = pid


class ParseFailed(ProductError):
    """The SQL text could not be read."""

    code = "parse_failed"


class Forbidden(ProductError):
    """The statement is not a single read-only query on the product's own tables."""

    code = "forbidden"


class QueryFailed(ProductError):
    """The engine refused or gave up on a query."""

    code = "query_failed"


class Refused(ProductError):
    """A change cannot be made safely."""

    code = "refused"


class SchemaDrift(ProductError):
    """The tables changed between proposal and approval."""

    code = "schema_drift"


class UndoConflict(ProductError):
    """A change cannot be undone exactly because rows changed since."""

    code = "undo_conflict"


class UnknownTable(ProductError):
    """The product has no table of that name."""

    code = "unknown_table"


class UnknownChange(ProductError):
    """No change with that id was applied here."""

    code = "unknown_change"


class DiskFull(ProductError):
    """There is not enough disk space."""

    code = "disk_full"


class ContractInvalid(ProductError):
    """The contract is not readable ODCS, or contradicts the database."""

    code = "contract_invalid"


class ImportFailed(ProductError):
    """A file of queries could not be read."""

    code = "import_failed"


class MeasureFailed(ProductError):
    """The shadow measurement ended without a result."""

    code = "measure_failed"


ERRORS: dict[str, type[ProductError]] = {
    c.code: c
    for c in (
        ProductError,
        DatabaseUnusable,
        DatabaseLocked,
        ParseFailed,
        Forbidden,
        QueryFailed,
        Refused,
        SchemaDrift,
        UndoConflict,
        UnknownTable,
        UnknownChange,
        DiskFull,
        ContractInvalid,
        ImportFailed,
        MeasureFailed,
    )
}
