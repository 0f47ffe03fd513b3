"""The files of a run, while somebody else in there tries to lead a tool outside."""

import ctypes
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.tools.once import change_once
from resprout.activities.tools.place import Place, place
from resprout.activities.tools.tool import BadArguments, ToolError
from resprout.activities.tools.walk import walk
from resprout.activities.tools.workspace import Workspace
from support.tool_calls import Hands


@pytest.fixture
def workspace(hands: Hands) -> Workspace:
    return Workspace(hands.workspace)


@pytest.fixture
def outside(workspace: Workspace) -> Path:
    return workspace.root.parent / "outside"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "path", ["", "..", "a/../../outside/secret.txt", "a\0b", ".resprout/journal/x", "x" * 256, "a/" * 65, "\ud800"]
)
def test_a_path_that_cannot_be_meant_is_refused(path: str) -> None:
    with pytest.raises(BadArguments, match="the path"):
        place(path)


@pytest.mark.parametrize("path", ["/proc/self/environ", "//proc/1/mem", "/./sys/kernel", "/dev/sda"])
def test_what_is_the_kernels_is_never_opened(path: str) -> None:
    with pytest.raises(BadArguments, match="kernel's"):
        place(path)


@given(st.lists(st.sampled_from(["a", "b.txt", ".", "", "..", "...", ".git", "ü", "/"]), min_size=1, max_size=8))
def test_a_place_has_one_spelling_and_never_leads_up(parts: list[str]) -> None:
    path = "/".join(parts)
    try:
        where = place(path)
    except BadArguments:
        assert ".." in parts or not path
        return

    assert place(where.path) == where
    assert ".." not in where.parts
    assert where.resource == (where.path if path.startswith("/") else f"workspace:{where.path}")


def test_a_link_is_not_followed_at_the_end_nor_on_the_way(workspace: Workspace, outside: Path) -> None:
    (workspace.root / "file").symlink_to(outside / "secret.txt")
    (workspace.root / "folder").symlink_to(outside)
    (workspace.root / "root").symlink_to("/proc/self/root")

    for path in ("file", "folder/secret.txt", f"root{outside}/secret.txt", "root/etc/passwd"):
        with pytest.raises(ToolError, match="is a link"):
            workspace.read(path)
        with pytest.raises(ToolError, match="is a link"):
            workspace.write(path, b"changed")
    with pytest.raises(ToolError, match="is a link"):
        list(walk(workspace, place("folder")))

    assert (outside / "secret.txt").read_text() == "outside"
    assert [found.path for found in walk(workspace, place("."))] == ["file", "folder", "root"]


def test_a_second_name_of_a_file_outside_is_neither_read_nor_changed(workspace: Workspace, outside: Path) -> None:
    os.link(outside / "secret.txt", workspace.root / "mine")

    with pytest.raises(ToolError, match="2 names"):
        workspace.read("mine")
    with pytest.raises(ToolError, match="2 names"):
        change_once(workspace, "k", place("mine"), lambda data: (b"x", {}))

    assert (outside / "secret.txt").read_text() == "outside"


def test_a_pipe_or_a_socket_does_not_keep_anybody_waiting(workspace: Workspace) -> None:
    os.mkfifo(workspace.root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(workspace.root / "socket"))

    for path in ("pipe", "socket"):
        with pytest.raises(ToolError, match="only regular files"):
            workspace.read(path)
        with pytest.raises(ToolError, match="only regular files"):
            workspace.write(path, b"x")


def _exchange(a: Path, b: Path) -> None:
    """Both at once: there is no moment at which one is missing."""
    exchanged = ctypes.CDLL(None).renameat2(-100, bytes(a), -100, bytes(b), 2)
    assert exchanged == 0


def test_a_link_swapped_in_while_files_are_opened_never_leads_outside(workspace: Workspace, outside: Path) -> None:
    way, trap = workspace.root / "way", workspace.root / "trap"
    workspace.write("way/secret.txt", b"inside")
    trap.symlink_to(outside)
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            _exchange(way, trap)

    swapping = threading.Thread(target=swap)
    swapping.start()
    read: set[bytes] = set()
    refused = tries = 0
    try:
        while tries < 300 or not read or not refused:  # until it met both
            tries += 1
            try:
                read.add(workspace.read("way/secret.txt"))
                workspace.write("way/new.txt", b"written")
                workspace.remove("way/new.txt")
                change_once(workspace, str(tries), place("way/log.txt"), lambda data: ((data or b"") + b"x", {}))
                read.update(workspace.read(f"way/{one.path}") for one in walk(workspace, place("way")))
            except ToolError:
                refused += 1
    finally:
        done.set()
        swapping.join()

    assert {one.strip(b"x") for one in read} <= {b"inside", b""}
    assert _names(outside) == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == "outside"


