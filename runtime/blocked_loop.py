"""Says who blocks the event loop: a host that does not get to renew its lease ends, and this is why.

A thread sees to it that the loop answers; when it does not, what stands on the loop's stack is to blame.
"""

import asyncio
import sys
import threading
import time
import traceback

from ..actors.logger import get_logger

log = get_logger("resprout.host")

LOOK_EVERY = 0.25
BLOCKED_AFTER = 1.0  # seconds


class BlockedLoop:
    def __init__(self, blocked_after: float = BLOCKED_AFTER) -> None:
        self.loop = asyncio.get_running_loop()
        self.loops_thread = threading.get_ident()
        self.blocked_after = blocked_after
        self.answered_at = time.monotonic()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, name="blocked-loop", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopped.set()

    def _watch(self) -> None:
        said = False
        while not self.stopped.wait(LOOK_EVERY):
            try:
                self.loop.call_soon_threadsafe(self._answer)
            except RuntimeError:  # the loop is closed
                return
            silent = time.monotonic() - self.answered_at
            if silent < self.blocked_after:
                said = False
            elif not said:
                said = True
                log.error(
                    "the event loop is blocked, no agent of this host can work: a handler must not wait or compute "
                    "without `await` (use asyncio.sleep, asyncio.to_thread)",
                    seconds=round(silent, 1),
                    where=where(self.loops_thread),
                )

    def _answer(self) -> None:
        self.answered_at = time.monotonic()


def where(thread: int) -> list[str]:
    """The innermost calls of the thread, the innermost first."""
    frame = sys._current_frames().get(thread)
    calls = traceback.extract_stack(frame) if frame is not None else []
    return [f"{call.filename}:{call.lineno} in {call.name}" for call in reversed(calls[-5:])]
