"""Rules of the code that no linter knows."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
MODULES = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))
LONGEST = 400
ENVIRONMENT = {
    "api/cli/serving.py": "hands the token to its child",
    "evals/benchmarks/command.py": "runs the command as a newcomer's shell would",
    "evals/benchmarks/servers.py": "hands the settings to the servers it measures",
    "evals/effort.py": "hands the settings to the commands it types",
    "graph/__init__.py": "tells langgraph to be strict before it is imported",
    "mcp_servers/product/client.py": "hands the settings to its child",
    "tools/failpoints.py": "the crash tests' switch",
    "tools/tracing.py": "looks whether the standard OTEL_* variables ask for traces",
}
NAMES = {
    "TODO": re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"),
    "a machine's path": re.compile(r"/(home|Users|work)/\w+/"),
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), name_of(path))


def calls(name: str) -> list[tuple[Path, ast.Call]]:
    return [
        (path, node)
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def test_a_module_can_be_read_in_one_sitting() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert [name_of(path) for path in MODULES if path.name in drawers] == []


@pytest.mark.parametrize("what", NAMES)
def test_nothing_unfinished_or_private_is_left(what: str) -> None:
    assert [name_of(path) for path in MODULES if NAMES[what].search(path.read_text())] == []


def test_nothing_prints_past_the_consoles() -> None:
    assert [name_of(path) for path, _ in calls("print")] == []


def test_the_environment_is_read_where_it_is_said_and_nowhere_else() -> None:
    reading = re.compile(r"\bos\.(environ|getenv|putenv)\b")
    found = {name_of(p) for p in MODULES if reading.search(p.read_text())}
    assert found == set(ENVIRONMENT)


def test_a_child_takes_no_module_from_the_working_folder() -> None:
    starts = [
        (name_of(path), [ast.unparse(part) for part in node.elts])
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.List)
    ]
    ours = [(n, p) for n, p in starts if p[:1] == ["sys.executable"] and "'-m'" in p]
    assert "evals/children.py" in [name for name, _ in ours]
    # The shadow begins in a folder of its own choice.
    assert {n for n, p in ours if p[1] != "'-P'"} == {"tools/product/shadow.py"}


def test_every_crash_point_has_its_own_name() -> None:
    points = [node.args[0] for _, node in calls("crash_point")]
    fixed = Counter(p.value for p in points if isinstance(p, ast.Constant))
    made = Counter(ast.unparse(p) for p in points if isinstance(p, ast.JoinedStr))
    assert len(fixed) + len(made) == len(points) > 10
    assert [name for name, count in fixed.items() if count > 1] == []


def is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    broad = any(c is None or ast.unparse(c) in ("Exception", "BaseException") for c in caught)
    reraises = isinstance(handler.body[-1], ast.Raise)
    return broad and not reraises


def test_no_handler_swallows_whatever_comes() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
    ]
    assert found == []


def test_tests_mirror_the_folders_and_are_no_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
    for folder in (p for p in (ROOT / "tests").rglob("*") if p.is_dir() and any(p.glob("*.py"))):
        mirrored = folder.relative_to(ROOT / "tests")
        assert (ROOT / mirrored).is_dir() or mirrored == Path("crash"), mirrored
