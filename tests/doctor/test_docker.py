import json
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from resprout.runtime.doctor import docker

ANSWERS = {"/version": {"Version": "99.1"}, "/info": {"Runtimes": {"runsc": {}, "runc": {}}}}


@contextmanager
def engine(status: int = 200) -> Iterator[str]:
    """Answers as a Docker engine would, on a socket of its own; yields the DOCKER_HOST."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(ANSWERS[self.path]).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:  # a unix socket's caller has no address
            return "unix"

        def log_message(self, *_: object) -> None:
            pass

    with tempfile.TemporaryDirectory() as directory:  # not tmp_path: a socket's path must be short
        path = Path(directory) / "docker.sock"
        with socketserver.ThreadingUnixStreamServer(str(path), Answer) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"unix://{path}"
            finally:
                server.shutdown()
                thread.join()


def test_an_engine_is_named_with_its_version_and_runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    with engine() as host:
        monkeypatch.setenv("DOCKER_HOST", host)

        (finding,) = docker.check()

    assert finding.level == "ok"
    assert finding.found == "engine 99.1, runtimes: runc, runsc"


def test_an_engine_that_answers_with_an_error_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    with engine(status=503) as host:
        monkeypatch.setenv("DOCKER_HOST", host)

        (finding,) = docker.check()

    assert finding.level == "warning"
    assert "503" in finding.found


def test_no_engine_is_a_warning_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")

    (finding,) = docker.check()

    assert finding.level == "warning"
    assert "/nonexistent" in finding.found
    assert "bubblewrap" in (finding.remedy or "")
