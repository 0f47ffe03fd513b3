"""`resprout` without the start of an interpreter: a process that has loaded it forks one that has the command's name.

What a test calls a hundred times is loaded once. How a process starts and ends is tested where `wrap` or `Stack.start`
is used.
"""

import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from resprout.runtime import cli

_TESTS = str(Path(__file__).parent.parent)
_COMMANDS = [file.stem for file in Path(cli.__path__[0]).glob("[!_]*.py")]
_LATER = ["client", "known_tools", "sandboxes"]  # what commands load when they need it

_ONE = Lock()  # a process that starts looks for those that have ended, and only one may hear with which code
_forks = get_context("forkserver")
_forks.set_forkserver_preload(
    [f"{cli.__name__}.{name}" for name in _COMMANDS] + [f"resprout.runtime.{name}" for name in _LATER]
)


def run(words: Sequence[str], env: Mapping[str, str], cwd: Path, patience: float) -> subprocess.CompletedProcess[str]:
    """Raises subprocess.TimeoutExpired, when it was ended."""
    with TemporaryDirectory() as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        process = _forks.Process(target=_become, args=(list(words), dict(env), str(cwd), str(out), str(err)))
        out.touch()
        err.touch()
        with _ONE:
            process.start()
        if not wait([process.sentinel], patience):
            process.kill()
            wait([process.sentinel])
            raise subprocess.TimeoutExpired(list(words), patience, out.read_bytes(), err.read_bytes())
        with _ONE:
            process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(list(words), process.exitcode, out.read_text(), err.read_text())


def _become(words: list[str], env: dict[str, str], cwd: str, out: str, err: str) -> None:
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:] = [cwd, *(path for path in sys.path if not path.startswith(_TESTS))]
    sys.argv = ["resprout", *words]
    runpy.run_module(f"{cli.__name__}.__main__", run_name="__main__", alter_sys=True)
