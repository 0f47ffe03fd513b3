import asyncio
import time
from types import SimpleNamespace

import pytest
from resprout.runtime import blocked_loop
from resprout.runtime.blocked_loop import BlockedLoop
from structlog.testing import capture_logs
from support.waiting import until


async def test_who_blocks_the_loop_is_named_once() -> None:
    with capture_logs() as logs:
        watch = BlockedLoop(blocked_after=0.3)
        await asyncio.sleep(0)
        dawdle()
        watch.stop()
        await asyncio.to_thread(watch.thread.join)

    (said,) = logs
    assert "the event loop is blocked" in said["event"]
    assert "in dawdle" in said["where"][0]


async def test_nobody_is_blamed_while_the_loop_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)  # by it the loop always answers in time, however long the machine stands still
    monkeypatch.setattr(blocked_loop, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with capture_logs() as logs:
        watch = BlockedLoop(blocked_after=0.6)
        for _ in range(4):
            clock.now += 0.5
            await until(lambda: watch.answered_at == clock.now)
        watch.stop()
        await asyncio.to_thread(watch.thread.join)

    assert logs == []


def dawdle() -> None:
    time.sleep(1.2)
