"""What goes into a container: one tar with the input files, the script that starts the job and the one that collects.

The environment is in that script and nowhere else: arguments and variables of an exec are in the engine's events.
"""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from ..backend import MOST_COLLECTED_BYTES, MOST_COLLECTED_FILES, Job
from ..egress.forwarder import PORT
from ..egress.inside import environment
from ..program import program
from .shape import GATE

_SCRATCH = "run/resprout/job"


def parcel(job: Job) -> bytes:
    started = program(job.spec)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        _add(tar, f"{_SCRATCH}/stdin", (job.spec.stdin or "").encode())
        _add(tar, f"{_SCRATCH}/launch", "\n".join(_launch(job, started.words)).encode())
        if job.spec.collect:
            _add(tar, f"{_SCRATCH}/collect", _collect(job.spec.collect).encode())
        for path, content in {**job.files, **started.files}.items():
            _add(tar, f"work/{path}", content)
        _add(tar, f"{_SCRATCH}/whole", b"")  # last: without it the rest is not believed
    return packed.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o755 if content.startswith(b"#!") else 0o644
    tar.addfile(entry, io.BytesIO(content))


def _launch(job: Job, words: tuple[str, ...]) -> Iterator[str]:
    seconds = job.spec.limits.time.total_seconds()
    start = quote(f"/work/{job.spec.cwd}")
    yield f"mkdir -p -- {start} && cd -- {start} || exit 126"
    if job.gate is not None:
        yield forwarder(f"{GATE}/{Path(job.gate).name}", PORT)
    variables = {**(environment() if job.gate is not None else {}), **job.env}
    settings = " ".join(quote(f"{name}={value}") for name, value in variables.items())
    yield f"exec timeout -s KILL {seconds:.3f} env -- {settings} {' '.join(quote(word) for word in words)}"


def forwarder(gate: str, port: int) -> str:
    return _FORWARDER.format(port=port, gate=quote(gate), hexadecimal=f"{port:04X}")


# The job starts when somebody listens; `socat`, for it is in every image of ours, Python is not.
_FORWARDER = """\
command -v socat >/dev/null || {{ echo 'The image has no socat, which leads to the network.' >&2; exit 126; }}
socat TCP4-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr UNIX-CONNECT:{gate} &
until grep -q '0100007F:{hexadecimal} ' /proc/net/tcp; do kill -0 $! || exit 126; sleep 0.01; done"""


def _collect(patterns: tuple[str, ...]) -> str:
    """Two lists: of what is sent, and of what is too large for that and would keep others from being sent.

    Both are a little too long, `find` lets `*` cross a slash: what is wanted is decided on our side.
    """
    tests = " -o ".join(f"-path {quote('./' + pattern.removeprefix('./').replace('**/', '*'))}" for pattern in patterns)
    found = f"find . ! -type d ! -name '*\n*' \\( {tests} \\)"
    small = f"-size -{MOST_COLLECTED_BYTES // 512 + 1}"
    return f"small() {{ {found} {small}; }}\nlarge() {{ {found} ! {small} | head -n {MOST_COLLECTED_FILES}; }}\n"
