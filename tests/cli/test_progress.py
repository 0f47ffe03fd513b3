import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from resprout.actors.errors import StackError
from resprout.runtime.cli.stack import _healthy_again, _Progress
from resprout.runtime.stack import state
from resprout.runtime.stack.paths import StackPaths
from resprout.runtime.stack.service import Service
from resprout.runtime.stack.state import Phase, ServiceState, StackState, Status
from rich.console import Console


def stack(phase: Phase, **services: Status) -> StackState:
    return StackState(
        pid=1,
        data_dir=Path("/data"),
        version="1",
        phase=phase,
        started_at=datetime.now(UTC),
        services=[ServiceState(name=name, status=status) for name, status in services.items()],
        settings={},
        ports={},
    )


def test_services_that_became_healthy_together_with_the_stack_are_told_once() -> None:
    said = StringIO()

    with _Progress(Console(file=said)) as show:
        show(stack("starting", postgres="healthy", worker="starting"))
        for _ in range(2):
            show(stack("running", postgres="healthy", worker="healthy"))

    progress, table = said.getvalue().split("service", 1)
    assert progress.splitlines()[:2] == ["postgres: healthy", "worker: healthy"]
    assert table.count("worker") == 1


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[StackPaths]:
    """The files of a stack whose supervisor we are."""
    paths = StackPaths.of(tmp_path / "data")
    paths.create()
    lock = state.lock_as_supervisor(paths)
    assert lock is not None
    yield paths
    os.close(lock)
    paths.remove_sockets()


def test_up_on_an_ill_stack_returns_when_it_is_well(kept: StackPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    courses = iter([stack("running", worker="restarting"), stack("running", worker="healthy")])
    monkeypatch.setattr(time, "sleep", lambda _: state.write(kept, next(courses)))

    assert _healthy_again(kept, stack("running", worker="unhealthy")).healthy
    assert next(courses, None) is None


def test_up_on_a_stack_that_stays_ill_names_what_is_ill(kept: StackPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Service, "patience", timedelta(0))

    with pytest.raises(StackError, match="worker unhealthy"):
        _healthy_again(kept, stack("running", postgres="healthy", worker="unhealthy"))
