"""`resprout down` leaves no sandbox behind, and what ran in one is not lost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient
from resprout.activities.sandbox.docker.names import Labels
from support.engine import engine_api, images
from support.executions import Sleepers
from support.flow_tasks import flow_file
from support.stack import Stack, eventually, kill

__all__ = ["engine_api", "images"]

ANEW = 180.0  # seconds until one that begins anew, and sleeps for 45, has ended


@pytest.fixture
def sleepers() -> Iterator[Sleepers]:
    with Sleepers() as sleepers:
        yield sleepers


def box(nap: str, **words: Any) -> dict[str, Any]:
    code = f"echo begun; sleep {nap}; echo ended"
    words = {"limits": {"time": "5m"}, "isolation": "container", **words}
    return {"id": "box", "sandbox": {"language": "shell", "code": code, **words}}


def start(stack: Stack, folder: Path, name: str, task: dict[str, Any]) -> None:
    done = stack("run", str(flow_file(folder, [task], name=name)), "--detach", "--id", name)
    assert done.returncode == 0, done.stderr


def ended(stack: Stack, name: str) -> dict[str, Any]:
    def shown() -> dict[str, Any] | None:
        seen: dict[str, Any] = json.loads(stack("runs", "show", name, "--json").stdout)
        return seen if seen["status"] in ("completed", "failed") else None

    found: dict[str, Any] = eventually(shown, f"{name} has ended", patience=ANEW)
    return found


def containers(api: APIClient) -> set[str]:
    found = api.containers(all=True, filters={"label": f"{Labels.owner}=resprout"})
    return {one["Labels"][Labels.key] for one in found if Labels.key in one["Labels"]}


def of(names: set[str], run: str) -> bool:
    return any(f"/{run}/" in name for name in names)


@pytest.mark.timeout(600)
def test_down_ends_runs_in_containers_and_up_begins_those_anew_that_reached_nobody(
    own_stack: Stack, engine_api: APIClient, images: None, sleepers: Sleepers, tmp_path: Path
) -> None:
    own_stack.up()
    start(own_stack, tmp_path, "closed", box("45.2025"))
    start(own_stack, tmp_path, "open", box("45.2026", net=["example.org:443"]))
    eventually(lambda: {"45.2025", "45.2026"} <= sleepers.seen.keys(), "both run")

    own_stack.down()

    assert not any(of(containers(engine_api), name) for name in ("closed", "open"))
    own_stack.up()
    closed, opened = ended(own_stack, "closed"), ended(own_stack, "open")
    assert closed["result"]["stdout"] == "begun\nended\n"
    assert len(sleepers.seen["45.2025"]) == 2
    assert opened["error"]["type"] == "InDoubt"
    assert len(sleepers.seen["45.2026"]) == 1


def test_down_after_a_crash_of_the_supervisor_ends_containers_too(
    own_stack: Stack, engine_api: APIClient, images: None, sleepers: Sleepers, tmp_path: Path
) -> None:
    own_stack.up()
    start(own_stack, tmp_path, "crashed", box("60.2027"))
    eventually(lambda: "60.2027" in sleepers.seen, "it runs")
    kill(own_stack.status()["pid"])
    assert of(containers(engine_api), "crashed")

    own_stack.down()

    assert not of(containers(engine_api), "crashed")
