"""`make demo`, with all its violence, as a user runs it; and how it is stopped."""

import fcntl
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stack import Stack, open_directory

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 900.0  # seconds, on a machine that does much else


@pytest.fixture
def stack() -> Iterator[Stack]:
    """The demo's own; down in the end, whatever became of the demo."""
    with open_directory() as directory:
        stack = Stack(directory / "demo")
        try:
            yield stack
        finally:
            stack.down()


def demo(stack: Stack, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "examples.demo", "--data-dir", str(stack.data_dir), *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.timeout(PATIENCE + 60)
def test_the_demo_survives_three_kills_and_is_right(stack: Stack) -> None:
    shown, errors = demo(stack).communicate(timeout=PATIENCE)

    table = dict(re.findall(r"^ (\S.*?)  +(\S.*?) *$", shown.partition("counted from the records")[2], re.MULTILINE))
    assert errors == ""
    assert "Buy 2400 filters from Estuary" in shown
    assert (table["lost"], table["doubled"]) == ("0", "0")
    assert int(table["steps done"].split()[0]) >= 46
    assert table["cost"].startswith("$ 0.00")
    for name in ("the agent host", "Temporal", "the worker"):
        assert float(table[f"recovery of {name}"].removesuffix(" s")) > 0
    assert stack.processes() == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("sign", ["healthy", "kill -9"])
def test_an_interrupted_demo_leaves_nothing(stack: Stack, sign: str) -> None:
    """While its stack starts, and just after a host was killed."""
    running = demo(stack)
    assert running.stdout is not None
    lines = iter(running.stdout.readline, "")
    next(line for line in lines if sign in line)

    running.send_signal(signal.SIGINT)

    _, errors = running.communicate(timeout=120)
    assert running.returncode == 130
    assert errors.endswith("\nStopped. Nothing is left running.\n")
    assert "Traceback" not in errors
    assert stack.processes() == []


def test_a_second_demo_in_the_same_place_is_refused(stack: Stack) -> None:
    with stack.data_dir.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = demo(stack)

        _, errors = done.communicate(timeout=60)

    assert done.returncode == 1
    assert "another demo is running" in errors


def test_a_directory_that_no_demo_has_made_is_left_alone(stack: Stack) -> None:
    stack.data_dir.mkdir()
    (stack.data_dir / "letter").write_text("dear to somebody")

    _, errors = (refused := demo(stack)).communicate(timeout=60)

    assert refused.returncode == 1
    assert "was not made by a demo" in errors
    assert (stack.data_dir / "letter").exists()
