"""What a user can get wrong with `resprout up`: one sentence each, exit code 2, nothing left running."""

import ctypes
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.stack import Stack, resprout

WITHOUT_PIDFD = Path(__file__).with_name("without_pidfd.py")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def refusal(stack: Stack, *words: str, wrap: list[str] | None = None) -> str:
    """Starts the stack both ways, sees that both refuse alike, and returns the sentence."""
    said: set[str] = set()
    for way in ([], ["--detach"]):
        done = resprout("up", *way, *words, "--data-dir", str(stack.data_dir), wrap=wrap)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        said.add(done.stderr.strip().splitlines()[-1])
        assert stack.processes() == []
    assert len(said) == 1
    return said.pop()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--postgres-dsn", "nonsense"], "`postgres.dsn` (********) is not a DSN"),
        (
            ["--postgres-dsn", "postgresql://u:hush@127.0.0.1:1/d"],
            "no Postgres answers at postgresql://u@127.0.0.1:1/d",
        ),
        (["--temporal-address", "127.0.0.1:1"], "no Temporal server answers at 127.0.0.1:1"),
        (["--ray-address", "127.0.0.1:1"], "no Ray head answers at 127.0.0.1:1"),
        (["--ray-address", "nonsense"], "must be host:port or auto"),
        (["--gateway-port", "70000"], "less than or equal to 65535"),
        (["--set", "gateway.prot=1"], "unknown setting `gateway.prot` in --set. Did you mean `gateway.port`?"),
        (["--set", "gateway.port"], "write it as KEY=VALUE"),
        (["--set", "models.default=nope/x"], "`models.default` cannot be asked: there is no provider 'nope'"),
        (["--set", "models.prices=missing.toml"], "missing.toml cannot be read"),
        (["--set", "temporal.tls=true"], "`temporal.tls` is for a server of yours"),
    ],
)
def test_a_bad_flag_is_refused(own_stack: Stack, words: list[str], sentence: str) -> None:
    said = refusal(own_stack, *words)

    assert sentence in said
    assert "hush" not in said


@pytest.mark.parametrize("flag", ["gateway-port", "temporal-port", "temporal-ui-port", "ray-port"])
def test_a_port_that_was_asked_for_and_is_taken_is_refused_naming_its_holder(
    own_stack: Stack, taken_port: int, flag: str
) -> None:
    said = refusal(own_stack, f"--{flag}", str(taken_port))

    assert f"port {taken_port}" in said
    assert Path(sys.executable).name.startswith("python")
    assert "python" in said or "pytest" in said


def test_a_gateway_alone_on_a_taken_port_is_refused_in_one_sentence(taken_port: int) -> None:
    done = resprout("gateway", "--port", str(taken_port), "--set", "postgres.dsn=postgresql://u@127.0.0.1:1/d")

    assert done.returncode == 2
    (said,) = done.stderr.splitlines()
    assert f"cannot listen on 127.0.0.1:{taken_port}" in said


def test_a_data_directory_that_cannot_be_written_is_refused() -> None:
    assert "/proc/nowhere cannot be written" in refusal(Stack(Path("/proc/nowhere")))


def test_a_file_in_the_place_of_the_data_directory_is_refused(own_stack: Stack) -> None:
    own_stack.data_dir.write_text("in the way")

    assert "cannot be written" in refusal(own_stack)


def test_a_broken_toml_is_refused_with_its_line(own_stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[hosts]\ncount = = 2\n")

    said = refusal(own_stack, "--config", str(path))

    assert str(path) in said
    assert "line 2" in said


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the seccomp filter is written for 64 bits")
def test_a_kernel_without_a_feature_that_we_need_is_refused_naming_it(own_stack: Stack) -> None:
    said = refusal(own_stack, wrap=[sys.executable, str(WITHOUT_PIDFD)])

    assert "pidfd_open" in said
    assert "Linux 5.3" in said
