"""One version means one tool: what another brings under the same name is left out."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError
from resprout.activities.tools.builtin import ALL
from resprout.activities.tools.outside.mcp_origin import McpOrigin
from resprout.activities.tools.outside.sources import Outside
from resprout.activities.tools.tool import Tool, tool
from resprout.activities.tools.toolbox import Toolbox, UnknownTool
from resprout.memory.database import Database
from resprout.memory.tools import ToolRegistry
from resprout.runtime.known_tools import add_from_elsewhere
from resprout.runtime.secrets import SecretsFromEnvironment
from resprout.runtime.tool_imports import registration
from resprout.runtime.tool_sources import ToolSources
from resprout.runtime.tools import register


def of_a_module(name: str, version: str = "1.0.0", **more: object) -> Tool:
    def act(text: str) -> str:
        """Does it."""
        return text

    return replace(tool(name, version=version, **more)(act), source="module:app")  # type: ignore[arg-type]


def test_a_module_cannot_bring_a_newer_version_of_a_family_of_ours() -> None:
    toolbox = Toolbox(ALL)

    add_from_elsewhere(
        toolbox, [of_a_module("http.get", "99.0.0"), of_a_module("letters.send"), of_a_module("letters.read")]
    )

    assert toolbox.find("http.get").source == "built-in"
    assert {one.name for one in toolbox if one.source == "module:app"} == {"letters.send", "letters.read"}


async def test_a_tool_that_is_registered_as_another_one_is_not_called_here(dsn: str) -> None:
    async with await Database.open(dsn, pool_size=2) as database:
        registry = ToolRegistry(database.opened)
        await registry.register([registration(of_a_module("letters.send", danger="high"))])
        toolbox = Toolbox(
            [of_a_module("letters.send"), of_a_module("letters.send", "0.9.0"), of_a_module("letters.read")]
        )

        await register(toolbox, registry)

    assert [one.manifest.reference for one in toolbox] == ["letters.read@1.0.0", "letters.send@0.9.0"]
    with pytest.raises(UnknownTool):
        toolbox.find("letters.send@1.0.0")


def test_a_long_command_and_its_environment_are_known_by_all_of_them() -> None:
    short, long = ("far",), ("far", "x" * 300, "--safe")

    assert McpOrigin(command=short).where == "far"
    places = [
        McpOrigin(command=long).where,
        McpOrigin(command=(*long[:2], "--root")).where,
        McpOrigin(command=short, env={"ROOT": "/"}).where,
        McpOrigin(command=short, env={"ROOT": "/srv"}).where,
    ]
    assert len(set(places)) == 4
    assert all(" sha256:" in place and len(place) < 250 for place in places)


def test_no_tool_takes_longer_than_a_call_may() -> None:
    with pytest.raises(ValidationError, match="at most 55m"):
        of_a_module("letters.send", timeout=timedelta(hours=24))


async def test_a_deprecated_version_is_not_what_a_name_means(dsn: str) -> None:
    toolbox = Toolbox([of_a_module("letters.send"), of_a_module("letters.send", "1.1.0")])
    async with await Database.open(dsn, pool_size=2) as database:
        registry = ToolRegistry(database.opened)
        await register(toolbox, registry)
        await registry.deprecate("letters.send", "1.1.0", "it loses letters")
        await ToolSources(toolbox, registry, Outside(SecretsFromEnvironment())).refresh()

    assert toolbox.find("letters.send").manifest.version == "1.0.0"
    assert toolbox.find("letters.send@1.1").manifest.deprecated == "it loses letters"
