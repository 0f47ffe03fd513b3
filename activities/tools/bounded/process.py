"""Work that might never end, or take all memory, done in a process of its own that is killed for it.

Templates, queries, schemas and the like are small programs that somebody else wrote. They cannot reach anything (each
is given a language without effects), but the shortest of them can keep a processor busy for a year. So they run in a
child with limits that the kernel holds: processor time, memory, no files to write, no processes to start, and an empty
environment. It costs 50 to 170 ms of a processor (CEL 400: what its library imports), if what runs
there imports nothing of ours but this module.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

MB = 1 << 20
SECONDS = 2  # of processor time
MEMORY = 512 * MB
MOST_RESULT = 8 * MB


class Refused(Exception):
    """What was given cannot be done; the sentence says why. The only exception that a bounded function raises."""


def bounded(function: Callable[..., Any], *arguments: Any, seconds: int = SECONDS, memory: int = MEMORY) -> Any:
    """What `function`, one of a module in this folder, gives for these arguments: JSON in, JSON out. Raises Refused."""
    order = {"module": function.__module__, "name": function.__name__, "arguments": arguments}
    limits = {"seconds": seconds, "memory": memory}
    program = f"from {__name__} import serve; serve()"
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program],
            input=json.dumps({**order, **limits}).encode(),
            capture_output=True,
            env=_environment(),
            cwd="/",
            timeout=seconds * 10 + 10,  # by the clock: on a busy machine, more than its processor time
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(_too_long(seconds)) from None
    return _answer(done, seconds, memory)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TZ", "TZDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"}


def _answer(done: subprocess.CompletedProcess[bytes], seconds: int, memory: int) -> Any:
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise Refused(_too_long(seconds))
    if done.returncode != 0:
        end = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise Refused(f"it ended its process ({end[:200] or f'exit code {done.returncode}'}): give it less to do.")
    answer = json.loads(done.stdout)
    if answer.get("memory"):
        raise Refused(f"it would take more than {memory // MB} MB of memory: give it less to do.")
    if "refused" in answer:
        raise Refused(answer["refused"])
    return answer["result"]


def _too_long(seconds: int) -> str:
    return f"it took longer than {seconds} s of processor time: give it less to do."


def serve() -> None:
    """The child's whole life."""
    order = json.loads(sys.stdin.buffer.read())
    function = getattr(import_module(order["module"]), order["name"])
    _limit(order["seconds"], order["memory"])
    try:
        answer = json.dumps({"result": function(*order["arguments"])}, allow_nan=False)
        if len(answer) > MOST_RESULT:
            answer = json.dumps({"refused": f"the result is larger than {MOST_RESULT // MB} MB: ask for less of it."})
    except Refused as refused:
        answer = json.dumps({"refused": str(refused)})
    except RecursionError:
        answer = json.dumps({"refused": "it is nested too deep: flatten it."})
    except ValueError as error:
        answer = json.dumps({"refused": f"it has no result that can be written as JSON ({error})."})
    except MemoryError:
        answer = '{"memory": true}'
    sys.stdout.write(answer)


def _limit(seconds: int, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    for none in (resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
        resource.setrlimit(none, (0, 0))
