import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from resprout.runtime.doctor import sandbox

ASK = "from resprout.runtime.doctor import sandbox; print(sandbox.check()[0])"


def test_each_feature_of_the_process_sandbox_is_looked_at() -> None:
    findings = sandbox.check()

    assert [finding.name for finding in findings] == ["user namespaces", "seccomp", "cgroups"]
    assert all(finding.level in ("ok", "warning") for finding in findings)
    assert all(finding.remedy for finding in findings if finding.level == "warning")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can forbid namespaces")
def test_where_namespaces_are_forbidden_the_warning_gives_the_reason() -> None:
    """In a user namespace of its own, whose limit on further ones is none: nothing outside it changes."""
    script = f"echo 0 > /proc/sys/user/max_user_namespaces && {sys.executable} -c '{ASK}'"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tempfile.gettempdir(),
    )

    assert "level='warning'" in done.stdout, done.stderr
    assert "user namespaces" in done.stdout


def test_the_cgroup_of_version_1_is_found_by_its_memory_controller(tmp_path: Path) -> None:
    (tmp_path / "memory" / "ours").mkdir(parents=True)
    membership = tmp_path / "membership"
    membership.write_text("5:cpu:/\n4:memory:/ours\n0::/\n")

    assert sandbox.own_cgroup(tmp_path, membership) == (1, tmp_path / "memory" / "ours")


def test_the_cgroup_of_version_2_counts_only_with_a_memory_controller(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    ours = tmp_path / "ours"
    ours.mkdir()
    membership = tmp_path / "membership"
    membership.write_text("0::/ours\n")

    (ours / "cgroup.controllers").write_text("cpu memory pids\n")
    assert sandbox.own_cgroup(tmp_path, membership) == (2, ours)

    (ours / "cgroup.controllers").write_text("cpu\n")
    assert sandbox.own_cgroup(tmp_path, membership) == (2, None)


def test_a_path_that_only_the_host_can_see_means_the_root_of_the_mount(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    membership = tmp_path / "membership"
    membership.write_text("4:memory:/docker/0123\n")

    assert sandbox.own_cgroup(tmp_path, membership) == (1, tmp_path / "memory")
