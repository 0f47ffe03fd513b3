import asyncio
import time

from resprout.runtime.blocked_loop import BlockedLoop
from structlog.testing import capture_logs


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


async def test_nobody_is_blamed_while_the_loop_answers() -> None:
    with capture_logs() as logs:
        watch = BlockedLoop(blocked_after=0.6)
        for _ in range(100):
            await asyncio.sleep(0.01)
        watch.stop()

    assert logs == []


def dawdle() -> None:
    time.sleep(1.2)
