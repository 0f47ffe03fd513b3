"""What a process hears of us that only uses the library: nothing, unless it wants to."""

import subprocess
import sys

import pytest

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
