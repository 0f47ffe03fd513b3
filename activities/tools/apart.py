"""Reads what somebody else wrote with a library that may take for ever: in a process of its own that can be killed.

It is no sandbox, and no code of anybody runs in it. What it gives is an end: a document that makes its reader loop or
grow costs one process with little time and memory, and not the worker. It inherits no environment and no open file.
"""

import asyncio
import json
import os
import pickle
import resource
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .tool import ToolError

SECONDS = 20
MEMORY = 1 << 30


async def apart(function: Callable[..., Any], *given: Any, seconds: float = SECONDS, memory: int = MEMORY) -> Any:
    """What the function, one at the top of its module, gives as JSON. Raises its ToolError."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C.UTF-8"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    asked = pickle.dumps((function.__module__, function.__qualname__, given, int(seconds) + 1, memory))
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await child.communicate(asked)
    except TimeoutError:
        raise ToolError(f"it could not be read in {seconds:g} s: give a smaller part of it.") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if not answer:
        raise ToolError(f"it could not be read with {memory >> 20} MB of memory: give a smaller part of it.")
    told = json.loads(answer)
    if "error" in told:
        raise ToolError(told["error"])
    return told["value"]


def _answer() -> dict[str, Any]:
    module, name, given, seconds, memory = pickle.load(sys.stdin.buffer)
    function = getattr(import_module(module), name)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        return {"value": function(*given)}
    except ToolError as error:
        return {"error": str(error)}
    except RecursionError:
        return {"error": "it is nested too deeply to be read."}


if __name__ == "__main__":
    answered = json.dumps(_answer())
    sys.stdout.write(answered)
