from pathlib import Path

import pytest
from resprout.runtime.doctor import disk
from resprout.runtime.doctor.finding import Finding


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_a_directory_that_is_not_there_yet_is_judged_by_its_parent_and_not_made(tmp_path: Path) -> None:
    data = tmp_path / "not" / "yet"

    found = by_name(disk.check(data))

    assert found["data directory"].level == "ok"
    assert str(tmp_path) in found["disk"].found
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/proc/nowhere", "/sys/kernel/nowhere"])
def test_a_place_that_even_root_cannot_write_is_a_failure(path: str) -> None:
    finding = by_name(disk.check(Path(path)))["data directory"]

    assert finding.level == "failure"
    assert "--data-dir" in (finding.remedy or "")


def test_a_file_in_the_way_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    assert "not a directory" in by_name(disk.check(tmp_path / "data"))["data directory"].found


@pytest.mark.parametrize(
    ("enough", "too_few", "level"), [(0, 0, "ok"), (10**18, 0, "warning"), (10**18, 10**18, "failure")]
)
def test_little_room_is_a_warning_and_almost_none_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enough: int, too_few: int, level: str
) -> None:
    """The disk is the real one; what counts as enough is moved."""
    monkeypatch.setattr(disk, "ENOUGH_BYTES", enough)
    monkeypatch.setattr(disk, "TOO_FEW_BYTES", too_few)

    assert by_name(disk.check(tmp_path))["disk"].level == level


def test_a_directory_that_is_open_to_the_owner_only_blocks_a_user_without_account(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        directory.chmod(0o755)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    assert disk.closed_directory(closed / "below", 54321, 54321) == closed
    assert disk.closed_directory(closed / "below", closed.stat().st_uid, 54321) is None
