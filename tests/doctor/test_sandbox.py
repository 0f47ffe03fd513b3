import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from resprout.activities.sandbox.process import cgroup
from resprout.activities.sandbox.process.sandbox import find_bwrap
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


def groups(root: Path, *kinds: str) -> Path:
    """Control groups of version 1, with this process in `ours` of each; what says so."""
    for kind in kinds:
        (root / kind / "ours").mkdir(parents=True)
    membership = root / "membership"
    membership.write_text("".join(f"{n}:{kind}:/ours\n" for n, kind in enumerate(kinds, 1)) + "0::/\n")
    return membership


def test_groups_of_version_1_that_can_be_made_limit_runs_as_a_whole(tmp_path: Path) -> None:
    finding = sandbox._cgroups(tmp_path, groups(tmp_path, *cgroup.KINDS))

    assert (finding.level, finding.found.split(",")[0]) == ("ok", "version 1")
    assert [list((tmp_path / kind / "ours").iterdir()) for kind in cgroup.KINDS] == [[]] * len(cgroup.KINDS)


def test_groups_of_version_2_are_not_called_usable_while_the_sandbox_does_not_use_them(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")

    finding = sandbox._cgroups(tmp_path, groups(tmp_path))

    assert finding.level == "warning"
    assert "version 2, which is not used yet: the process sandbox limits each process" in finding.found
    assert "empty files the kernel's memory without a limit" in finding.found
    assert "Docker engine" in (finding.remedy or "")


def test_a_controller_that_is_missing_is_enough_for_a_warning(tmp_path: Path) -> None:
    finding = sandbox._cgroups(tmp_path, groups(tmp_path, "memory", "cpu", "cpuacct"))

    assert finding.level == "warning"


def test_a_path_that_only_the_host_can_see_means_the_root_of_the_mount(tmp_path: Path) -> None:
    for kind in cgroup.KINDS:
        (tmp_path / kind).mkdir()
    membership = tmp_path / "membership"
    membership.write_text("".join(f"4:{kind}:/docker/0123\n" for kind in cgroup.KINDS))

    assert cgroup.parents(membership, tmp_path) == {kind: tmp_path / kind for kind in cgroup.KINDS}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs bubblewrap as somebody else")
def test_bubblewrap_whose_library_lies_in_a_closed_folder_cannot_be_started_and_the_warning_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_bwrap()
    assert found is not None
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copy(found, closed / "bwrap")
    monkeypatch.setattr(sandbox, "find_bwrap", lambda: closed / "bwrap")

    finding = sandbox._user_namespaces()

    assert finding.level == "warning"
    assert finding.remedy is not None
    assert finding.remedy.startswith("Say `chmod o+x /")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs bubblewrap as somebody else")
def test_bubblewrap_in_a_closed_folder_is_no_reason_for_a_warning_when_it_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`true` stands for one that needs no library but the system's."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copy("/usr/bin/true", closed / "bwrap")
    monkeypatch.setattr(sandbox, "find_bwrap", lambda: closed / "bwrap")

    assert sandbox._user_namespaces().level == "ok"
