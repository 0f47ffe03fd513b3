import json
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest
from resprout.runtime.doctor.disk import blocked_directory
from support.stack import resprout


def findings(*words: str, env: dict[str, str] | None = None) -> tuple[int, dict[str, dict[str, str]]]:
    done = resprout("doctor", "--json", *words, env=env)
    return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_this_machine_can_run_a_stack() -> None:
    code, found = findings()

    assert code == 0, found
    assert {"python", "packages", "kernel", "user namespaces", "docker", "disk", "clock", "postgres"} <= found.keys()
    assert all(finding["remedy"] for finding in found.values() if finding["level"] != "ok")


def test_a_missing_docker_engine_is_a_warning_with_a_remedy() -> None:
    code, found = findings(env={"DOCKER_HOST": "unix:///nonexistent.sock"})

    assert code == 0
    assert found["docker"]["level"] == "warning"
    assert "bubblewrap" in found["docker"]["remedy"]


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("postgres.dsn=postgresql://u@127.0.0.1:1/d", "postgres"),
        ("temporal.address=127.0.0.1:1", "temporal"),
        ("ray.address=127.0.0.1:1", "ray"),
        ("qdrant.url=http://127.0.0.1:1", "qdrant"),
        ("telemetry.otlp_endpoint=http://127.0.0.1:1", "traces"),
    ],
)
def test_a_configured_server_that_does_not_answer_is_a_failure_with_a_remedy(setting: str, name: str) -> None:
    code, found = findings("--set", setting)

    assert code == 1
    assert found[name]["level"] == "failure"
    assert found[name]["remedy"]


def test_a_taken_port_matters_only_when_it_was_asked_for() -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        code, found = findings("--set", f"gateway.port={port}")

    assert code == 1
    assert found[f"port {port}"]["level"] == "failure"


def test_a_data_directory_that_cannot_be_written_is_a_failure() -> None:
    code, found = findings("--data-dir", "/proc/nowhere")

    assert code == 1
    assert found["data directory"]["level"] == "failure"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look at a directory as another user")
def test_the_first_directory_that_another_user_cannot_enter_is_found(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    tmp_path.chmod(0o755)
    tmp_path.parent.chmod(0o755)
    tmp_path.parent.parent.chmod(0o755)
    closed.chmod(0o700)

    assert blocked_directory(closed / "open", "nobody") == closed

    closed.chmod(0o711)
    assert blocked_directory(closed / "open", "nobody") is None
