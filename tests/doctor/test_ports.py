import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from resprout.runtime.doctor import ports
from resprout.runtime.doctor.finding import Finding
from resprout.runtime.settings import GatewaySettings, RaySettings, Settings, TemporalSettings


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def check(data_dir: Path, **settings: object) -> dict[str, Finding]:
    findings = ports.check(Settings(data_dir=data_dir, **settings))  # type: ignore[arg-type]
    return {finding.name: finding for finding in findings}


def test_a_taken_port_that_was_asked_for_is_a_failure_naming_who_has_it(tmp_path: Path, taken: int) -> None:
    found = check(tmp_path, ray=RaySettings(port=taken))[f"port {taken}"]

    assert found.level == "failure"
    assert "`ray.port`" in found.found
    assert f"process {os.getpid()}" in found.found


def test_a_taken_usual_port_is_fine_because_another_will_be_chosen(taken: int) -> None:
    found = ports._look(ports.Wanted("ray.port", None, usual=taken), ours={})

    assert found.level == "ok"
    assert "will use another" in found.found


def test_a_port_of_the_running_stack_is_fine(taken: int) -> None:
    found = ports._look(ports.Wanted("ray.port", taken, usual=6379), ours={"ray.port": taken})

    assert found.level == "ok"
    assert "used by this stack" in found.found


def test_a_running_stack_is_asked_for_its_ports_and_not_for_the_usual_ones(taken: int) -> None:
    found = ports._look(ports.Wanted("ray.port", None, usual=6379), ours={"ray.port": taken})

    assert found.name == f"port {taken}"
    assert "used by this stack" in found.found


def test_one_port_for_two_servers_is_a_failure_naming_both(tmp_path: Path, taken: int) -> None:
    found = check(tmp_path, temporal=TemporalSettings(port=taken, ui_port=taken))

    assert any("`temporal.port` and `temporal.ui_port`" in finding.found for finding in found.values())


def test_a_server_that_is_configured_elsewhere_needs_no_port_here(tmp_path: Path, taken: int) -> None:
    settings = Settings(data_dir=tmp_path, temporal=TemporalSettings(address="elsewhere:7233", port=taken))

    assert {port.setting for port in ports.wanted(settings)} == {"ray.port", "models.local.port", "gateway.port"}


def test_an_address_of_another_machine_cannot_be_listened_on(tmp_path: Path) -> None:
    found = check(tmp_path, gateway=GatewaySettings(host="192.0.2.1", port=18080))["port 18080"]

    assert found.level == "failure"
    assert "gateway.host" in (found.remedy or "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not look")
def test_a_data_directory_that_may_not_be_looked_at_keeps_no_port_from_being_checked(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    os.seteuid(65534)
    try:
        found = check(tmp_path / "data")
    finally:
        os.seteuid(0)

    assert len(found) == 5
