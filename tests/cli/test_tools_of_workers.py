"""Tools whose code this command has not: they stand in Postgres, as workers and imports have put them there."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from resprout.activities.tools.tool import Tool, tool
from resprout.memory.database import Database
from resprout.memory.tools import ToolRegistry
from resprout.runtime.identity import user_name
from resprout.runtime.tool_imports import registration
from support.stack import Result, resprout


def letters(version: str = "1.0.0", source: str = "module:letters") -> Tool:
    @tool("letters.send", version=version, permissions=("net.connect",), danger="medium", tags=("mail",))
    def send(to: str, stamps: Decimal = Decimal(1)) -> str:
        """Sends a letter."""
        return to

    return replace(send, source=source)


@pytest.fixture
async def env(dsn: str) -> dict[str, str]:
    """As a worker with a module of its own leaves it."""
    async with await Database.open(dsn, pool_size=1) as database:
        gone = replace(letters(source="manifest:gone"), manifest=letters().manifest.model_copy(update={"name": "a.b"}))
        await ToolRegistry(database.opened).register([registration(one) for one in (letters(), letters("1.1.0"), gone)])
    return {"RESPROUT_POSTGRES_DSN": dsn, "RESPROUT_POLICY_OWNER": user_name()}


def run(env: dict[str, str], *words: str, code: int = 0) -> Result:
    done = resprout(*words, env=env)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_a_tool_of_a_worker_is_listed_found_and_shown(env: dict[str, str]) -> None:
    listed = json.loads(run(env, "tool", "list", "--all", "--json").stdout)
    found = json.loads(run(env, "tool", "search", "mail", "--json").stdout)
    shown = run(env, "tool", "show", "letters.send").stdout

    versions = {one["version"]: one["source"] for one in listed if one["name"] == "letters.send"}
    assert versions == {"1.0.0": "module:letters", "1.1.0": "module:letters"}
    assert ("letters.send", "1.1.0") in [(one["name"], one["version"]) for one in found]
    assert not [one for one in listed if one["name"] == "a.b"]  # of a source that was removed
    assert "letters.send@1.1.0" in shown
    assert "of a worker, which said so last" in shown
    assert "stamps" in shown


def test_a_tool_of_a_worker_is_explained_and_its_arguments_are_checked(env: dict[str, str]) -> None:
    denied = run(env, "policy", "explain", "letters.send", "--args", '{"to": "ada"}')
    wrong = run(env, "tool", "call", "letters.send", "--arg", "tto=ada", code=2)

    assert "is not granted net.connect:*" in denied.stdout
    assert "only a worker has the code of this tool" in denied.stderr
    assert "no stack is running" in wrong.stderr or "`tto`" in wrong.stderr


def test_an_imported_tool_is_explained_as_one_of_ours_is(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "shout.tool.yaml"
    file.write_text(
        "tool: loud.shout\nversion: 1.0.0\ndescription: Shouts.\n"
        "input: {type: object, properties: {text: {type: string}}, required: [text]}\n"
        "sandbox: {language: python, code: print(1), net: [a.example.org:443]}\n"
    )
    run(env, "tool", "import", str(file), "--yes")

    explained = json.loads(run(env, "policy", "explain", "loud.shout", "--args", '{"text": "x"}', "--json").stdout)
    unfit = run(env, "policy", "explain", "loud.shout", "--args", '{"txt": "x"}', code=2)

    needs = {f"{one['need']['action']}:{one['need']['on']}" for one in explained["opinions"]}
    assert needs == {"tool.call:loud.shout", "code.run:python", "net.connect:a.example.org:443"}
    assert "`text` must be given" in unfit.stderr


def test_a_deprecated_tool_of_a_worker_says_so(env: dict[str, str]) -> None:
    run(env, "tool", "deprecate", "letters.send@1.1.0", "--why", "it loses letters")

    assert "it loses letters" in run(env, "tool", "show", "letters.send@1.1.0").stdout
    assert json.loads(run(env, "tool", "show", "letters.send", "--json").stdout)["version"] == "1.0.0"
