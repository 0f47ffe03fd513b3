"""What the type checker says to a developer, before anything runs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
from resprout.actors.agent import Agent, on
from resprout.actors.message import Message
from resprout.runtime.client import Client


class Add(Message, name="typed.add"):
    amount: int


class Other(Message, name="typed.other"):
    pass


class Total(Message, name="typed.total"):
    total: int


class Counter(Agent, kind="typed-counter"):
    total: int = 0

    @on
    async def add(self, message: Add) -> Total:
        return Total(total=self.total)


async def use(client: Client) -> None:
    reply = await client.of(Counter, "a").add(Add(amount=1))
    print(reply.total)
"""


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", None),
        ('    await client.of(Counter, "a").nothing(Add(amount=1))', '"Counter" has no attribute "nothing"'),
        ('    await client.of(Counter, "a").add(Other())', 'has incompatible type "Other"; expected "Add"'),
        ("    print(reply.amount)", '"Total" has no attribute "amount"'),
    ],
)
def test_the_checker_knows_what_an_agent_handles(tmp_path: Path, line: str, error: str | None) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"{PROGRAM}{line}\n")

    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    if error is None:
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert done.returncode == 1, done.stdout + done.stderr
        assert error in done.stdout
