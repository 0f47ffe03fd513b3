"""What is run in bounded processes to see that they are bounded."""

import os
import signal
from typing import Any

from resprout.activities.tools.bounded.process import Refused


def echo(*arguments: Any) -> list[Any]:
    return list(arguments)


def refuse() -> None:
    raise Refused("no, because of this")


def spin() -> None:
    while True:
        pass


def fill_memory() -> int:
    return len(b"x" * (1 << 40))


def answer_at_length() -> str:
    return "x" * (9 << 20)


def nest() -> Any:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


def give_no_number() -> float:
    return float("nan")


def end_the_process() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def try_to_get_out(path: str) -> dict[str, Any]:
    return {"environment": sorted(os.environ), "wrote": _writes(path), "forked": _forks()}


def _writes(path: str) -> bool:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with open(path, "w") as file:  # noqa: PTH123 - a bare open, as an attacker has it
            file.write("x")
    except OSError:
        return False
    return True


def _forks() -> bool:
    try:
        child = os.fork()
    except OSError:
        return False
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True
