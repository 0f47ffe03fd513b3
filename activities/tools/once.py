"""Changes of files that happen once for each key, however often they are tried: what makes an append `keyed`.

A change is prepared beside the file under a name made of the key, then noted in the workspace's journal with its
result, then renamed over the file. The rename is the only thing that takes the prepared file away once the note is
there, so a note without it means: done. All of it happens under a lock, so that two changes do not lose one another.
Who changes the journal (code of the same run) harms its own run only.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any

from .opening import told
from .place import HIDDEN, Place
from .tool import ToolError
from .workspace import LARGEST, Workspace, create, mode_for, open_regular, state_of

JOURNAL = Place((HIDDEN, "journal"))
PATIENCE = 10.0  # seconds, for other changes in this workspace

# What is in the file now (None: there is none) → what shall be, and what the tool answers.
Change = Callable[[bytes | None], tuple[bytes, dict[str, Any]]]


def change_once(workspace: Workspace, key: str, where: Place, change: Change) -> dict[str, Any]:
    mark = sha256(key.encode()).hexdigest()[:32]
    prepared = f"{HIDDEN}-{mark}"
    with journal(workspace) as notes, workspace.beside(where, make=True) as (folder, name):
        noted = _note(notes, mark)
        if noted is not None and state_of(folder, prepared) is None:
            return noted
        data, answer = change(_content(folder, name, where))
        if len(data) > LARGEST:
            raise ToolError(f"`{where.path}` would be larger than {LARGEST:,} bytes: go on in another file.")
        _put(folder, prepared, data, mode_for(folder, name, where))
        _put(notes, mark, json.dumps(answer).encode())
        with told(where, folder):
            os.rename(prepared, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        return answer


def move_once(workspace: Workspace, key: str, source: Place, target: Place, overwrite: bool) -> None:
    """The note names what is moved, so that it is known again where it went."""
    mark = sha256(key.encode()).hexdigest()[:32]
    with (
        journal(workspace) as notes,
        workspace.beside(source) as (old, old_name),
        workspace.beside(target, make=True) as (new, new_name),
    ):
        noted, there = _note(notes, mark), state_of(new, new_name)
        if noted is not None and there is not None and noted == _identity(there) and state_of(old, old_name) is None:
            return
        with told(source, old):
            moved = os.stat(old_name, dir_fd=old, follow_symlinks=False)
        if there is not None and not overwrite:
            raise ToolError(f"`{target.path}` exists already: say `overwrite: true`, or choose another name.")
        _put(notes, mark, json.dumps(_identity(moved)).encode())
        with told(target):
            os.rename(old_name, new_name, src_dir_fd=old, dst_dir_fd=new)
            os.fsync(new)


def _identity(found: os.stat_result) -> dict[str, Any]:
    return {"device": found.st_dev, "inode": found.st_ino}


@contextmanager
def journal(workspace: Workspace) -> Iterator[int]:
    """The folder of the workspace's notes, while nobody else changes files by them."""
    with workspace.folder(JOURNAL, make=True) as notes:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(notes, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ToolError("somebody else keeps the files of this workspace locked: try again.") from None
                time.sleep(0.02)  # a lock of the system with a deadline can only be asked for again
        yield notes


def _note(notes: int, mark: str) -> dict[str, Any] | None:
    if state_of(notes, mark) is None:
        return None
    with open_regular(notes, mark, Place((*JOURNAL.parts, mark))) as file:
        noted: dict[str, Any] = json.loads(file.read(1 << 20))
        return noted


def _content(folder: int, name: str, where: Place) -> bytes | None:
    if state_of(folder, name) is None:
        return None
    with open_regular(folder, name, where) as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ToolError(f"`{where.path}` is larger than {LARGEST:,} bytes: change it in the sandbox.")
    return data


def _put(folder: int, name: str, data: bytes, mode: int = 0o644) -> None:
    """Over what an earlier try left, in one step: `name` is never missing once it was there."""
    fresh = f"{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=folder)
    with create(folder, fresh, mode) as file:
        file.write(data)
    os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
