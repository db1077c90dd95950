"""The documents say what is there: every command, tool, route, setting, error and block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
from fastapi.routing import APIRoute
from pydantic_settings import BaseSettings

from api.cli.main import app
from api.cli.shell import EXIT_CODES
from api.ide.calls import Rule
from api.ide.prompts import PROMPTS
from api.ide.resources import CONTRACT, DICTIONARY, EVIDENCE, REPORT
from api.ide.server import TOOLS
from api.ide.settings import McpSettings
from api.service.app import ROUTERS
from api.service.settings import ServiceSettings
from evals.settings import EvalSettings
from graph.build import NODES, build_graph
from graph.settings import Settings
from mcp_servers.product.server import build_server
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.products import make_product
from tools.logs import LogSettings
from tools.messages import ChangeKind
from tools.product.errors import ERRORS

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


SETTINGS = (Settings, ServiceSettings, EvalSettings, LogSettings, McpSettings, ProductSettings)


def names(settings: type[BaseSettings]) -> list[str]:
    prefix = settings.model_config.get("env_prefix", "")
    return [prefix + field.upper() for field in settings.model_fields]


EVERY = [name for settings in SETTINGS for name in names(settings)]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_documented_and_shows_an_example(command: str) -> None:
    assert f"`pillion {command}`" in REFERENCE
    assert f"`pillion {command}" in (COMMANDS[command].help or "").replace("Example: ", "")


@pytest.mark.parametrize(
    "command",
    [f"{g} {c}" for g, group in COMMANDS.items() for c in getattr(group, "commands", {})],
)
def test_every_command_of_a_group_is_documented_and_shows_an_example(command: str) -> None:
    group, name = command.split()
    assert f"`pillion {command}`" in REFERENCE
    assert f"`pillion {command}" in (COMMANDS[group].commands[name].help or "")


def commands_below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield every command that can be called, with those of groups."""
    below = getattr(command, "commands", {})
    if not below or command.invoke_without_command:
        yield name, command
    for part, found in below.items():
        yield from commands_below(f"{name} {part}".strip(), found)


CALLED = dict(c for name, found in COMMANDS.items() for c in commands_below(name, found))
STREAMS = {"mcp": "speaks MCP on standard output until the editor leaves"}
"""Commands whose standard output is no document by nature, and what it is."""


@pytest.mark.parametrize("command", sorted(CALLED))
def test_every_command_prints_json_when_it_is_asked_to(command: str) -> None:
    options = {o for p in CALLED[command].params for o in getattr(p, "opts", ())}
    assert ("--json" in options) is (command not in STREAMS)


def test_commands_of_groups_of_groups_are_found() -> None:
    assert {"run", "mcp", "mcp install", "eval decisions", "model train"} <= CALLED.keys()
    assert STREAMS.keys() <= CALLED.keys()


@pytest.mark.parametrize("setting", EVERY)
def test_every_setting_is_documented_and_in_the_example_file(setting: str) -> None:
    assert f"`{setting}`" in REFERENCE
    assert re.search(rf"^{setting}=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_the_example_file_holds_nothing_else() -> None:
    found = re.findall(r"^(PILLION_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(found) == sorted(EVERY)


def test_the_example_file_holds_the_defaults() -> None:
    text = (ROOT / ".env.example").read_text()
    given = dict(re.findall(r"^(PILLION_\w+)=(.*)$", text, re.MULTILINE))
    for settings in SETTINGS:
        prefix = settings.model_config.get("env_prefix", "")
        for field, info in settings.model_fields.items():
            value = given[prefix + field.upper()]
            default = "" if info.default is None else str(info.default)
            same = value == default
            assert same or float(value) == float(default), field


async def test_every_tool_is_documented_and_described(tmp_path: Path) -> None:
    descriptor = make_product(tmp_path, tmp_path / "home", rows=10)
    server = build_server(ProductService(descriptor, ProductSettings()))
    for tool in await server.list_tools():
        assert f"`{tool.name}`" in REFERENCE
        assert tool.description


@pytest.mark.parametrize("rule", TOOLS, ids=lambda rule: rule.work.__name__)
def test_every_tool_for_editors_is_documented_with_its_role(rule: Rule) -> None:
    row = re.search(rf"^\| `{rule.work.__name__}` \|.*\| {rule.role} \|$", REFERENCE, re.MULTILINE)
    assert row


@pytest.mark.parametrize(
    "name", [DICTIONARY, CONTRACT, REPORT, EVIDENCE, *(p.__name__ for p in PROMPTS)]
)
def test_every_resource_and_prompt_is_documented(name: str) -> None:
    assert f"| `{name}` |" in REFERENCE


@pytest.mark.parametrize(
    "path", sorted({r.path for router in ROUTERS for r in router.routes if isinstance(r, APIRoute)})
)
def test_every_route_is_documented(path: str) -> None:
    below = path.removeprefix("/assistants/{assistant_id}").removeprefix(
        "/threads/{thread_id}/runs/{run_id}"
    )
    assert any(f"{lead}{below or path}`" in REFERENCE for lead in ("`", "T ", "E "))


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_every_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in REFERENCE


@pytest.mark.parametrize("kind", get_args(ChangeKind))
def test_every_kind_of_change_is_documented_with_where_it_is_tried(kind: str) -> None:
    ideas = REFERENCE.partition("## Ideas\n")[2].partition("\n## ")[0]
    assert re.search(rf"^\| [^|]*`{kind}`", ideas, re.MULTILINE)


@pytest.mark.parametrize("code", sorted(EXIT_CODES))
def test_every_exit_code_is_documented(code: int) -> None:
    assert f"| {code} | {EXIT_CODES[code]} |" in REFERENCE


@pytest.mark.parametrize("node", [n.__name__ for n in NODES])
def test_every_node_is_in_the_architecture_page(node: str) -> None:
    assert f"`{node}`" in ARCHITECTURE


def test_the_drawn_graph_is_the_graph() -> None:
    drawn = build_graph().get_graph().draw_mermaid(with_styles=False).strip()
    assert f"<!-- graph -->\n```mermaid\n{drawn}\n```\n<!-- /graph -->" in ARCHITECTURE


def test_every_link_leads_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_readme_commands_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        for command in line.strip().splitlines():
            words = command.split()
            known = targets if words[0] == "make" else COMMANDS
            assert words[0] in ("make", ".venv/bin/pillion")
            assert words[1] in known, command
