"""Looking at a run while it goes on: what Temporal says, what the run itself says, and its child flows' runs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ..actors.address import AgentAddress
from ..actors.errors import NotFound, NotRunning, RunFailed
from ..workflows.flow import Flow
from ..workflows.flow.model import Child, Sandbox
from .delays import Delay, delays_of
from .live_output import live_output
from .run_errors import not_of_a_flow
from .run_rows import RunRow, row_of
from .run_tree import DECIDE, UNDER_WAY, Node, agent_nodes, tree_of, with_children, with_output, with_speech
from .runs import AGENT, FLOW, RunRef, Runs

BETWEEN_LOOKS = 0.5  # seconds
SHARE_OF_LOOKING = 0.2  # of the time: a run of thousands of tasks is looked at less often
LONGEST_PAUSE = 10.0  # a look is slow for once, too, when a worker was killed


@dataclass(frozen=True)
class View:
    row: RunRow
    nodes: tuple[Node, ...] = ()
    approvals: tuple[dict[str, Any], ...] = ()
    failure: RunFailed | None = None
    silence: NotRunning | None = None  # why the run itself says nothing
    delays: tuple[Delay, ...] = ()  # also of its child flows

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {**self.row.as_json(), "approvals": list(self.approvals)}
        told["delays"] = [one.as_json() for one in self.delays]
        if self.failure is not None:
            told["error"] = {"message": str(self.failure), "type": self.failure.type, "task": self.failure.task}
        return told | {"tasks": [node_as_json(node) for top in self.nodes for node in top.walk()]}


@dataclass
class Watch:
    runs: Runs
    flows: dict[str, Flow] = field(default_factory=dict)  # of runs: these do not change

    async def look(self, run: RunRef) -> View:
        execution = await run.execution()
        row = row_of(execution)
        if row.kind not in (FLOW, AGENT):
            raise not_of_a_flow(run.id, row.kind)
        failure = None if row.is_open or row.status == "completed" else await failure_of(run)
        if failure is not None and failure.never_began:
            return View(row, failure=failure)  # so it could not answer
        try:
            state = await run.state()
        except NotRunning as silence:
            return View(row, failure=failure, silence=silence)
        # What the run says is newer than what Temporal's lists have heard of it.
        status = state["status"] if row.is_open and state["status"] in ("running", "paused", "waiting") else row.status
        nodes = await self._nodes(run, row.kind, state)
        if row.kind == FLOW:
            nodes = with_output(nodes, await live_output(execution, self.runs.client.data_converter))
        delays = list(delays_of(execution))
        nodes = await self._with_children(nodes, delays)
        return View(replace(row, status=status), nodes, tuple(state["approvals"]), failure, delays=tuple(delays))

    async def _nodes(self, run: RunRef, kind: str, state: Mapping[str, Any]) -> tuple[Node, ...]:
        if kind == FLOW:
            return tree_of(await self._flow(run), state, run.id)
        nodes = agent_nodes(state, run.id)
        if not any(node.word == DECIDE and node.status in UNDER_WAY for node in nodes):
            return nodes
        return with_speech(nodes, await self.runs.speech(AgentAddress.parse(state["agent"])))

    async def _with_children(self, nodes: tuple[Node, ...], delays: list[Delay]) -> tuple[Node, ...]:
        """`delays` gets those of the children."""
        under_way = [
            node for top in nodes for node in top.walk() if node.child is not None and node.status in UNDER_WAY
        ]
        children = {
            node.child: await self._child(self.runs.get(node.child), node.word, delays)
            for node in under_way
            if node.child
        }
        return with_children(nodes, children) if children else nodes

    async def _child(self, run: RunRef, word: str, delays: list[Delay]) -> tuple[Node, ...]:
        try:
            nodes = await self._nodes(run, FLOW if word == Child.word else AGENT, await run.state())
            execution = await run.execution()
            delays += delays_of(execution)
            if any(node.word == Sandbox.word and node.status in UNDER_WAY for top in nodes for node in top.walk()):
                nodes = with_output(nodes, await live_output(execution, self.runs.client.data_converter))
        except (NotFound, NotRunning):  # it is just about to be started, or no worker has it yet
            return ()
        return await self._with_children(nodes, delays)

    async def _flow(self, run: RunRef) -> Flow:
        if run.id not in self.flows:
            self.flows[run.id] = Flow.model_validate((await run.given()).flow)
        return self.flows[run.id]


async def looks(watch: Watch, run: RunRef, ended: asyncio.Event | None = None) -> AsyncIterator[View]:
    """One after the other, the last one after the end of the run."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        seen = await watch.look(run)
        yield seen
        if not seen.row.is_open:
            return
        pause = pause_after(seen, loop.time() - began)
        with suppress(TimeoutError):  # not `wait_for`: before Python 3.12, one that is over forgets a Ctrl-C
            async with asyncio.timeout(pause):
                await (ended or asyncio.Event()).wait()


def pause_after(seen: View, spent: float) -> float:
    """In seconds. To have waited for an answer that did not come was no work for anybody."""
    if seen.silence is not None:
        return BETWEEN_LOOKS
    return min(max(BETWEEN_LOOKS, spent / SHARE_OF_LOOKING), LONGEST_PAUSE)


async def failure_of(run: RunRef) -> RunFailed | None:
    """Of a run that has ended."""
    try:
        await run.result()
    except RunFailed as failure:
        return failure
    return None


def node_as_json(node: Node) -> dict[str, Any]:
    output = {} if node.output is None else {"output": node.output.model_dump(mode="json", exclude={"task"})}
    return output | {
        "key": node.key,
        "title": node.title,
        "word": node.word,
        "status": node.status,
        "started_at": node.started_at.isoformat() if node.started_at else None,
        "ended_at": node.ended_at.isoformat() if node.ended_at else None,
        "attempt": node.attempt,
        "note": node.note,
        "child": node.child,
    }
