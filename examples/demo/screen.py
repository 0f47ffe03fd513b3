"""What the demo shows: the run as a tree, with the blows beneath it; and in the end what came of it."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

from resprout.actors.errors import ResproutError
from resprout.runtime.cli.run_view import News, view
from resprout.runtime.run_watch import View, Watch
from resprout.runtime.runs import RunRef
from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from .chaos import Blow
from .proof import words_of_the_model
from .records import Records

BETWEEN_LOOKS = 0.25  # seconds


async def show(run: RunRef, blows: Sequence[Blow], console: Console) -> View:
    """Until the run has ended. While Temporal is away, the last picture stays."""
    watch, news, told = Watch(run.runs), News(err=False), set[str]()
    live = Live(console=console, refresh_per_second=8, vertical_overflow="ellipsis") if console.is_terminal else None
    seen: View | None = None
    with live or nullcontext():
        while True:
            with suppress(ResproutError):
                seen = await watch.look(run)
            if live is not None and seen is not None:
                live.update(Group(view(seen), Text(), *map(line, blows)))
            elif seen is not None:
                news.tell(seen)
                told |= _tell(blows, console, told)
            if seen is not None and not seen.row.is_open:
                return seen
            await asyncio.sleep(BETWEEN_LOOKS)


def _tell(blows: Sequence[Blow], console: Console, told: set[str]) -> set[str]:
    fresh = {line(blow).plain for blow in blows if blow.struck_at is not None} - told
    for words in sorted(fresh):
        console.print(words)
    return fresh


def line(blow: Blow) -> Text:
    if blow.struck_at is None:
        return Text(f"  kill -9 {blow.name}, once the model has read {blow.after} of the letters", "dim")
    said = Text.assemble(("  kill -9 ", "bold red"), f"{blow.pid}  {blow.name}, in the middle of the work  ")
    return (
        said.append("down", "red") if blow.seconds is None else said.append(f"back after {blow.seconds:.1f} s", "green")
    )


def report(output: dict[str, Any]) -> RenderableType:
    return Constrain(Markdown(output["report"] or ""), 90)


def table(records: Records, blows: Sequence[Blow], output: dict[str, Any]) -> Table:
    shown = Table("counted from the records", "", box=None, header_style="bold")
    lost, doubled = len(records.lost()), len(records.doubled())
    right, asked = words_of_the_model(output)
    read, written, cut_off = records.tokens()
    dollars = records.dollars()
    shown.add_row("steps done", f"{records.steps()} in {len(records.histories)} workflows")
    shown.add_row("lost", str(lost), style="red" if lost else "green")
    shown.add_row("doubled", str(doubled), style="red" if doubled else "green")
    shown.add_row("in flight at a kill, done again", str(records.in_flight()))
    shown.add_row(
        "tokens", f"{read:,} read, {written:,} written" + (f"; cut off: at most {cut_off:,}" if cut_off else "")
    )
    shown.add_row("cost", "not known" if dollars is None else f"$ {dollars:.2f}: the model is a bundled one")
    shown.add_row("the model's answers", f"{right} of {asked} right; {asked - right} mended by the checks")
    for blow in blows:
        shown.add_row(f"recovery of {blow.name}", f"{blow.seconds:.1f} s" if blow.seconds is not None else "none")
    return shown
