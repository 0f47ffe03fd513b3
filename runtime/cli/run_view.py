"""How a run looks: the tree of its tasks on a terminal, and news of it, a line each, elsewhere."""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from ..delays import Delay, alike
from ..output_lines import last_lines
from ..run_news import RunNews, without_reason
from ..run_tree import PENDING, Node
from ..run_watch import View
from ..runs import AGENT
from .hints import as_given
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


def view(seen: View, now: datetime | None = None) -> RenderableType:
    row = seen.row
    moment = now or datetime.now(UTC)
    head = Text.assemble((row.id, "bold"), f"  {row.flow}  ", (row.status, STYLES.get(row.status, "dim")))
    head.append(f"  {length(row.started_at, row.ended_at, moment)}", "dim")
    silence = [Text(str(seen.silence), "yellow")] if seen.silence else []
    nodes = tuple(without_reason(seen.nodes, seen.failure))
    delays = [Text(sentence(str(one)), "yellow") for one in alike(seen.delays)]
    questions = [_question(row.id, one) for one in seen.approvals]
    return Group(head, tasks(nodes, moment), *silence, *delays, *questions)


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


class News(RunNews):
    """Says it, a line each."""

    def __init__(self, *, err: bool) -> None:
        super().__init__()
        self.err = err
        self.told: set[str] = set()

    def task(self, node: Node, name: str) -> None:
        spent = length(node.started_at, node.ended_at, datetime.now(UTC)) if node.ended_at else ""
        called = f"{name} {plain(node.title)}" if node.is_numbered else name
        self._say("  ".join(part for part in (f"{node.status:9}", called, spent, node.note) if part))

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
        typer.echo(remedy_of(seen.failure, of_agent=seen.row.kind == AGENT), err=True)
    elif seen.row.status == "completed":
        whole = as_given(f"the whole: `resprout runs show {seen.row.id} -o FILE`")
        typer.echo(glimpse(for_stdout(text_of(output)), whole))
