"""What the type checker says to a developer, before anything runs."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.typed_program import PROGRAM

ROOT = Path(__file__).resolve().parents[2]

BLOCKING = """
from datetime import timedelta
from uuid import UUID


with Client.in_thread(tenant="acme") as blocking:
    total: Total = blocking.of(Counter, "a").ask(Counter.add, Add(amount=1))
    anything = blocking.of(Counter, "a").add(Add(amount=1))
    answer: Message | None = blocking.agent("typed-counter/a").ask(Add(amount=1), timeout=timedelta(seconds=5))
    same: Message | None = blocking.ask("typed-counter/a", Add(amount=1), priority="high")
    told: UUID = blocking.tell("typed-counter/a", Add(amount=1), id=UUID(int=1))
    sent: UUID = blocking.publish("news", Add(amount=1), again=False)
    stopped: bool = blocking.stop("typed-counter/a")
    run = blocking.run("a.flow.yaml", {"name": "ada"}, wait=False)
    job = blocking.submit(Add(amount=1), agent="typed-counter/a", retries=1)
    ids: list[str] = [run.id, job.id, *(row.id for row in blocking.runs().list("", limit=5))]
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
    checks(tmp_path, f"{PROGRAM}{line}\n", error)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", None),
        ('    blocking.of(Counter, "a").ask(Counter.add, Other())', 'expected "Callable[[Counter, Other]'),
        ('    blocking.of(Counter, "a").ask(Counter.add, Add(amount=1)).amount', '"Total" has no attribute "amount"'),
        ('    blocking.ask("typed-counter/a", {"amount": 1})', 'expected "Message"'),
        ('    blocking.tell("typed-counter/a", Add(amount=1), patience=1)', 'Unexpected keyword argument "patience"'),
        ('    blocking.nothing("typed-counter/a")', '"BlockingClient" has no attribute "nothing"'),
        ("    run.nothing()", '"BlockingRun" has no attribute "nothing"'),
        ('    stopped = blocking.agent("typed-counter/a").tell(Add(amount=1))', "Incompatible types in assignment"),
    ],
)
def test_the_checker_knows_what_the_blocking_client_takes(tmp_path: Path, line: str, error: str | None) -> None:
    checks(tmp_path, f"{PROGRAM}{BLOCKING}{line}\n", error)


def checks(tmp_path: Path, text: str, error: str | None) -> None:
    program = tmp_path / "program.py"
    program.write_text(text)

    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    if error is None:
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert done.returncode == 1, done.stdout + done.stderr
        assert error in done.stdout
