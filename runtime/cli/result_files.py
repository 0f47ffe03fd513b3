"""Result files on this machine. Their names were chosen by untrusted code: none leads out of where they shall be, and
none takes the place of a file that is there, unless that was said.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...actors.errors import Rejected

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def check_writable(out: Path) -> None:
    """Before anything runs whose files would be lost."""
    there = next(path for path in (out, *out.absolute().parents) if os.path.lexists(path))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "nothing may be written there" if there.is_dir() else f"{there} is no directory"
        raise Rejected(f"--out {out} cannot be used: {why}. Give another one.")


def write(out: Path, path: str, content: bytes, *, force: bool) -> str | None:
    """Why it was left out, if it was. `path` is relative and without `..`: it was found by walking down."""
    *folders, name = path.split("/")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _folder(out, folders) as folder:
            if force:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
            with os.fdopen(os.open(name, _FILE, 0o666, dir_fd=folder), "wb") as file:
                file.write(content)
    except FileExistsError:
        return f"{out / path} was left out: there is one already. Say --force to replace it, or another --out."
    except OSError as error:
        return f"{out / path} was left out: {(error.strerror or 'it cannot be written').lower()}. Say another --out."
    return None


@contextmanager
def _folder(out: Path, steps: list[str]) -> Iterator[int]:
    """Of `out` a link may be followed, for somebody named it; of what is beneath, none."""
    folder = os.open(out, _FOLDER)
    try:
        for step in steps:
            with suppress(FileExistsError):
                os.mkdir(step, dir_fd=folder)
            above, folder = folder, os.open(step, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(above)
        yield folder
    finally:
        os.close(folder)
