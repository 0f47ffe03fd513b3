"""The example flows, undisturbed and with the worker, the hosts and the Temporal server killed in their middle."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from resprout.runtime import temporal
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from resprout.workflows.flow import freeze
from support.stack import Stack, stack_of
from support.waiting import until_found
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "flows"

OUTPUTS: dict[str, dict[str, Any]] = {
    "hello": {"greeting": "Hello world!"},
    "research-crew": {
        "report": "About the sea\n- the sea, seen from its past\n- the sea, seen from its matter\n"
        "- the sea, seen from its sound",
        "asked": [1, 1, 1, 1],
    },
    "approval": {"approved": True, "booked": 1},
    "saga": {"booked": 2, "given_back": 2},
    "map": {"squares": [n * n for n in range(1, 101)], "asked": 10},
    "nested": {
        "reports": [
            f"About {it}\n- {it}, seen from its past\n- {it}, seen from its matter\n- {it}, seen from its sound"
            for it in ("the sea", "the moon")
        ],
        "asked": [[1, 1, 1, 1], [1, 1, 1, 1]],
    },
    "scheduled": {"text": "the weather, seen from its morning", "asked": 1},
    "refine": {"text": "A song of the sea (draft 1) (draft 2) (draft 3)", "quality": 90},
    "errors": {"booked": 1, "boat": "AgentFailed", "bike": 1},
    "sandbox": {"counts": '{"the": 3, "sea": 2, "sun": 1}', "drawn": "the ###\nsea ##\nsun #\n"},
    "tools": {"best": ["Paris", 7], "report": "# Sold\n\nMost in Paris.\n"},
}

VICTIMS: dict[str, Callable[[Stack], list[int]]] = {
    "worker": lambda stack: [stack.pid("worker")],
    "hosts": lambda stack: stack.host_pids(),
    "temporal": lambda stack: [stack.pid("temporal")],
}


@pytest.fixture(scope="module")
def examples_stack() -> Iterator[Stack]:
    with stack_of({"RESPROUT_AGENTS_MODULES": "crew", "RESPROUT_AGENTS_PATH": str(EXAMPLES)}) as stack:
        stack.up()
        yield stack


@pytest.fixture
async def client(examples_stack: Stack) -> Client:
    examples_stack.wait_healthy()
    settings = attach(Settings(data_dir=examples_stack.data_dir), "temporal.address", "postgres.dsn")
    return await temporal.client_of(settings)


def test_every_example_has_a_test() -> None:
    assert {path.name.removesuffix(".flow.yaml") for path in EXAMPLES.glob("*.flow.yaml")} == OUTPUTS.keys()


async def test_the_examples_give_what_they_promise(client: Client) -> None:
    handles = {name: await start(client, name, seconds=0) for name in OUTPUTS}

    await answered(handles["approval"])

    assert {name: await handle.result() for name, handle in handles.items()} == OUTPUTS


@pytest.mark.parametrize("victim", VICTIMS)
async def test_the_examples_give_the_same_although_something_is_killed(
    client: Client, examples_stack: Stack, victim: str, images: None
) -> None:
    """Each agent says how often it was asked: a finished task that ran again would change the output."""
    handles = {name: await start(client, name, seconds=1) for name in OUTPUTS}
    await asyncio.gather(*(begun(handle) for handle in handles.values()))

    for pid in VICTIMS[victim](examples_stack):
        os.kill(pid, signal.SIGKILL)

    await answered(handles["approval"])
    async with asyncio.timeout(240):
        results = {name: await patiently(handle.result) for name, handle in handles.items()}
    assert results == OUTPUTS


async def start(client: Client, name: str, *, seconds: float) -> "WorkflowHandle[Any, Any]":
    path = EXAMPLES / f"{name}.flow.yaml"
    freezing = freeze(path.read_text(), path.name, lambda child: ((EXAMPLES / child).read_text(), child))
    assert freezing.frozen is not None, freezing.problems
    frozen = freezing.frozen.model_dump(mode="json")
    given = {
        "flow": frozen["document"],
        "children": frozen["children"],
        "hash": frozen["hash"],
        "inputs": {"seconds": seconds},
    }
    return await client.start_workflow("flow", given, id=f"{name}-{uuid4().hex[:8]}", task_queue="resprout")


async def begun(handle: "WorkflowHandle[Any, Any]") -> None:
    await until_found(lambda: patiently(lambda: handle.query("state")), lambda found: found["tasks"], patience=60)


async def answered(handle: "WorkflowHandle[Any, Any]") -> None:
    await until_found(lambda: patiently(lambda: handle.query("state")), lambda found: found["approvals"], patience=60)
    await patiently(lambda: handle.execute_update("answer", {"decision": "approve", "by": "me", "form": {"limit": 9}}))


async def patiently(call: Callable[[], Any]) -> Any:
    """The server or the worker may be away for a while."""
    while True:
        try:
            return await call()
        except RPCError:
            await asyncio.sleep(0.1)
