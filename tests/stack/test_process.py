import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest
from resprout.runtime.stack.process import sweep
from support.stack import eventually


@pytest.fixture
def never_reaped() -> Iterator[psutil.Process]:
    """A process whose parent does not ask how it ended, as process 1 of many containers."""
    parent = subprocess.Popen(["sh", "-c", "sleep 1000 & echo $!; exec sleep 1000"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    eventually(lambda: psutil.Process(parent.pid).name() == "sleep", "the shell, which could reap, has made way")
    try:
        yield child
    finally:
        parent.kill()
        parent.communicate()


def test_what_is_dead_but_not_reaped_is_not_waited_for(never_reaped: psutil.Process) -> None:
    began = time.monotonic()

    assert sweep([never_reaped]) == 1

    assert never_reaped.status() == psutil.STATUS_ZOMBIE
    assert time.monotonic() - began < 9  # in vain it waits for 5 s, twice
