import os
from pathlib import Path

import psutil
import pytest
from resprout.runtime.stack import state
from resprout.runtime.stack.paths import StackPaths
from support.stack import Stack


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    paths = StackPaths(tmp_path)
    paths.run.mkdir()
    return paths


def test_the_lock_is_held_by_one_and_free_when_that_one_is_gone(paths: StackPaths) -> None:
    lock = state.lock_as_supervisor(paths)

    assert lock is not None
    assert state.lock_as_supervisor(paths) is None
    assert state.is_locked(paths)
    os.close(lock)
    assert not state.is_locked(paths)


def test_a_pid_that_now_belongs_to_somebody_else_is_not_taken_for_the_supervisor(paths: StackPaths) -> None:
    paths.lock.write_text("1")

    assert state.supervisor(paths) is None


def test_the_supervisor_of_a_running_stack_is_found(stack: Stack) -> None:
    found = state.supervisor(StackPaths.of(stack.data_dir))

    assert found == psutil.Process(stack.status()["pid"])
