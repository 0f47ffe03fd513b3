"""A run as a tree of its tasks: what the flow says, filled in with what the run says of itself. No I/O.

Tasks that have not begun are shown where they will certainly come; those of branches, of `catch` and of `compensate`
only once they have begun. Of a loop the rounds that are under way are shown: Temporal and we forget the others.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..activities.contracts import OutputTail, SandboxProgress
from ..actors.brain import Saying
from ..actors.brain.special import DELEGATE, HAND_OVER
from ..workflows.flow import Flow
from ..workflows.flow.model import Child, Goal, Loop, Parallel, Sequential, Task, Try
from ..workflows.interpreter.run_input import child_id

PENDING = "pending"
DECIDE = "decide"
UNDER_WAY = ("running", "waiting")
_ROUND = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True)
class Node:
    key: str
    title: str
    word: str
    status: str  # pending, running, waiting, completed, failed, skipped, cancelled
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempt: int = 1
    note: str = ""
    child: str | None = None  # the id of the run of a child flow
    inner: "tuple[Node, ...]" = field(default=())
    output: SandboxProgress | None = None  # so far, while it runs in a sandbox
    is_numbered: bool = False  # a step of an agent: its key says nothing without its title

    def walk(self) -> "Iterator[Node]":
        yield self
        for node in self.inner:
            yield from node.walk()


def tree_of(flow: Flow, state: Mapping[str, Any], run: str) -> tuple[Node, ...]:
    """`state` is the answer to the query of this name."""
    return _Tree({task["key"]: task for task in state["tasks"]}, run).nodes(flow.tasks, "", expected=True)


def agent_nodes(state: Mapping[str, Any], run: str) -> tuple[Node, ...]:
    """Of the run of an agent: its decisions and what it did, in the order in which they began. While another run has
    its conversation, that is what it waits for."""
    return tuple(
        Node(
            task["key"],
            task["title"],
            task["word"],
            task["status"],
            started_at=_moment(task["started_at"]),
            ended_at=_moment(task["ended_at"]),
            note=task["note"],
            child=child_id(run, task["key"], 1) if task["title"] in (DELEGATE, HAND_OVER) else None,
            is_numbered=True,
        )
        for task in state["tasks"]
    ) + ((_turn(state),) if state["waits_for"] is not None else ())


def _turn(state: Mapping[str, Any]) -> Node:
    note = f"waits for {state['waits_for']} to leave the conversation {state['agent']}"
    return Node("begin", "begin", "begin", "waiting", note=note)


def with_speech(nodes: Sequence[Node], said: Saying | None) -> tuple[Node, ...]:
    """What the model is saying stands at the decision that is under way."""
    if said is None:
        return tuple(nodes)
    return tuple(
        replace(node, output=_speech(node.key, said)) if node.word == DECIDE and node.status in UNDER_WAY else node
        for node in nodes
    )


def _speech(key: str, said: Saying) -> SandboxProgress:
    return SandboxProgress(task=key, stdout=OutputTail(text=said.text, end=said.end), stderr=OutputTail(text="", end=0))


def with_children(nodes: Iterable[Node], children: Mapping[str, tuple[Node, ...]]) -> tuple[Node, ...]:
    """The trees of child flows, by the ids of their runs, put where they belong."""
    return tuple(
        replace(node, inner=children.get(node.child or "") or with_children(node.inner, children)) for node in nodes
    )


def with_output(nodes: Iterable[Node], output: Mapping[str, SandboxProgress]) -> tuple[Node, ...]:
    """Of one run; its child flows have output of their own."""
    return tuple(
        replace(
            node,
            output=output.get(node.key) if node.status in UNDER_WAY else None,
            inner=node.inner if node.child is not None else with_output(node.inner, output),
        )
        for node in nodes
    )


class _Tree:
    def __init__(self, told: Mapping[str, Mapping[str, Any]], run: str) -> None:
        self.told = told
        self.run = run
        self.rounds: dict[str, set[int]] = {}
        for key in told:
            for match in _ROUND.finditer(key):
                self.rounds.setdefault(key[: match.start()], set()).add(int(match[1]))

    def nodes(self, tasks: Sequence[Task], prefix: str, *, expected: bool) -> tuple[Node, ...]:
        found = (self._node(task, prefix, expected) for task in tasks)
        return tuple(node for node in found if expected or node.status != PENDING or node.inner)

    def _node(self, task: Task, prefix: str, expected: bool) -> Node:
        key = f"{prefix}{task.key}"
        told = self.told.get(key)
        bare = Node(key, task.title, task.word, PENDING)
        if told is None:
            return replace(bare, inner=self._inside(task, prefix, expected))
        node = replace(
            bare,
            status=told["status"],
            started_at=_moment(told["started_at"]),
            ended_at=_moment(told["ended_at"]),
            attempt=told["attempt"],
            note=told["note"],
        )
        return replace(
            node,
            child=child_id(self.run, key, node.attempt) if isinstance(task, Child | Goal) else None,
            inner=self._inside(task, prefix, expected=node.status in UNDER_WAY),
        )

    def _inside(self, task: Task, prefix: str, expected: bool) -> tuple[Node, ...]:
        if isinstance(task, Loop):
            return self._rounds(task, prefix)
        inner: tuple[Node, ...] = ()
        for steps, tasks in task.lists():
            certain = isinstance(task, Sequential | Parallel | Try) and steps[-1] not in ("catch", "compensate")
            inner += self.nodes(tasks, prefix, expected=expected and certain)
        return inner

    def _rounds(self, task: Loop, prefix: str) -> tuple[Node, ...]:
        loop = f"{prefix}{task.key}"
        found = []
        for index in sorted(self.rounds.get(loop, ())):
            key = f"{loop}[{index}]"
            inner = self.nodes(task.loop.do, f"{key}.", expected=True)
            began = [node.started_at for node in inner if node.started_at is not None]
            status = "running" if any(node.status in (*UNDER_WAY, PENDING) for node in inner) else "completed"
            settled = [node.status for node in inner if node.status in ("failed", "cancelled")]
            found.append(
                Node(
                    key,
                    f"round {index + 1}",
                    "round",
                    settled[0] if settled else status,
                    started_at=min(began, default=None),
                    inner=inner,
                )
            )
        return tuple(found)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
