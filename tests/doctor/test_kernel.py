import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from resprout.runtime.doctor import kernel

# The same filter under which tests/stack runs `resprout up`.
WITHOUT_PIDFD = Path(__file__).parents[1] / "stack" / "without_pidfd.py"
ASK = (
    "import dataclasses, json; from resprout.runtime.doctor import kernel; "
    "print(json.dumps([dataclasses.asdict(finding) for finding in kernel.missing_features()]))"
)


def test_this_kernel_lacks_nothing() -> None:
    assert kernel.missing_features() == []


def test_a_kernel_without_pidfd_open_is_named_with_what_it_lacks_and_what_to_use() -> None:
    done = subprocess.run(
        [sys.executable, str(WITHOUT_PIDFD), sys.executable, "-c", ASK],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=tempfile.gettempdir(),
    )

    (finding,) = json.loads(done.stdout)
    assert finding["level"] == "failure"
    assert "pidfd_open (Function not implemented)" in finding["found"]
    assert "Linux 5.3" in finding["remedy"]


def test_a_python_that_does_not_know_pidfd_open_says_nothing_about_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.pidfd_open")

    assert kernel.missing_features() == []


def test_a_place_whose_path_is_too_long_for_sockets_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))

    (finding,) = kernel.missing_features()

    assert finding.name == "unix sockets"
    assert "TMPDIR" in (finding.remedy or "")


def test_looking_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    kernel.missing_features()

    assert list(tmp_path.iterdir()) == []
    assert list(Path("/dev/shm").glob("resprout-*")) == []
