"""The one profile of the process sandbox: what bubblewrap is told, and the shell that waits inside.

The invariant: every namespace is new, no capability is left, nothing of the host but `/usr` can be seen, and all that
can be written to has a size. No word here depends on the spec but for sizes, variables and the program.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..program import INTERPRETERS
from ..spec import Language, SandboxSpec

WORK = "/work"
STDIN = "/run/stdin"
NOBODY = 65534  # inside
OWN_PROCESSES = 2  # the shell that waits, and bubblewrap, which kernels before 5.14 count as well
PATH = "/usr/local/bin:/usr/bin:/bin"

# Its standard input is a socket to us. It says that all is mounted, reads a word once the files are there, runs the
# program, ends all that it has left running, says its exit code, and stays until the result files were read.
WAITING = """\
{limits}
echo ready >&0
read -r go || exit 125
"$@" </run/stdin &
{{ wait $!; }} 2>/dev/null
code=$?
kill -9 -1 2>/dev/null
echo "$code" >&0
read -r go
"""
IN_FOLDER = ("/bin/sh", "-c", 'cd -- "$1" && shift && exec "$@"', "sh")


def interpreter(language: Language) -> Path | None:
    """Of the host: what is in `/usr` can be seen inside, and so can this Python when it lives elsewhere."""
    found = shutil.which(INTERPRETERS[language], path="/usr/local/bin:/usr/bin")
    if found is not None:
        return Path(found)
    return Path(sys.base_prefix, "bin", "python3") if language == "python" else None


def waiting(spec: SandboxSpec, *, alone: bool) -> str:
    """The shell's words. `alone`: no control group limits the memory of the whole, so each process is limited.

    Node reserves much more than it will ever use: only what it writes to counts.
    """
    limits = spec.limits
    processes = limits.pids + OWN_PROCESSES + (spec.net != "none")  # the forwarder
    words = [
        "ulimit -c 0",
        f"ulimit -t {int(limits.time.total_seconds() * max(1, limits.cpu)) + 2}",
        f"ulimit -f {limits.disk // 512 + 1}",
        "ulimit -n 1024",
        f"ulimit -u {processes} 2>/dev/null || ulimit -p {processes}",  # bash's word, then dash's
    ]
    if alone:
        words.append(f"ulimit -d {limits.memory >> 10}")
        if spec.language != "node":
            words.append(f"ulimit -v {limits.memory >> 10}")
    return WAITING.format(limits="\n".join(f"{word} || exit 125" for word in words))


def command(spec: SandboxSpec, words: Sequence[str]) -> list[str]:
    """The program and its words, as they are called inside."""
    named = [str(interpreter(spec.language)), *words[1:]] if spec.code and spec.language else list(words)
    return named if spec.cwd == "." else [*IN_FOLDER, spec.cwd, *named]


def arguments(spec: SandboxSpec, env: Mapping[str, str], stdin: int, bwrap: int, extra: Sequence[str]) -> list[str]:
    """For `bwrap --args`; file descriptors by number.

    The shell that waits is the first process: bubblewrap itself is none that can be seen, and its own file, which would
    be inherited, is read to its end and so closed.
    """
    disk = str(spec.limits.disk)
    return [
        *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"),
        *("--as-pid-1",),
        *("--cap-drop", "ALL", "--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "sandbox"),
        *("--ro-bind", "/usr", "/usr", *links()),
        *("--proc", "/proc", "--dev", "/dev", "--size", disk, "--tmpfs", "/dev/shm"),
        *("--file", str(bwrap), "/dev/null", "--remount-ro", "/dev"),
        *("--size", disk, "--tmpfs", "/tmp", "--size", disk, "--tmpfs", WORK),
        *("--ro-bind-data", str(stdin), STDIN),
        *_etc(),
        *extra,
        *("--remount-ro", "/", "--chdir", WORK, "--clearenv"),
        *(word for name, value in _environment(env).items() for word in ("--setenv", name, value)),
    ]


GATE = "/run/resprout"
FORWARDER = "/run/forwarder"


def way_out(gate: Path, forwarder: int) -> list[str]:
    """The directory of the socket, so that a new gate there is seen as well."""
    return ["--ro-bind", str(gate.parent), GATE, "--ro-bind-data", str(forwarder), FORWARDER]


def through_gate(gate: Path, command: Sequence[str]) -> list[str]:
    """The forwarder becomes the command once it listens."""
    return [str(interpreter("python")), "-I", "-S", FORWARDER, f"{GATE}/{gate.name}", *command]


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": PATH, "HOME": WORK, "TMPDIR": "/tmp", "LANG": "C.UTF-8", **env}


def links() -> list[str]:
    """`/bin` and its like, which lead into `/usr` on most distributions and are directories on others."""
    words: list[str] = []
    for path in map(Path, ("/bin", "/sbin", "/lib", "/lib64")):
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    return words


def _etc() -> list[str]:
    """What programs look for and may know: how libraries are found, and certificates."""
    shown = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl/certs")
    return [word for path in shown if os.path.exists(path) for word in ("--ro-bind", path, path)]  # noqa: PTH110
