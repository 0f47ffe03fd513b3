"""`make demo`: a crew of agents reads the offers of six suppliers and recommends one, while its host, its worker and
Temporal are killed in the middle. Exits with 1 if anything is lost, doubled or wrong.
"""

import argparse
import asyncio
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from resprout.actors.errors import NotRunning, OutcomeUnknown, ResproutError
from resprout.memory.database import Database
from resprout.runtime import temporal
from resprout.runtime.cli.stack_view import console as wide_console
from resprout.runtime.flow_start import freeze_flow, run_input
from resprout.runtime.runs import RunRef, Runs
from resprout.runtime.settings import Settings
from resprout.runtime.speech import Listening
from resprout.workflows.interpreter.approvals import Answer
from rich.console import Console

from . import chaos, proof, records, screen
from .stage import DATA_DIR, Stage

HERE = Path(__file__).parent
RUN = "demo"
BETWEEN_LOOKS = 0.2  # seconds
LONGEST = 600.0  # seconds that the run may take, on a machine that does much else


def main() -> int:
    words = argparse.ArgumentParser(prog="make demo", description=__doc__)
    words.add_argument("--calm", action="store_true", help="nothing is killed")
    words.add_argument("--data-dir", type=Path, default=DATA_DIR, help="a directory that is the demo's own")
    given = words.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage, began = Stage(given.data_dir), time.monotonic()
    try:
        print(
            "1. Starting the stack: Postgres, Temporal, Ray, a model, a host for agents, a worker, a gateway.\n",
            flush=True,
        )
        with stage.stack():
            problems = asyncio.run(act(stage, [] if given.calm else chaos.blows()))
        print(f"\nNothing is left running. All of it took {time.monotonic() - began:.0f} s.")
        print(f"Its records stay until the next: `resprout up --data-dir {shown(stage.data_dir)}` revives the link.")
    except ResproutError as error:
        problems = [str(error)]
    except KeyboardInterrupt:
        print("\nStopped. Nothing is left running.", file=sys.stderr)
        return 130
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


async def act(stage: Stage, blows: list[chaos.Blow]) -> list[str]:
    """What went wrong, a sentence each."""
    settings, console = stage.settings(), wide_console()
    assert settings.postgres.dsn is not None
    async with await Database.open(settings.postgres.dsn.get_secret_value()) as database:
        run = await started(settings)
        console.print(
            f"\n2. Six suppliers offer filters, and a crew reads their letters. The run is {run.url}\n", soft_wrap=True
        )
        try:
            async with asyncio.timeout(LONGEST):
                await watched(stage, blows, run, database, console)
        except TimeoutError:
            return [f"the run did not end within {LONGEST:.0f} s: see {stage.data_dir}/logs."]
        output = await run.result()
        return told(await records.read(run.runs, database, run.id), blows, output, console, run)


async def started(settings: Settings) -> RunRef:
    runs = Runs(await temporal.client_of(settings), settings.temporal, Listening(settings))
    program = (HERE / "reckon.py").read_text()
    inputs = {"offers": proof.letters(), "program": program, "need": proof.NEED}
    return await runs.start(run_input(freeze_flow(HERE / "offers.flow.yaml"), inputs), RUN)


async def watched(stage: Stage, blows: list[chaos.Blow], run: RunRef, database: Database, console: Console) -> None:
    """Until it has ended. It is struck meanwhile, and its question is answered."""
    violence = chaos.Chaos(
        stage, blows, lambda: records.calls(database, run.id), lambda: records.histories(run.runs, run.id)
    )
    helping = asyncio.gather(violence.strike(), answered(run, blows))
    showing = asyncio.create_task(screen.show(run, blows, console))
    try:
        await asyncio.wait((helping, showing), return_when=asyncio.FIRST_COMPLETED)
        if helping.done():
            helping.result()
        await showing
    finally:
        helping.cancel()
        showing.cancel()
        await asyncio.gather(helping, showing, return_exceptions=True)


async def answered(run: RunRef, blows: list[chaos.Blow]) -> None:
    """The run's question to a person, after all blows: it waits, and so the run cannot end before them."""
    while True:
        if all(blow.back_at for blow in blows):
            with suppress(NotRunning, OutcomeUnknown):  # a worker or Temporal that is just coming back
                if (await run.state())["approvals"]:
                    await run.answer(Answer(decision="approve", by="the-demo", comment="the sums agree"))
                    return
        await asyncio.sleep(BETWEEN_LOOKS)


def told(
    found: records.Records, blows: list[chaos.Blow], output: dict[str, Any], console: Console, run: RunRef
) -> list[str]:
    console.print("\n3. The result:\n")
    console.print(screen.report(output))
    console.print()
    console.print(screen.table(found, blows, output))
    wrong = list(proof.mistakes(output))
    if not wrong:
        console.print("\nThe recommendation is right, by what the letters say.", style="green")
    console.print(f"The run in the Temporal UI: {run.url}", soft_wrap=True)
    return [
        *(f"lost: {one}." for one in found.lost()),
        *(f"doubled: {one}." for one in found.doubled()),
        *(f"wrong: {one}." for one in wrong),
    ]


if __name__ == "__main__":
    sys.exit(main())
