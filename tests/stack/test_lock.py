import fcntl
import os
from pathlib import Path

import psutil
import pytest
from resprout.actors.errors import StackError
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


def test_whoever_looks_at_the_lock_leaves_no_trace_and_is_not_taken_for_a_supervisor(paths: StackPaths) -> None:
    assert not state.is_locked(paths)
    assert not paths.lock.exists()

    paths.lock.touch()
    with paths.lock.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not state.is_locked(paths)


def test_a_lock_that_cannot_be_opened_is_refused_and_not_taken_for_a_running_stack(paths: StackPaths) -> None:
    paths.lock.symlink_to(paths.lock)

    with pytest.raises(StackError, match="cannot be read: Too many levels of symbolic links"):
        state.is_locked(paths)
    with pytest.raises(StackError, match="cannot be locked"):
        state.lock_as_supervisor(paths)


def test_a_pid_that_now_belongs_to_somebody_else_is_not_taken_for_the_supervisor(paths: StackPaths) -> None:
    paths.lock.write_text("1")

    assert state.supervisor(paths) is None


def test_the_supervisor_of_a_running_stack_is_found(stack: Stack) -> None:
    found = state.supervisor(StackPaths.of(stack.data_dir))

    assert found == psutil.Process(stack.status()["pid"])
