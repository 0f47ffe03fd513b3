"""The supervisor alone, keeping a service made for the test."""

import asyncio
import errno
from datetime import timedelta
from pathlib import Path

import pytest
from resprout.actors.errors import StackError
from resprout.runtime.stack import supervisor as module
from resprout.runtime.stack.paths import StackPaths
from resprout.runtime.stack.plan import Plan
from resprout.runtime.stack.process import Command
from resprout.runtime.stack.service import Service, Unwell
from resprout.runtime.stack.state import StackState
from resprout.runtime.stack.supervisor import Supervisor


class Sleeper(Service):
    name = "sleeper"
    patience = timedelta(seconds=0.1)

    def __init__(self, paths: StackPaths, *, well: bool) -> None:
        super().__init__(paths, endpoint=None, version="1")
        self.well = well

    def command(self) -> Command:
        return Command(["sleep", "1000"])

    async def probe(self) -> None:
        if not self.well:
            raise Unwell("asleep")


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    paths = StackPaths(tmp_path)
    paths.logs.mkdir()
    return paths


async def test_a_service_that_never_becomes_healthy_fails_the_start_however_long_it_lived(
    paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GOOD_LIFE", timedelta())
    supervisor = Supervisor(Plan(paths, [Sleeper(paths, well=False)]), lambda _: None)

    with pytest.raises(StackError, match=r"sleeper does not start \(not healthy after 0 s: asleep"):
        await asyncio.wait_for(supervisor.run(), 30)


async def test_a_disk_that_is_full_for_a_while_ends_nothing_and_the_state_is_written_later(
    paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOUSEKEEPING", timedelta(seconds=0.1))
    written: list[StackState] = []
    is_full, told = True, asyncio.Event()

    def write(state: StackState) -> None:
        if is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(state.model_copy(deep=True))
        told.set()

    supervisor = Supervisor(Plan(paths, [Sleeper(paths, well=True)]), write)
    running = asyncio.create_task(supervisor.run())
    await asyncio.wait_for(supervisor.healthy_once["sleeper"].wait(), 30)
    is_full = False

    await asyncio.wait_for(told.wait(), 30)
    assert written[-1].service("sleeper").status == "healthy"
    supervisor.stop()
    await asyncio.wait_for(running, 30)
    assert written[-1].phase == "stopped"
