import urllib.request

import pytest
from support.stack import Stack, is_listening

SERVICES = {"postgres", "temporal", "ray", "model-server", "hosts", "worker", "gateway"}


def test_status_shows_every_service_with_endpoint_pid_uptime_restarts_and_version(stack: Stack) -> None:
    report = stack.status()

    assert report["healthy"] is True
    assert {service["name"] for service in report["services"]} == SERVICES
    for service in report["services"]:
        assert service["status"] == "healthy"
        assert service["pid"] > 0
        assert service["uptime_seconds"] >= 0
        assert service["restarts"] >= 0
        assert service["version"]
    for name, port in report["ports"].items():
        assert is_listening(port), name


def test_status_as_a_table_names_every_service(stack: Stack) -> None:
    done = stack("status")

    assert done.returncode == 0
    assert all(name in done.stdout for name in SERVICES)
    assert stack.gateway() in done.stdout


def test_the_secrets_of_the_stack_are_in_no_status(stack: Stack) -> None:
    token = (stack.data_dir / "run" / "ray-token").read_text()

    for words in (["status"], ["status", "--json"], ["config", "show"], ["logs", "-n", "1000"]):
        assert token not in stack(*words).stdout


def test_a_second_up_says_that_it_is_up_already(stack: Stack) -> None:
    before = stack.status()

    for words in (["up"], ["up", "--detach"]):
        done = stack(*words)
        assert done.returncode == 0
        assert "already up" in done.stdout
    assert stack.status()["pid"] == before["pid"]


def test_logs_show_each_service_and_refuse_an_unknown_one(stack: Stack) -> None:
    everything = stack("logs")
    one = stack("logs", "worker", "-n", "5")
    unknown = stack("logs", "nobody")

    assert "postgres  |" in everything.stdout
    assert '"service": "worker"' in one.stdout
    assert len(one.stdout.splitlines()) <= 5
    assert unknown.returncode == 2
    assert "worker" in unknown.stderr


def test_every_process_of_ours_serves_metrics_with_our_prefix(stack: Stack) -> None:
    host = stack.service("hosts")["instances"][0]["metrics"]
    worker = stack.service("worker")["metrics"]

    for url in (host, worker, f"{stack.gateway()}/metrics"):
        with urllib.request.urlopen(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        names = {line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")}
        assert "resprout_build_info" in names
        assert "resprout_process_resident_memory_bytes" in names
        assert [name for name in names if not name.startswith("resprout_")] == []


def test_doctor_finds_nothing_to_mend_beside_a_running_stack(stack: Stack) -> None:
    done = stack("doctor")

    assert done.returncode == 0, done.stdout
    assert "used by this stack" in done.stdout


@pytest.mark.parametrize(("command", "code"), [("status", 3), ("down", 0), ("logs", 2)])
def test_without_a_stack_each_command_says_so(own_stack: Stack, command: str, code: int) -> None:
    done = own_stack(command)

    assert done.returncode == code
    assert str(own_stack.data_dir) in done.stdout + done.stderr


def test_a_run_without_a_stack_says_how_to_start_one(own_stack: Stack) -> None:
    done = own_stack("run", "hello")

    assert done.returncode == 3
    assert "resprout up" in done.stderr


def test_a_connection_to_ray_says_nothing_about_signals(stack: Stack) -> None:
    asked = stack("agent", "ask", "greeter/quiet", "greeter.greet", "-i", "name=ada")

    assert asked.returncode == 0, asked.stderr
    logs = stack("logs", "-n", "1000").stdout
    assert "SIGTERM handler" not in asked.stderr + logs
