import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from resprout.actors.errors import StackError
from resprout.runtime.stack import ports
from resprout.runtime.stack.ports import PortLeases


@pytest.fixture
def leases() -> Iterator[PortLeases]:
    leases = PortLeases()
    yield leases
    leases.release()


@pytest.fixture
def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_usual_port_is_taken_when_free(leases: PortLeases, free_port: int) -> None:
    assert leases.take("x.port", asked=None, usual=free_port, last=None) == free_port


def test_the_port_of_the_last_time_wins_over_the_usual_one(leases: PortLeases, free_port: int) -> None:
    assert leases.take("x.port", asked=None, usual=free_port + 1, last=free_port) == free_port


def test_a_port_that_another_stack_chose_but_does_not_listen_on_yet_is_not_chosen(
    leases: PortLeases, free_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = PortLeases()
    assert other.take("x.port", asked=None, usual=free_port, last=None) == free_port
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # whose user has another TMPDIR

    assert leases.take("x.port", asked=None, usual=free_port, last=None) != free_port
    with pytest.raises(StackError, match=f"port {free_port}, asked for by `x.port`, is taken"):
        leases.take("x.port", asked=free_port, usual=1, last=None)

    other.release()
    assert leases.take("x.port", asked=free_port, usual=1, last=None) == free_port


def test_a_port_somebody_listens_on_is_replaced(leases: PortLeases) -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]

        assert leases.take("x.port", asked=None, usual=taken, last=taken) != taken


@pytest.mark.parametrize(
    ("host", "reason"), [("192.0.2.1", "Cannot assign requested address"), ("\0ä", "not the name of a host")]
)
@pytest.mark.parametrize("asked", [None, 18080])
def test_a_host_that_cannot_be_listened_on_is_refused_in_a_sentence(
    leases: PortLeases, host: str, reason: str, asked: int | None
) -> None:
    with pytest.raises(StackError, match=f"port 18080 cannot be listened on: .*{reason}"):
        leases.take("gateway.port", asked=asked, usual=18080, last=None, host=host)

    assert leases.held == {}


@pytest.mark.skipif(ports.refusal("::1", 0) is not None, reason="this machine has no IPv6")
def test_a_host_may_be_an_ipv6_address(leases: PortLeases, free_port: int) -> None:
    assert leases.take("gateway.port", asked=None, usual=free_port, last=None, host="::1") == free_port
