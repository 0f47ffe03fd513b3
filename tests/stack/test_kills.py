"""Kill -9 of every process of a stack: each comes back by itself, and nothing that was accepted is lost."""

import json
import time
from functools import partial
from uuid import uuid4

import psutil
import pytest
from resprout.runtime.stack.supervisor import FAILED_PROBES_BEFORE_RESTART, PROBES
from support.stack import Stack, eventually, is_listening, kill, kill_all


@pytest.mark.parametrize("name", ["postgres", "temporal", "ray", "model-server", "hosts", "worker", "gateway"])
def test_a_killed_service_comes_back_healthy_and_works(stack: Stack, name: str) -> None:
    key = f"kill-{name}-{uuid4().hex[:6]}"
    stack.hello(name=key)
    before = stack.service(name)

    kill(before["pid"])

    eventually(lambda: stack.service(name)["restarts"] > before["restarts"], f"{name} was started again")
    stack.wait_healthy()
    assert stack.pid(name) != before["pid"]
    assert stack.hello(name=key)["times"] == 2


def test_up_on_a_stack_that_is_not_well_returns_when_it_is(stack: Stack) -> None:
    kill(stack.pid("temporal"))

    stack.up()

    assert stack.status()["healthy"]


def test_a_killed_host_process_is_started_again_by_ray(stack: Stack) -> None:
    before = stack.host_pid()

    kill(before)

    stack.wait_for_another_host(than=before)
    assert stack.hello(name="after-the-host")["times"] >= 1


def test_a_stopped_host_process_is_replaced(stack: Stack) -> None:
    before = stack.host_pid()

    psutil.Process(before).suspend()

    stack.wait_for_another_host(than=before)
    stack.wait_healthy()


def test_hosts_that_die_with_postgres_are_started_again_by_ray_while_their_service_stays(own_stack: Stack) -> None:
    own_stack.env["RESPROUT_HOSTS_COUNT"] = "2"
    own_stack.up()
    service, before = own_stack.pid("hosts"), set(own_stack.host_pids())

    postgres, began = own_stack.pid("postgres"), time.monotonic()
    for pid in (*before, postgres):
        kill(pid)

    eventually(lambda: len(set(own_stack.host_pids()) - before) == 2, "both hosts are others")
    # A service that was unwell for so long is started anew by the supervisor, as it should be.
    patience = PROBES.total_seconds() * (FAILED_PROBES_BEFORE_RESTART - 1)
    own_stack.wait_healthy()
    assert own_stack.pid("hosts") == service or time.monotonic() - began > patience


def test_a_run_finishes_although_host_and_worker_are_killed_in_the_middle(stack: Stack) -> None:
    key = f"middle-{uuid4().hex[:6]}"
    run = stack.start_hello(name=key, think_seconds=5)
    activities = ["workflow", "list", "--query", "ExecutionStatus='Running'", "-o", "json"]
    going_on = partial(stack.temporal, *activities)
    eventually(lambda: json.loads(going_on().stdout or "[]") or run.poll() is not None, "the run is going on")

    kill(stack.host_pid())
    kill(stack.pid("worker"))

    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0
    assert json.loads(output)["result"] == {"greeting": f"Hello {key}!", "times": 1}
    stack.wait_healthy()
    assert stack.hello(name=key)["times"] == 2


def test_when_everything_is_killed_nothing_is_left_and_a_second_up_goes_on(own_stack: Stack) -> None:
    own_stack.up()
    assert own_stack.hello(name="ada")["times"] == 1
    ports = own_stack.listening()
    assert ports
    own_stack.temporal(
        "workflow", "start", "--type", "hello", "--task-queue", "resprout", "--workflow-id", "left-behind",
        "--input", '{"name": "ada", "think_seconds": 3}',
    )  # fmt: skip

    kill(own_stack.status()["pid"])

    eventually(lambda: not own_stack.processes(), "no process is left")
    assert [port for port in ports if is_listening(port)] == []
    own_stack.up()
    result = own_stack.temporal("workflow", "result", "--workflow-id", "left-behind", "-o", "json")
    assert json.loads(result.stdout)["result"]["times"] == 2
    assert own_stack.hello(name="ada")["times"] == 3


def test_what_a_killed_supervisor_left_is_ended_by_down(own_stack: Stack) -> None:
    own_stack.up()
    kill_all([psutil.Process(own_stack.status()["pid"]), *own_stack.processes()])

    own_stack.down()

    eventually(lambda: not own_stack.processes(), "no process is left")


def test_down_leaves_no_process_and_no_port(own_stack: Stack) -> None:
    own_stack.up()
    ports = own_stack.listening()
    assert len(ports) == 5

    assert own_stack.down().returncode == 0

    assert own_stack.processes() == []
    assert [port for port in ports if is_listening(port)] == []


def test_two_stacks_stand_side_by_side(stack: Stack, own_stack: Stack) -> None:
    own_stack.up()

    assert set(own_stack.listening()).isdisjoint(stack.listening())
    assert own_stack.hello(name="neighbour")["times"] == 1
    assert own_stack.status()["ports"].keys() == stack.status()["ports"].keys()


# A module that no process of a stack has ever imported: the stack starts until somebody stops it.
ENDLESS = """
import os
import signal

if "RESPROUT_STACK" in os.environ:
    signal.pause()
"""


def test_a_stack_that_is_stopped_while_it_starts_says_so_and_leaves_nothing(own_stack: Stack) -> None:
    (own_stack.data_dir.parent / "endless.py").write_text(ENDLESS)
    own_stack.env |= {"RESPROUT_AGENTS_MODULES": "endless", "RESPROUT_AGENTS_PATH": str(own_stack.data_dir.parent)}
    up = own_stack.start("up", "--detach")
    eventually(lambda: own_stack.status()["services"], "the stack is starting")

    assert own_stack.down().returncode == 0

    _, said = up.communicate(timeout=60)
    assert up.returncode == 2
    assert "stopped while it was starting" in said
    assert own_stack.processes() == []


def test_of_two_ups_at_once_one_starts_the_stack_and_none_harms_it(own_stack: Stack) -> None:
    rivals = [own_stack.start("up", "--detach") for _ in range(2)]

    said = [rival.communicate(timeout=120) for rival in rivals]

    assert 0 in [rival.returncode for rival in rivals], said
    assert "Traceback" not in str(said)
    own_stack.wait_healthy()
    assert own_stack.hello(name="ada")["times"] == 1