def test_what_is_written_appears_whole_or_not_at_all(workspace: Workspace) -> None:
    workspace.write("a/b.txt", b"before")

    def write_half() -> None:
        with workspace.replacing(place("a/b.txt")) as file:
            file.write(b"half")
            raise RuntimeError("it ends in the middle")

    with pytest.raises(RuntimeError, match="middle"):
        write_half()

    assert workspace.read("a/b.txt") == b"before"
    assert _names(workspace.root / "a") == ["b.txt"]


def test_a_file_keeps_its_rights_but_gets_none_of_somebody_else(workspace: Workspace) -> None:
    workspace.write("run.sh", b"1")
    (workspace.root / "run.sh").chmod(0o4755)

    workspace.write("run.sh", b"2")

    assert (workspace.root / "run.sh").stat().st_mode & 0o7777 == 0o755


def test_deleting_a_folder_with_a_link_in_it_leaves_what_the_link_leads_to(workspace: Workspace, outside: Path) -> None:
    workspace.write("folder/file", b"")
    (workspace.root / "folder" / "link").symlink_to(outside)

    assert workspace.remove("folder", recursive=True)

    assert (outside / "secret.txt").exists()
    assert workspace.state("folder") is None


def test_an_absolute_place_is_opened_as_carefully(workspace: Workspace, outside: Path) -> None:
    (workspace.root / "way").symlink_to(outside)

    assert workspace.read(f"{outside}/secret.txt") == b"outside"
    with pytest.raises(ToolError, match="is a link"):
        workspace.read(f"{workspace.root}/way/secret.txt")


def test_a_name_that_is_no_text_is_shown_but_cannot_be_said(workspace: Workspace) -> None:
    (Path(os.fsdecode(bytes(workspace.root))) / os.fsdecode(b"\xff.txt")).write_text("x")

    found = list(walk(workspace, Place(())))

    assert [(one.path, one.kind) for one in found] == [("\\udcff.txt", "other")]


def test_a_journal_that_somebody_made_a_link_of_leads_nowhere(workspace: Workspace, outside: Path) -> None:
    (workspace.root / ".resprout").symlink_to(outside)

    with pytest.raises(ToolError, match="is a link"):
        change_once(workspace, "k", place("a.txt"), lambda data: (b"x", {}))

    assert _names(outside) == ["secret.txt"]


class TestChangeOnce:
    def test_a_change_that_was_made_is_not_made_again(self, workspace: Workspace) -> None:
        for _ in range(3):
            answer = change_once(workspace, "k", place("a"), lambda data: ((data or b"") + b"x", {"was": bool(data)}))

        assert workspace.read("a") == b"x"
        assert answer == {"was": False}

    @pytest.mark.parametrize("step", range(1, 12))
    def test_a_change_that_was_cut_off_at_any_step_happens_once(
        self, workspace: Workspace, step: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace.write("a", b"old,")
        steps = 0

        class Killed(BaseException):
            """As a kill: nothing is tidied up that handles errors only."""

        def counted(name: str) -> None:
            real = getattr(os, name)

            def call(*arguments: object, **more: object) -> object:
                nonlocal steps
                steps += 1
                if steps == step:
                    raise Killed
                return real(*arguments, **more)

            monkeypatch.setattr(os, name, call)

        for name in ("rename", "fsync", "unlink"):
            counted(name)
        with suppress(Killed):
            change_once(workspace, "k", place("a"), lambda data: ((data or b"") + b"new,", {}))
        monkeypatch.undo()

        change_once(workspace, "k", place("a"), lambda data: ((data or b"") + b"new,", {}))
        change_once(workspace, "another", place("a"), lambda data: ((data or b"") + b"more", {}))

        assert workspace.read("a") == b"old,new,more"

    def test_changes_at_the_same_time_lose_none(self, workspace: Workspace) -> None:
        def add(key: str) -> None:
            change_once(workspace, key, place("a"), lambda data: ((data or b"") + b"x", {}))

        threads = [threading.Thread(target=add, args=(str(key),)) for key in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert workspace.read("a") == b"x" * 20
