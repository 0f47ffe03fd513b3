"""Tools whose effects are lines in a file, so that who counts them is not who makes them."""

import asyncio
import os
from pathlib import Path

from resprout.activities.tools.tool import ToolCall, tool

PAUSE = 0.02


async def act(call: ToolCall, file: str, line: str = "x", before: str = "", after: str = "") -> str:
    """Writes a line into a file; waits for the file `before` to exist first, and for the file `after` then."""
    await _until(before, f"{file}.intended")
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, f"{call.key} {line}\n".encode())
    os.close(descriptor)
    await _until(after, f"{file}.done")
    return f"wrote {line}"


async def _until(gate: str, here: str) -> None:
    if gate:
        Path(here).touch()
        while not Path(gate).exists():
            await asyncio.sleep(PAUSE)


safe = tool("world.safe", version="1.0.0", contract="safe-to-retry")(act)
keyed = tool("world.keyed", version="1.0.0", contract="keyed")(act)
once = tool("world.once", version="1.0.0", contract="at-most-once")(act)
guarded = tool("world.guarded", version="1.0.0", contract="at-most-once", danger="high")(act)
older = tool("world.aged", version="1.0.0", contract="keyed")(act)
newer = tool("world.aged", version="1.1.0", contract="keyed")(act)
