"""A Git repository in a workspace, of which nothing is believed but its objects, references and index.

The invariant: nothing that lies in a repository is run or followed. Its configuration is not read at all, so there are
no hooks, filters, includes, alternates, fsmonitors or other work trees; where a link or a file stands for a part of
`.git`, the repository is refused. Files of the work tree are read and written by the workspace's own rules.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path

from dulwich.errors import ObjectFormatException
from dulwich.file import FileLocked
from dulwich.ignore import IgnoreFilter
from dulwich.index import Index, IndexEntry, index_entry_from_stat, validate_path, validate_path_element_ntfs
from dulwich.object_store import DiskObjectStore, iter_tree_contents
from dulwich.objects import Blob, Commit, ObjectID, Tag

from .place import Place, place
from .references import References
from .tool import ToolError
from .walk import walk
from .workspace import Workspace

FILE, PROGRAM, LINK, MODULE = 0o100644, 0o100755, 0o120000, 0o160000
BEGINNING = re.compile(r"[0-9a-f]{4,40}")
UNWRITTEN = (LINK, MODULE)
MOST_FILES = 20_000
LARGEST_BLOB = 16 << 20
# For who uses programs of Git on it.
CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = false\n\tbare = false\n\tsymlinks = false\n"
Files = dict[str, tuple[int, ObjectID]]  # path → mode and blob


class OwnObjects(DiskObjectStore):
    """Of this repository alone: others that it names lie outside of the workspace."""

    def _read_alternate_paths(self) -> Iterator[str]:
        return iter(())


class Repository:
    """`where` is its folder in the workspace."""

    def __init__(self, workspace: Workspace, where: str) -> None:
        self.workspace = workspace
        self.where = place(where)
        self.git = Place((*self.where.parts, ".git"), self.where.absolute)
        self.unsaved: dict[bytes, Blob] = {}  # files of the work tree that were looked at

    @property
    def path(self) -> Path:
        return self.workspace.root / self.git.path

    @cached_property
    def object_store(self) -> OwnObjects:
        return OwnObjects(str(self.path / "objects"))

    @cached_property
    def refs(self) -> References:
        return References(self.workspace, self.git)

    def index(self) -> Index:
        return Index(str(self.path / "index"))

    def head(self) -> Commit | None:
        """None: nothing was committed yet."""
        sha = self.refs.head
        return self._peeled(sha) if sha is not None else None

    def commit(self, name: str) -> Commit:
        """By branch, tag, id or the beginning of one, or HEAD; `~2` behind it is two before."""
        base, _, back = name.partition("~")
        sha = self.refs.find(base) or self._by_id(base)
        commit = self._peeled(sha) if sha is not None else None
        for _ in range(int(back) if back.isdecimal() else 0):
            commit = self.parent(commit) if commit is not None else None
        if commit is None or (back and not back.isdecimal()):
            raise ToolError(f"there is no commit {name[:100]!r}: see git.log and git.branch.")
        return commit

    def parent(self, commit: Commit) -> Commit | None:
        """The first. None, too, where a shallow clone ends."""
        if not commit.parents or commit.parents[0] not in self.object_store:
            return None
        return self._peeled(commit.parents[0])

    def _by_id(self, text: str) -> bytes | None:
        if not BEGINNING.fullmatch(text):
            return None
        found = list(islice(self.object_store.iter_prefix(text.encode()), 2))
        return found[0] if len(found) == 1 else None

    def _peeled(self, sha: bytes) -> Commit | None:
        found = self.object_store[ObjectID(sha)]
        for _ in range(10):
            if not isinstance(found, Tag):
                break
            found = self.object_store[found.object[1]]
        return found if isinstance(found, Commit) else None

    def files_of(self, commit: Commit | None) -> Files:
        if commit is None:
            return {}
        found: Files = {}
        for entry in iter_tree_contents(self.object_store, commit.tree):
            found[checked(entry.path or b"")] = (entry.mode or 0, entry.sha or ObjectID(b""))
            if len(found) > MOST_FILES:
                raise ToolError(f"the commit has more than {MOST_FILES:,} files: work on it in the sandbox.")
        return found

    def staged(self, index: Index) -> Files:
        return {
            checked(path): (entry.mode, ObjectID(entry.sha))
            for path, entry in index.items()
            if isinstance(entry, IndexEntry)
        }

    def worktree(self, tracked: Files) -> dict[str, bytes]:
        """Its regular files, by what blobs they would be. What is ignored and not tracked is left out."""
        ignored = self._ignored()
        found: dict[str, bytes] = {}
        for entry in walk(self.workspace, self.where):
            path = entry.path
            if entry.kind != "file" or path.startswith(".git/") or (path not in tracked and _is_ignored(ignored, path)):
                continue
            blob = self.blob(path)
            found[path] = blob.id
            if path in tracked and tracked[path][1] != blob.id:
                self.unsaved[blob.id] = blob
            if len(found) > MOST_FILES:
                raise ToolError(f"there are more than {MOST_FILES:,} files: list what to leave out in .gitignore.")
        return found

    def as_they_are(self, tracked: Files) -> Files:
        """What of these files there is now. What is never written out, a link, counts as unchanged."""
        there = self.worktree(tracked)
        return {
            path: (mode, sha if mode in UNWRITTEN else ObjectID(there[path]))
            for path, (mode, sha) in tracked.items()
            if mode in UNWRITTEN or path in there
        }

    def blob(self, path: str) -> Blob:
        return Blob.from_string(self.workspace.read(self.where.inner(path).path, LARGEST_BLOB))

    def stage(self, index: Index, path: str) -> None:
        """As it lies in the work tree now; what is no more there is no more in the index."""
        if self.workspace.state(self.where.inner(path).path) is None:
            if path.encode() in index:
                del index[path.encode()]
            return
        blob = self.blob(path)
        self.object_store.add_object(blob)
        about = self.workspace.state(self.where.inner(path).path)
        assert about is not None
        index[path.encode()] = index_entry_from_stat(about, blob.id, FILE)

    def write_tree(self, index: Index) -> ObjectID:
        return index.commit(self.object_store)

    def write_files(self, old: Files, new: Files, *, rewrite: bool = False) -> list[str]:
        """Makes the work tree and the index what `new` is. Gives what was left out: links, and other repositories."""
        left_out: list[str] = []
        index = self.index()
        index.clear()
        for path in old.keys() - new.keys():
            self.workspace.remove(self.where.inner(path).path)
        for path, (mode, sha) in new.items():
            target = self.where.inner(path).path
            if mode in UNWRITTEN:
                left_out.append(path)
                target = self.git.inner("config").path  # some file; nobody compares times
            elif rewrite or old.get(path) != (mode, sha) or self.workspace.state(target) is None:
                blob = self.object_store[sha]
                assert isinstance(blob, Blob)
                self.workspace.write(target, blob.data)
            about = self.workspace.state(target)
            assert about is not None
            index[path.encode()] = index_entry_from_stat(about, sha, mode)
        index.write()
        return left_out

    def text(self, sha: bytes | None) -> list[str] | None:
        """Lines of a blob; None when it is no text."""
        if sha is None:
            return []
        blob = self.unsaved.get(sha) or self.object_store[ObjectID(sha)]
        if not isinstance(blob, Blob) or b"\0" in blob.data[:8_000]:
            return None
        return blob.data.decode(errors="replace").splitlines(keepends=True)

    def _ignored(self) -> IgnoreFilter:
        name = self.where.inner(".gitignore").path
        if self.workspace.state(name) is None:
            return IgnoreFilter([])
        lines = self.workspace.read(name, 1 << 20).splitlines()
        return IgnoreFilter([line for line in lines if line.strip() and not line.startswith(b"#")])


def prepare(workspace: Workspace, where: str) -> Repository:
    """All but its HEAD, without which it is none."""
    made = Repository(workspace, where)
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        workspace.make_folder(made.git.inner(folder).path)
    workspace.write(made.git.inner("config").path, CONFIG)
    return made


def create(workspace: Workspace, where: str, branch: str) -> Repository:
    made = prepare(workspace, where)
    made.refs.point_head(branch)
    return made


@contextmanager
def opened(workspace: Workspace, where: str) -> Iterator[Repository]:
    repository = Repository(workspace, where)
    if workspace.state(repository.git.inner("HEAD").path) is None:
        raise ToolError(f"`{repository.where.path}` is no Git repository: make one with git.init or git.clone.")
    for entry in walk(workspace, repository.git):
        if entry.kind in ("link", "other"):
            raise ToolError(f"`.git/{entry.path}` is a link or no regular file: such a repository is not opened.")
    try:
        yield repository
    except FileLocked:
        raise ToolError("somebody else is at this repository, or was killed at it: remove `.git/index.lock`.") from None
    except (ObjectFormatException, KeyError, AssertionError) as error:
        raise ToolError(f"the repository is damaged ({type(error).__name__}): clone it again.") from None
    finally:
        if "object_store" in vars(repository):
            repository.object_store.close()


def checked(path: bytes) -> str:
    """A path in a tree is written by whoever made the commit."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        raise ToolError(f"the repository has a file whose name is no UTF-8: {path!r}.") from None
    if not validate_path(path, validate_path_element_ntfs):
        raise ToolError(f"the repository has a file that no work tree may have: {text!r}.")
    return place(text).path


def _is_ignored(ignored: IgnoreFilter, path: str) -> bool:
    """A folder that is ignored is so with all that is in it."""
    parts = path.split("/")
    folders = ("/".join(parts[:depth]) + "/" for depth in range(1, len(parts)))
    return any(ignored.is_ignored(one) for one in (*folders, path))
