import socket
from pathlib import Path

import pytest
from resprout.runtime.notify import notify

MORE_THAN_A_SOCKET_HOLDS = 2000


@pytest.mark.timeout(20)
def test_a_supervisor_that_does_not_listen_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = str(tmp_path / "ear")
    monkeypatch.setenv("NOTIFY_SOCKET", ear)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(ear)

        for _ in range(MORE_THAN_A_SOCKET_HOLDS):
            notify(WATCHDOG=1)

        assert deaf.recv(100) == b"WATCHDOG=1"
