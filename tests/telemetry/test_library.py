"""What a process hears of us that only uses the library: nothing, unless it wants to."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SAYS = """
from resprout.actors.logger import get_logger

log = get_logger("resprout.calls")
log.debug("host is gone", host="a")
log.warning("no host answers", hosts=3)
try:
    raise ValueError("broken")
except ValueError:
    log.exception("failed", message="m")
"""


def script(configured: str) -> "subprocess.CompletedProcess[str]":
    # Our own logger is imported before the application says how it logs, as in most programs.
    program = f"import resprout.runtime.client\n{configured}\n{SAYS}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)


def test_a_script_that_configured_no_logging_hears_nothing() -> None:
    done = script("")

    assert (done.stdout, done.stderr) == ("", "")


def test_a_script_that_configured_the_standard_librarys_logging_hears_us_there() -> None:
    done = script("import logging; logging.basicConfig(level=logging.INFO)")

    assert done.stdout == ""
    assert "WARNING:resprout.calls:no host answers hosts=3" in done.stderr
    assert "ERROR:resprout.calls:failed message='m'\nTraceback" in done.stderr
    assert "host is gone" not in done.stderr


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_script_that_configured_structlog_hears_us_there(when: str) -> None:
    configure = "import sys, structlog; structlog.configure(processors=[structlog.processors.JSONRenderer()])"
    first = "get_logger('resprout.calls').debug('early')" if when == "after" else ""

    done = script(f"from resprout.actors.logger import get_logger\n{first}\n{configure}")

    assert '{"hosts": 3, "event": "no host answers"}' in done.stdout
    assert "early" not in done.stdout


def test_no_module_of_ours_logs_past_that_logger() -> None:
    rooms = [path for room in ("actors", "memory", "activities", "runtime") for path in (ROOT / room).rglob("*.py")]

    loud = [path for path in rooms if "structlog.get_logger" in path.read_text()]

    assert [path.relative_to(ROOT).as_posix() for path in loud] == ["actors/logger.py"]
