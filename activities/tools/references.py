"""The branches and tags of a Git repository in a workspace.

They are read and written as files of the workspace, not by a library: what a reference names is a commit, or another
reference beneath `refs/`, and never a file that lies elsewhere.
"""

import re

from dulwich.refs import check_ref_format

from .place import Place
from .tool import BadArguments, ToolError
from .walk import walk
from .workspace import Workspace

HEADS = "refs/heads/"
TAGS = "refs/tags/"
DEEPEST = 5
LARGEST = 8 << 20
_SHA = re.compile(rb"[0-9a-f]{40}")


class References:
    def __init__(self, workspace: Workspace, git: Place) -> None:
        self.workspace = workspace
        self.git = git

    @property
    def branch(self) -> str | None:
        """None: HEAD is no branch."""
        target = self._symbolic("HEAD")
        return target.removeprefix(HEADS) if target is not None and target.startswith(HEADS) else None

    @property
    def head(self) -> bytes | None:
        """None: there is no commit yet."""
        return self._read("HEAD")

    def find(self, name: str) -> bytes | None:
        for ref in (name, f"refs/{name}", f"{TAGS}{name}", f"{HEADS}{name}", f"refs/remotes/{name}"):
            if (ref == "HEAD" or _is_ref(ref)) and (found := self._read(ref)) is not None:
                return found
        return None

    def branches(self) -> dict[str, bytes]:
        found = {name.removeprefix(HEADS): sha for name, sha in self._packed().items() if name.startswith(HEADS)}
        folder = self.git.inner("refs/heads")
        if self.workspace.state(folder.path) is not None:
            for entry in walk(self.workspace, folder):
                if entry.kind == "file" and (sha := self._read(HEADS + entry.path)) is not None:
                    found[entry.path] = sha
        return dict(sorted(found.items()))

    def write(self, ref: str, sha: bytes) -> None:
        self.workspace.write(self.git.inner(ref).path, sha + b"\n")

    def point_head(self, branch: str) -> None:
        self.workspace.write(self.git.inner("HEAD").path, f"ref: {HEADS}{branch}\n".encode())

    def detach_head(self, sha: bytes) -> None:
        self.write("HEAD", sha)

    def move_head(self, sha: bytes) -> None:
        """The branch that it is, or HEAD itself."""
        self.write(HEADS + self.branch if self.branch is not None else "HEAD", sha)

    def remove(self, branch: str) -> None:
        if HEADS + branch in self._packed():
            raise ToolError(f"the branch {branch} is packed: remove it by `git branch -d` in the sandbox.")
        self.workspace.remove(self.git.inner(HEADS + branch).path)

    def _read(self, ref: str) -> bytes | None:
        for _ in range(DEEPEST):
            target = self._symbolic(ref)
            if target is None:
                break
            ref = target
        text = self._text(ref)
        if text is None:
            return self._packed().get(ref)
        return text[:40] if _SHA.fullmatch(text[:40]) else None

    def _symbolic(self, ref: str) -> str | None:
        text = self._text(ref)
        if text is None or not text.startswith(b"ref: "):
            return None
        target = text[5:].decode(errors="replace").strip()
        if not _is_ref(target):
            raise ToolError("a reference in the repository names no reference: such a repository is not opened.")
        return target

    def _text(self, ref: str) -> bytes | None:
        place = self.git.inner(ref)
        state = self.workspace.state(place.path) if self._has_folder(place) else None
        return self.workspace.read(place.path, 4_096).strip() if state is not None else None

    def _has_folder(self, place: Place) -> bool:
        """Branches may have slashes in their names."""
        folder = self.git
        for part in place.parts[len(self.git.parts) : -1]:
            folder = folder.inner(part)
            if self.workspace.state(folder.path) is None:
                return False
        return True

    def _packed(self) -> dict[str, bytes]:
        path = self.git.inner("packed-refs").path
        if self.workspace.state(path) is None:
            return {}
        found: dict[str, bytes] = {}
        for line in self.workspace.read(path, LARGEST).splitlines():
            sha, _, name = line.partition(b" ")
            ref = name.decode(errors="replace")
            if _SHA.fullmatch(sha) and _is_ref(ref):
                found[ref] = sha
        return found


def branch_name(text: str) -> str:
    """Raises BadArguments."""
    if not _is_ref(HEADS + text) or text.startswith("-") or text == "HEAD" or not text.isprintable():
        raise BadArguments(f"{text[:100]!r} cannot be the name of a branch: write it as in feature/search.")
    return text


def _is_ref(name: str) -> bool:
    return name.startswith("refs/") and name.isprintable() and check_ref_format(name.encode())  # type: ignore[arg-type]
