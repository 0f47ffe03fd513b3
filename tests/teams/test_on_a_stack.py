"""Roles and teams on a whole stack, as users run them: the command line, workers, hosts, and a provider's protocol."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.model_server import Heard, ModelServer, Turn
from support.openai_server import OpenAIDialect
from support.stack import Result, Stack, kill, stack_of

# What the model says where it is asked for JSON.
SAID = {"answer": "tea", "why": "it is warm", "winner": 2, "parts": ["a", "b", "c"], "member": 1, "work": "look"}
MEMBERS = ["writer", "echo", {"system": "You are third."}]
GIVES = {
    "debate": {"answer": "tea", "why": "it is warm", "winner": "member 2, echo", "rounds": [["said"] * 3]},
    "map-reduce": {"answer": "said", "results": ["said"] * 3},
    "pipeline": {"answer": "said", "stages": ["said"] * 3},
    "round-robin": {"answer": "said", "turns": ["said"] * 3},
    "supervisor": {"answer": "said", "work": [{"next": {"done": False, "member": 1, "work": "look"}, "work": "said"}]},
}
ROUNDS = {"debate": 1, "round-robin": 1, "supervisor": 5}


def script(heard: Heard, number: int) -> Turn:
    form = heard.body.get("response_format")
    if form is None:
        return Turn(text="said")
    done = '"done_so_far": []' not in json.dumps(heard.body).replace("\\", "")
    words = form["json_schema"]["schema"]["properties"]
    return Turn(text=json.dumps({word: {**SAID, "done": done}[word] for word in words}))


@dataclass
class Place:
    stack: Stack
    server: ModelServer
    roles: Path

    async def __call__(self, *words: str) -> Result:
        """The server is in this loop, so the command is not."""
        return await asyncio.to_thread(self.stack, *words)

    async def run(self, team: str, **inputs: Any) -> dict[str, Any]:
        given = [word for name, value in inputs.items() for word in ("-i", f"{name}={json.dumps(value)}")]
        done = await self("run", f"team/{team}", "--json", *given)
        told: dict[str, Any] = json.loads(done.stdout)
        return told


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    roles = tmp_path_factory.mktemp("roles")
    (roles / "echo.role.yaml").write_text(
        "role: echo\ndescription: says it again\nvariables:\n  tone: {description: how, default: plain}\n"
        "system: You speak in a {{tone}} way.\n"
    )
    server = ModelServer(OpenAIDialect(), script)
    async with server.listening():
        env = {
            "RESPROUT_MODELS_PROVIDERS_HOUSE_BASE_URL": f"{server.url}/v1",
            "RESPROUT_MODELS_DEFAULT": "house/able",
            "RESPROUT_ROLES_DIR": str(roles),
        }
        with stack_of(env) as stack:
            await asyncio.to_thread(stack.up)
            yield Place(stack, server, roles)


@pytest.mark.parametrize("team", sorted(GIVES))
async def test_a_team_runs_from_the_command_line_and_gives_one_answer(place: Place, team: str) -> None:
    rounds = {"rounds": ROUNDS[team]} if team in ROUNDS else {}

    told = await place.run(team, goal="tea or coffee?", members=MEMBERS, **rounds)

    assert told.get("result") == GIVES[team], told


async def test_a_role_is_used_from_the_command_line(place: Place) -> None:
    done = await place("agent", "run", "go", "--role", "echo", "--variable", "tone=dry", "--json")

    assert (done.returncode, json.loads(done.stdout)["result"]["answer"]) == (0, "said"), done.stderr
    assert place.server.heard[-1].body["messages"][0]["content"] == "You speak in a dry way."


async def test_a_member_that_there_is_not_fails_the_run_with_the_nearest(place: Place) -> None:
    told = await place.run("pipeline", goal="go", members=["writr"])

    assert told["status"] == "failed"
    assert "there is no role `writr`: did you mean `writer`?" in told["error"]["message"]


async def test_a_killed_worker_loses_nothing_of_a_team(place: Place) -> None:
    before, restarts = place.server.calls, await asyncio.to_thread(place.stack.host_restarts)
    worker = await asyncio.to_thread(place.stack.pid, "worker")
    running = asyncio.create_task(place.run("round-robin", goal="go", members=["writer", "echo"], rounds=2))
    async with asyncio.timeout(60):
        while place.server.calls < before + 2:
            await asyncio.sleep(0.05)

    kill(worker)

    assert (await running)["result"]["turns"] == ["said"] * 4
    lost = await asyncio.to_thread(place.stack.host_restarts) - restarts
    assert before + 5 <= place.server.calls <= before + 5 + lost  # if the hosts live, nothing is asked twice
