"""How a run looks: the tree of its tasks on a terminal, and news of it, a line each, elsewhere."""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from ...actors.errors import RunFailed
from ..delays import Delay
from ..run_tree import PENDING, UNDER_WAY, Node
from ..run_watch import View
from .hints import as_given
from .output_lines import OutputLines, last_lines
from .plain_text import for_stdout, plain, plain_text, sentence
from .results import glimpse, text_of
from .run_failure import remedy_of
from .stack_view import console

MARKS = {
    PENDING: ("·", "dim"),
    "running": ("●", "cyan"),
    "waiting": ("◔", "yellow"),
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("–", "dim"),
    "cancelled": ("⊘", "dim"),
}
STYLES = {
    "running": "cyan",
    "paused": "yellow",
    "waiting": "yellow",
    "completed": "green",
    "failed": "red",
    "terminated": "red",
    "timed-out": "red",
}
MOST_ALIKE = 8  # neighbours that have nothing to tell apart
SHOWN_OF_THEM = 2  # at each end
_ROUND = "["  # in the key of a task, before the number of its round
_QUIET_IN_ROUNDS = ("running", "completed", "skipped")


def view(seen: View, now: datetime | None = None) -> RenderableType:
    row = seen.row
    moment = now or datetime.now(UTC)
    head = Text.assemble((row.id, "bold"), f"  {row.flow}  ", (row.status, STYLES.get(row.status, "dim")))
    head.append(f"  {length(row.started_at, row.ended_at, moment)}", "dim")
    silence = [Text(str(seen.silence), "yellow")] if seen.silence else []
    nodes = tuple(without_reason(seen.nodes, seen.failure))
    delays = [Text(sentence(str(one)), "yellow") for one in seen.delays]
    questions = [_question(row.id, one) for one in seen.approvals]
    return Group(head, tasks(nodes, moment), *silence, *delays, *questions)


def without_reason(nodes: Iterable[Node], failure: RunFailed | None) -> Iterator[Node]:
    """The reason for which the run failed is told once, with the run."""
    for node in nodes:
        told = failure is not None and node.note and failure.reason.endswith(node.note)
        yield replace(node, note="" if told else node.note, inner=tuple(without_reason(node.inner, failure)))


def tasks(nodes: Sequence[Node], now: datetime) -> Table:
    table = Table(Column("task", overflow="fold"), "time", "attempt", Column("note", overflow="fold"), box=None)
    for text, node in _lines(nodes, ""):
        if node is None:
            table.add_row(Text(text, "dim"), "", "", "")
            continue
        mark, style = MARKS.get(node.status, ("?", "dim"))
        spent = length(node.started_at, node.ended_at, now) if node.word != "round" else ""
        attempt = str(node.attempt) if node.attempt > 1 else ""
        linked = f"run {node.child}" if node.child else ""
        note = "  ".join(part for part in (sentence(node.note), linked) if part)
        table.add_row(Text.assemble(text, (f"{mark} ", style), plain(node.title)), spent, attempt, Text(note, "dim"))
        for line in last_lines(node):
            table.add_row(Text(f"{text}  │ {line}", "dim", overflow="ellipsis", no_wrap=True), "", "", "")
    return table


def _lines(nodes: Sequence[Node], indent: str) -> Iterator[tuple[str, Node | None]]:
    """Rows from the top; None stands for several that are left out."""
    for group in _alike(nodes):
        if len(group) > MOST_ALIKE:
            left_out = len(group) - 2 * SHOWN_OF_THEM
            for node in group[:SHOWN_OF_THEM]:
                yield indent, node
            yield f"{indent}… {left_out:,} more {group[0].status}", None
            for node in group[-SHOWN_OF_THEM:]:
                yield indent, node
        else:
            for node in group:
                yield indent, node
                yield from _lines(node.inner, f"{indent}  ")


def _alike(nodes: Iterable[Node]) -> Iterator[list[Node]]:
    """Neighbours with one status, where they are quiet and without anything inside; others alone."""
    group: list[Node] = []
    for node in nodes:
        quiet = node.status in (PENDING, "completed", "skipped") and not node.inner
        if group and (not quiet or node.status != group[-1].status or group[-1].inner):
            yield group
            group = []
        group.append(node)
        if not quiet:
            yield group
            group = []
    if group:
        yield group


def _question(run: str, approval: dict[str, object]) -> Text:
    """With what answers it: a doubt is no yes or no."""
    if approval["kind"] == "in-doubt":
        which = shlex.quote(str(approval["effect"]))
        said = f"{approval['title']} waits for what became of it: `resprout effects show {which}`"
    else:
        which = shlex.join([run, str(approval["task"])])
        said = f"{approval['title']} waits for an answer: `resprout runs approve {which}`"
    return Text(sentence(said), "yellow")


def length(start: datetime | None, end: datetime | None, now: datetime) -> str:
    if start is None:
        return ""
    seconds = ((end or now) - start).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h" if days else f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


class News:
    """Says what has changed since the last look, a line each."""

    def __init__(self, *, err: bool) -> None:
        self.err = err
        self.told: set[str] = set()
        self.seen: dict[str, tuple[str, int, str]] = {}  # the tasks, by name
        self.written: dict[tuple[str, int], OutputLines] = {}  # by the name of a task and its attempt

    def tell(self, seen: View) -> None:
        for node in without_reason(seen.nodes, seen.failure):
            self._tell(node, "")
        if seen.silence is not None:
            self.silence(str(seen.silence))
        for delay in seen.delays:
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

    def task(self, node: Node, name: str) -> None:
        spent = length(node.started_at, node.ended_at, datetime.now(UTC)) if node.ended_at else ""
        self._say("  ".join(part for part in (f"{node.status:9}", name, spent, node.note) if part))

    def output(self, name: str, stream: str, line: str) -> None:
        typer.echo(f"{name} │ {line}", err=self.err)

    def silence(self, text: str) -> None:
        self._say(text)

    def delay(self, delay: Delay) -> None:
        self._say(str(delay))

    def approval(self, run: str, question: dict[str, Any]) -> None:
        self._say(_question(run, question).plain)

    def _say(self, line: str) -> None:
        if line not in self.told:
            self.told.add(line)
            typer.echo(sentence(line), err=self.err)


def print_view(seen: View, inputs: dict[str, Any]) -> None:
    wide = console()
    wide.print(view(seen))
    row = seen.row
    facts = {"version": row.version, "tenant": row.tenant, "tags": " ".join(row.tags), "child flow of": row.parent}
    whole = as_given(f"the whole: `resprout runs show {row.id} --json`")
    facts["inputs"] = glimpse(plain_text(json.dumps(inputs, ensure_ascii=False)), whole) if inputs else None
    told = "  ".join(f"{name} {value}" for name, value in facts.items() if value)
    wide.print(told, style="dim", soft_wrap=True, markup=False, highlight=False)


def print_end(seen: View, output: Any) -> None:
    if seen.failure is not None:
        typer.secho(sentence(str(seen.failure)), fg="red", err=True)
        typer.echo(remedy_of(seen.failure), err=True)
    elif seen.row.status == "completed":
        whole = as_given(f"the whole: `resprout runs show {seen.row.id} -o FILE`")
        typer.echo(glimpse(for_stdout(text_of(output)), whole))
