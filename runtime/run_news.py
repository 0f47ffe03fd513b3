"""What is new of a run since the last look: tasks that began or ended, what is written and said, what it waits for."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..actors.errors import RunFailed
from .delays import Delay, alike
from .output_lines import OutputLines
from .run_tree import PENDING, UNDER_WAY, Node
from .run_watch import View
from .runs import AGENT

_ROUND = "["  # in the key of a task, before the number of its round
_QUIET_IN_ROUNDS = ("running", "completed", "skipped")


class RunNews(ABC):
    """Finds it; those below say it."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[str, int, str]] = {}  # the tasks, by name
        self.delays: set[object] = set()
        self.written: dict[tuple[str, int], OutputLines] = {}  # by the name of a task and its attempt

    @abstractmethod
    def task(self, node: Node, name: str) -> None: ...
    @abstractmethod
    def output(self, name: str, stream: str, line: str) -> None: ...
    @abstractmethod
    def silence(self, text: str) -> None: ...
    @abstractmethod
    def delay(self, delay: Delay) -> None: ...
    @abstractmethod
    def approval(self, run: str, question: dict[str, Any]) -> None: ...

    def tell(self, seen: View) -> None:
        # A decision that failed says why: of an agent's steps it is the only one to fail with the run.
        nodes = seen.nodes if seen.row.kind == AGENT else without_reason(seen.nodes, seen.failure)
        for node in nodes:
            self._tell(node, "")
        if seen.silence is not None:
            self.silence(str(seen.silence))
        for delay in alike(seen.delays):
            if delay.news not in self.delays:
                self.delays.add(delay.news)
                self.delay(delay)
        for approval in seen.approvals:
            self.approval(seen.row.id, approval)

    def _tell(self, node: Node, run: str) -> None:
        """`run` is the child flow in which the task is. Of the rounds of a loop their number is told, and what waits
        or fails in them: a task of a round that has ended is forgotten, so its end could not be told.
        """
        name = run + node.key
        if node.output is None:
            self._tell_output(node, name)  # the end of it, before that of the task
        quiet = node.status == PENDING or node.word == "round" or (_ROUND in name and node.status in _QUIET_IN_ROUNDS)
        if not quiet and self._is_new(name, node):
            self.task(node, name)
        if node.output is not None:
            self._tell_output(node, name)
        for inner in node.inner:
            self._tell(inner, f"{name}/" if node.child else run)

    def _is_new(self, name: str, node: Node) -> bool:
        now = (node.status, node.attempt, node.note if node.status in UNDER_WAY else "")
        before, self.seen[name] = self.seen.get(name), now
        return now != before

    def _tell_output(self, node: Node, name: str) -> None:
        key = (name, node.attempt)
        if node.output is not None:
            fresh = self.written.setdefault(key, OutputLines()).fresh(node.output)
        elif node.status not in UNDER_WAY and key in self.written:
            fresh = self.written.pop(key).rest()
        else:
            return
        for stream, line in fresh:
            self.output(name, stream, line)


def without_reason(nodes: Iterable[Node], failure: RunFailed | None) -> Iterator[Node]:
    """The reason for which the run failed is told once, with the run."""
    for node in nodes:
        told = failure is not None and node.note and failure.reason.endswith(node.note)
        yield replace(node, note="" if told else node.note, inner=tuple(without_reason(node.inner, failure)))
