from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from resprout.runtime.cli.stack import _Progress
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
