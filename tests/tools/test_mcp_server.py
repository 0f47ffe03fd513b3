"""Our tools, served by MCP and driven by the official client, on a real stack."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import mcp_types
import pytest
from mcp import Client, StdioServerParameters
from support.ports import free_port
from support.stack import RESPROUT, Stack, clean_environment, resprout

CLIENT = mcp_types.Implementation(name="Test Client", version="1")


@asynccontextmanager
async def by_stdio(stack: Stack, *words: str) -> AsyncIterator[Client]:
    command, *rest = RESPROUT
    served = [*rest, "--data-dir", str(stack.data_dir), "mcp", "serve", *words]
    server = StdioServerParameters(command=command, args=served, env=clean_environment())
    async with Client(server, client_info=CLIENT) as client:
        yield client


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def approved_only(stack: Stack) -> Iterator[None]:
    """What computes a checksum needs somebody's word, while this lasts."""
    assert stack("policy", "grant", "*", "--tool", "hash.digest", "--approve").returncode == 0
    yield
    grants = json.loads(stack("policy", "grants", "--json").stdout)
    for one in grants:
        if any("hash.digest" in str(tool) for tool in one["tools"]):
            stack("policy", "revoke", str(one["id"]))


def text_of(answer: mcp_types.CallToolResult) -> str:
    return "".join(one.text for one in answer.content if isinstance(one, mcp_types.TextContent))


async def test_tools_are_listed_and_called_over_standard_input(stack: Stack) -> None:
    async with by_stdio(stack, "--tools", "hash.*") as client:
        listed = {one.name: one for one in (await client.list_tools()).tools}
        answer = await client.call_tool("hash.digest", {"text": "hi"})
        wrong = await client.call_tool("hash.digest", {"txt": "hi"})
        hidden = await client.call_tool("http.get", {"url": "https://example.org"})

    assert all(name.startswith("hash.") for name in listed)
    assert listed["hash.digest"].annotations is not None
    assert listed["hash.digest"].annotations.read_only_hint is True
    assert answer.structured_content["size"] == 2
    assert (wrong.is_error, "`txt`: there is no such argument" in text_of(wrong)) == (True, True)
    assert (hidden.is_error, "there is no tool 'http.get' here" in text_of(hidden)) == (True, True)


async def test_a_call_is_decided_for_the_user_and_for_the_client_and_on_record(stack: Stack) -> None:
    async with by_stdio(stack) as client:
        answer = await client.call_tool("http.get", {"url": "https://example.org"})

    assert answer.is_error
    assert "service:mcp:Test-Client" in text_of(answer)
    found = json.loads(stack("audit", "search", "--who", "service:mcp:Test-Client", "--json").stdout)
    assert (found[0]["tool"], found[0]["verdict"]) == ("http.get", "deny")


async def test_what_needs_approval_says_so_and_gives_its_result_when_it_is_asked_again(
    stack: Stack, approved_only: None
) -> None:
    async with by_stdio(stack) as client:
        waits = await client.call_tool("hash.digest", {"text": "careful"})
        again = await client.call_tool("hash.digest", {"text": "careful"})
        pending = json.loads(stack("approvals", "list", "--json").stdout)
        approved = stack("approvals", "approve", pending[0]["run"])
        done = await client.call_tool("hash.digest", {"text": "careful"})

    assert waits.is_error
    assert "It waits for a person" in text_of(waits)
    assert text_of(again) == text_of(waits)
    assert [one["tool"] for one in pending] == ["hash.digest"]
    assert approved.returncode == 0, approved.stderr
    assert (done.is_error, done.structured_content["size"]) == (False, 7)


async def test_a_call_with_a_key_is_one_run_for_ever(stack: Stack) -> None:
    key: Any = {"resprout/idempotency-key": "order-66"}
    async with by_stdio(stack) as client:
        first = await client.call_tool("hash.uuid", {}, meta=key)
        second = await client.call_tool("hash.uuid", {}, meta=key)
        other = await client.call_tool("hash.uuid", {})

    assert text_of(first) == text_of(second) != text_of(other)


async def test_tools_are_served_over_http_to_who_brings_the_token(stack: Stack, port: int) -> None:
    words = [
        "--data-dir",
        str(stack.data_dir),
        "mcp",
        "serve",
        "--http",
        f"127.0.0.1:{port}",
        "--token",
        "secret://door",
    ]
    environment = clean_environment() | {"RESPROUT_SECRET_DOOR": "open-sesame"}
    server = subprocess.Popen([*RESPROUT, *words], env=environment, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        said = await asyncio.wait_for(asyncio.to_thread(server.stderr.readline), 60)
        assert said == f"serving http://127.0.0.1:{port}/mcp\n"
        refused = httpx.post(f"http://127.0.0.1:{port}/mcp", json={}, timeout=60)
        assert (refused.status_code, "bring the token" in refused.text) == (401, True)
        async with with_token(port, "open-sesame") as client:
            answer = await client.call_tool("hash.digest", {"text": "hello"})
        assert answer.structured_content["size"] == 5
    finally:
        server.terminate()
        server.wait(20)


@asynccontextmanager
async def with_token(port: int, token: str) -> AsyncIterator[Client]:
    from resprout.activities.tools.outside.mcp_web import endpoint

    transport = endpoint(f"http://127.0.0.1:{port}/mcp", {"Authorization": f"Bearer {token}"})
    async with Client(transport, client_info=CLIENT) as client:
        yield client


async def test_our_own_server_is_imported_as_any_other_and_is_safe_to_ask_again(stack: Stack) -> None:
    words = (*RESPROUT, "--data-dir", str(stack.data_dir), "mcp", "serve", "--tools", "hash.digest")
    where = ("--data-dir", str(stack.data_dir))
    path = ("--env", f"PYTHONPATH={os.environ.get('PYTHONPATH', '')}")  # a server gets only what it is given
    done = resprout(*where, "tool", "import", "mcp", "mirror", "--trust-hints", "--json", *path, "--", *words)

    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)["tools"]
    assert [(one["name"], one["contract"]) for one in shown] == [("mirror.hash_digest", "safe-to-retry")]
    denied = stack("tool", "call", "mirror.hash_digest", "-a", "text=hi")
    assert (denied.returncode, "process.start" in denied.stderr) == (1, True)
    assert stack("policy", "grant", "*", "--action", "process.start", "--tool", "mirror.*").returncode == 0
    called = stack("tool", "call", "mirror.hash_digest", "-a", "text=hi", "--json")
    assert json.loads(called.stdout)["result"]["structured"]["size"] == 2, called.stderr
    assert stack("tool", "remove", "mcp:mirror").returncode == 0
    gone = stack("tool", "call", "mirror.hash_digest", "-a", "text=hi")
    assert "there is no tool 'mirror.hash_digest'" in gone.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--http", "nowhere"), "write it as HOST:PORT"),
        (("--http", "0.0.0.0:8765"), "can be reached by others: say --token"),
        (("--token", "plain"), "give it by reference"),
    ],
)
def test_what_cannot_be_served_so_is_told(stack: Stack, words: tuple[str, ...], says: str) -> None:
    done = stack("mcp", "serve", *words)

    assert done.returncode == 2
    assert says in done.stderr
