"""A user's project beside an editable install of ours, as `make` and `uv pip install -e` make it."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from support.typed_program import PROGRAM


@pytest.fixture(scope="module")
def python(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment in which we are installed editable; what we need comes from the one of the tests."""
    home, out = tmp_path_factory.mktemp("venv"), tmp_path_factory.mktemp("wheel")
    build = f"from setuptools.build_meta import build_editable; build_editable({str(out)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    venv.create(home)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        wheel.extractall(packages)
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin" / "python"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy remembers of our modules: to read them all anew takes it half a minute."""
    return tmp_path_factory.mktemp("seen")


def run(*command: str | Path, project: Path) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    return subprocess.run([*map(str, command)], cwd=project, env=env, capture_output=True, text=True, check=False)


def test_an_editable_install_is_imported_from_the_clone(python: Path, clone: Path, tmp_path: Path) -> None:
    done = run(python, "-c", "import resprout.actors.agent as found; print(found.__file__)", project=tmp_path)

    assert Path(done.stdout.strip()).resolve() == clone / "actors" / "agent.py", done.stderr


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", None),
        ('    await client.of(Counter, "a").add(Other())', 'has incompatible type "Other"; expected "Add"'),
        ('    await client.of(Counter, "a").ask(Other())', 'Missing positional argument "message"'),
        ('    await client.agent("typed-counter/a").ask({"amount": 1})', 'expected "Message"'),
    ],
)
def test_a_users_mypy_finds_our_types(python: Path, seen: Path, tmp_path: Path, line: str, error: str | None) -> None:
    (tmp_path / "program.py").write_text(f"{PROGRAM}{line}\n")

    mypy = (sys.executable, "-m", "mypy", "--strict", "--cache-dir", seen, "--python-executable", python)
    done = run(*mypy, "program.py", project=tmp_path)

    assert done.returncode == (1 if error else 0), done.stdout + done.stderr
    assert (error or "Success") in done.stdout
