"""Tools whose effects are lines in a file, so that who counts them is not who makes them; and one that tells all."""

import asyncio
import base64
import logging
import os
from pathlib import Path
from typing import Any, Literal

from resprout.activities.tools.tool import ToolCall, ToolError, tool
from resprout.actors.errors import Unavailable
from resprout.actors.logger import get_logger

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


@tool("world.tells", version="1.0.0", contract="safe-to-retry", permissions=("secrets.use",), needs=lambda _: ())
async def tells(
    call: ToolCall, key: str, how: Literal["result", "error", "defect", "unavailable"] = "result", file: str = ""
) -> dict[str, Any]:
    """Says what it was given, in each way there is, and in several forms. `unavailable` is so once, as a file tells."""
    get_logger("resprout.tests").warning("told", key=key, call={"header": [key.encode()]})
    try:
        raise LookupError(key)
    except LookupError as error:
        logging.getLogger("tests.world").exception("not found: %s", key)
        match how:
            case "error":
                raise ToolError(f"no access with {key}") from error
            case "defect":
                raise RuntimeError(f"cannot log in with {key!r}") from error
            case "unavailable" if not Path(file).exists():
                Path(file).touch()
                raise Unavailable(f"no answer to {key}") from error
    coded = [base64.b64encode(before + key.encode()).decode() for before in (b"", b"a", b"ab")]
    return {"key": key, key: "key", "coded": coded, "hex": key.encode().hex(), "large": [key] * 5_000}
