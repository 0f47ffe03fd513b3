"""What `resprout up` cannot do without, found by trying it: a version says little about a container."""

import ctypes
import os
import platform
import socket
import sys
import tempfile
from pathlib import Path

from .finding import Finding, failure, ok

PR_GET_PDEATHSIG = 2
PIDFD_OPEN = 434  # the same on every architecture


def missing_features() -> list[Finding]:
    """Empty on any Linux of the last years."""
    if sys.platform != "linux":
        return [
            failure(
                "kernel",
                f"Resprout's stack needs Linux, this is {platform.system()}",
                "Run it in a Linux container or virtual machine.",
            )
        ]
    probes = (_pidfd(), _pdeathsig(), _unix_sockets(), _shared_memory())
    return [finding for finding in probes if finding.level == "failure"]


def check() -> list[Finding]:
    return missing_features() or [ok("kernel", f"Linux {platform.release()}")]


def _pidfd() -> Finding:
    """By its number: a Python built against old headers has no `os.pidfd_open`, whatever the kernel can do."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(PIDFD_OPEN, os.getpid(), 0)
    if descriptor < 0:
        return failure(
            "kernel",
            f"the kernel lacks pidfd_open ({os.strerror(ctypes.get_errno())}), which the supervisor needs to watch "
            "processes safely",
            f"Use Linux 5.3 or newer (this is {platform.release()}), or a container runtime that allows the call.",
        )
    os.close(descriptor)
    return ok("kernel", "pidfd_open works")


def _pdeathsig() -> Finding:
    libc = ctypes.CDLL(None, use_errno=True)
    signal_number = ctypes.c_int()
    if libc.prctl(PR_GET_PDEATHSIG, ctypes.byref(signal_number), 0, 0, 0) != 0:
        return failure(
            "kernel",
            "the kernel refuses prctl(PDEATHSIG), so processes would outlive a killed supervisor",
            "Allow prctl in the container's seccomp profile.",
        )
    return ok("kernel", "prctl works")


def _unix_sockets() -> Finding:
    """Where the stack makes its own: below the directory for temporary files."""
    place = tempfile.gettempdir()
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix="resprout-") as directory, _unix_socket() as listener:
            listener.bind(f"{directory}/probe")
            listener.listen()
            with _unix_socket() as caller:
                caller.connect(f"{directory}/probe")
    except OSError as error:
        return failure(
            "unix sockets",
            f"none can be made in {place} ({error.strerror or error}); Postgres and Ray listen on them",
            "Set TMPDIR to a directory with a short path, on a local disk, that you can write.",
        )
    return ok("unix sockets", "work")


def _unix_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def _shared_memory() -> Finding:
    path = Path("/dev/shm")
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix="resprout-") as probe:
            probe.write(b"1")
            probe.flush()
    except OSError as error:
        return failure(
            "shared memory",
            f"/dev/shm cannot be written ({error.strerror}); Ray and Postgres need it",
            "Mount it: mount -t tmpfs -o size=1g tmpfs /dev/shm (in Docker: --shm-size=1g).",
        )
    return ok("shared memory", "/dev/shm can be written")
