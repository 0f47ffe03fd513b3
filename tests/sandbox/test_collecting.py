"""Result files that were made to do harm when they are read."""

import os
from pathlib import Path

import pytest
from resprout.activities.sandbox import collecting
from resprout.activities.sandbox.collecting import Collected, collect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("of the host")
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def collected(folder: Path, *patterns: str) -> Collected:
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return collect(root, patterns)
    finally:
        os.close(root)


def test_files_are_read_with_their_paths(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "b.txt").write_bytes(b"\0b")
    (folder / "c.txt").write_text("c")
    (folder / "d.md").write_text("d")

    found = collected(folder, "**/*.txt")

    assert found.files == {"a/b.txt": b"\0b", "c.txt": b"c"}
    assert not found.left_out


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "nowhere", "x"])
def test_a_link_is_never_followed(folder: Path, target: str) -> None:
    (folder / "x").symlink_to(target)

    found = collected(folder, "x")

    assert not found.files
    assert found.left_out == ["`x` was left out: it is a link."]


def test_a_directory_that_is_a_link_is_not_entered(folder: Path) -> None:
    (folder / "up").symlink_to("..")

    assert not collected(folder, "**", "up/secret").files


def test_a_hard_link_to_something_else_is_left_out(folder: Path) -> None:
    os.link(folder.parent / "secret", folder / "x")

    assert not collected(folder, "x").files


def test_nothing_that_is_no_file_is_opened_for_ever(folder: Path) -> None:
    os.mkfifo(folder / "pipe")

    found = collected(folder, "*")

    assert not found.files
    assert "no regular file" in found.left_out[0]


def test_there_is_a_budget_of_bytes(folder: Path) -> None:
    (folder / "a").write_bytes(b"x" * 8)
    with (folder / "b").open("wb") as stream:
        stream.truncate(1 << 40)  # a sparse one
    (folder / "c").write_bytes(b"x" * 2)

    found = collect_with_room(folder, 10)

    assert list(found.files) == ["a", "c"]
    assert "`b` was left out" in found.left_out[0]


def collect_with_room(folder: Path, room: int) -> Collected:
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    wanted = Collected(room=room)
    try:
        for name in ("a", "b", "c"):
            collecting._take(name, name, root, wanted)
    finally:
        os.close(root)
    return wanted


def test_there_is_a_budget_of_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MOST_COLLECTED_FILES", 3)
    for n in range(9):
        (folder / f"f{n}").touch()

    found = collected(folder, "*")

    assert len(found.files) == 3
    assert "there are 3 files already" in found.left_out[0]


def test_a_name_that_cannot_be_shown_is_left_out(folder: Path) -> None:
    (folder / "a\nb\x1b[2J").touch()
    os.close(os.open(bytes(folder) + b"/\xff", os.O_CREAT))

    found = collected(folder, "*")

    assert not found.files
    assert len(found.left_out) == 2
    assert all(line.isprintable() for line in found.left_out)


def test_directories_deeper_than_anybody_needs_are_not_walked(folder: Path) -> None:
    deep = folder
    for _ in range(60):
        deep = deep / "d"
        deep.mkdir()
    (deep / "x").touch()

    assert not collected(folder, "**").files
