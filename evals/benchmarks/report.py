"""What benchmarks give back, and the page of docs that it is written into."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
INTRO = """# Benchmarks

Written by `make bench` (`python -m evals.benchmarks`). Each section says what is claimed, what was
measured, on what machine and when. Times are medians; the spread says of what.
"""
PACKAGES = ("duckdb", "sqlglot", "langgraph", "mcp")


class BenchmarkFailed(Exception):
    """A benchmark could not be carried out; says why."""


@dataclass(frozen=True)
class Row:
    """One measured number, what was asked of it, and whether it holds."""

    name: str
    value: float
    unit: str
    spread: str = ""
    target: str = ""
    holds: bool = True


@dataclass(frozen=True)
class Section:
    """All that one benchmark measured."""

    name: str
    claim: str
    rows: tuple[Row, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every number meets its target."""
        return all(row.holds for row in self.rows)


def machine() -> str:
    """Say what this was measured on: processor, cores, memory, system, versions."""
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GB memory, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*: (.+)$", info.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found.group(1).strip()
    return platform.processor() or platform.machine()


def render(section: Section, *, at: datetime | None = None) -> str:
    """Return a section as Markdown, ready to stand between its markers."""
    day = (at or datetime.now(UTC)).date().isoformat()
    lines = [f"## {section.name}", "", section.claim, ""]
    lines += ["| what | measured | spread | target | holds |", "|---|---:|---|---|---|"]
    lines += [_line(row) for row in section.rows]
    return "\n".join([*lines, "", f"{day}, took {section.seconds:.0f} s. {machine()}."])


def _line(row: Row) -> str:
    holds = ("yes" if row.holds else "**no**") if row.target else ""
    cells = (row.name, f"{figure(row.value)} {row.unit}".strip(), row.spread, row.target, holds)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def figure(value: float) -> str:
    """Return a number with about three significant digits and no exponent."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


def write(sections: list[Section], page: Path = PAGE) -> None:
    """Put sections between their markers; sections of other runs stay as they are."""
    text = page.read_text(encoding="utf-8") if page.exists() else INTRO
    for section in sections:
        text = _placed(text, section.name, render(section))
    page.parent.mkdir(parents=True, exist_ok=True)
    partial = page.with_name(page.name + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(page)


def _placed(text: str, name: str, body: str) -> str:
    start, end = f"<!-- benchmark {name} -->", f"<!-- end {name} -->"
    block = f"{start}\n{body}\n{end}"
    if start not in text or end not in text:
        return f"{text.rstrip()}\n\n{block}\n"
    return text[: text.index(start)] + block + text[text.index(end) + len(end) :]
