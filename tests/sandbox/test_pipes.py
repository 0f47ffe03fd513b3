"""How a program in a container ended is known, or is said not to be."""

from asyncio import StreamReader, StreamWriter
from typing import Any, cast

import pytest
from resprout.activities.sandbox.backend import NoSandbox
from resprout.activities.sandbox.docker import pipes
from resprout.activities.sandbox.docker.engine import Engine
from resprout.activities.sandbox.docker.pipes import Pipe

RUNS, ENDED = {"Running": True, "ExitCode": None}, {"Running": False, "ExitCode": 44}


class Answers:
    """An engine that knows of the end a little later than the output ends: with a real one, once in thousands."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)

    async def call(self, request: Any) -> dict[str, Any]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def pipe(*answers: dict[str, Any]) -> Pipe:
    return Pipe(cast("Engine", Answers(*answers)), "id", cast("StreamReader", None), cast("StreamWriter", None))


async def test_a_program_that_is_still_said_to_run_is_asked_for_again() -> None:
    assert await pipe(RUNS, RUNS, ENDED).code() == 44


async def test_a_program_of_which_no_end_is_told_has_not_succeeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "_ASKED", 3)

    with pytest.raises(NoSandbox, match="does not say how a program ended"):
        await pipe(RUNS).code()
