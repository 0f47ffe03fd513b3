"""Tools that change Git repositories in the workspace: `git.init`, `clone`, `status`, `add`, `commit`.

No program of Git runs, and nothing that lies in a repository is run: no hooks, no filters, no configuration. Files are
committed and written as they are; links are left out.
"""

import time
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Annotated, Any

from dulwich.objects import Commit, ObjectID
from pydantic import BaseModel, Field

from ...sandbox.selection import Selection
from ..changes import Change, CommitAbout, about, changed, history, id_of
from ..clone import fetch_into
from ..manifest import Permission
from ..place import changes_path, reads_path, writes
from ..references import branch_name
from ..repository import Repository, create, opened
from ..tool import ToolCall, ToolError, tool
from ..web import Url, connects
from ..workspace import Workspace

TRAILER = "Resprout-Call"
LOOKED_BACK = 100  # commits, for one that this call has made already

Path = Annotated[str, Field(description="Folder of the repository in the workspace.", max_length=4_000)]
Name = Annotated[str, Field(description="Branch, tag or id of a commit; `HEAD~2` is two before.", max_length=200)]


class Status(BaseModel):
    branch: str | None = Field(description="null: no branch is checked out, only a commit")
    commit: str | None = Field(description="null: nothing was committed yet")
    staged: list[Change] = Field(description="what the next commit changes")
    unstaged: list[Change] = Field(description="what is changed and not added")
    untracked: list[str] = Field(description="files that are in no commit and not added")


class Made(BaseModel):
    path: str
    branch: str


class Cloned(BaseModel):
    path: str
    branch: str
    commit: str
    files: int
    left_out: list[str] = Field(description="links and submodules, which are not written")


class Added(BaseModel):
    paths: list[str]


looks = partial(tool, version="1.0.0", contract="safe-to-retry", permissions=("files.read",), needs=reads_path)
changes = partial(
    tool,
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read", "files.write"),
    needs=changes_path,
    danger="low",
)


def _clones(arguments: Any) -> tuple[Permission, ...]:
    return connects(arguments.url), writes(arguments.path)


@changes("git.init", tags=("repository",))
def init(
    call: ToolCall, path: Path = ".", branch: Annotated[str, Field(description="Its first branch.")] = "main"
) -> Made:
    """Makes a Git repository of a folder of the workspace. One that is there already stays as it is."""
    workspace = Workspace(call.workspace)
    made = Repository(workspace, path)
    if workspace.state(made.where.path) is None or workspace.state(made.git.path) is None:
        made = create(workspace, path, branch_name(branch))
    return Made(path=made.where.path, branch=made.refs.branch or "")


@tool(
    "git.clone",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("net.connect", "files.write"),
    needs=_clones,
    danger="low",
    timeout=timedelta(minutes=5),
    tags=("repository", "download"),
)
async def clone(
    call: ToolCall,
    url: Url,
    path: Annotated[str, Field(description="Folder to make in the workspace.", max_length=4_000)],
    branch: Annotated[str | None, Field(description="Which; else the one that the server's HEAD is.")] = None,
    depth: Annotated[int | None, Field(description="Only so many of the last commits.", ge=1)] = None,
) -> Cloned:
    """Gets a Git repository by HTTP into a new folder of the workspace, and checks a branch out. Only the host of the
    URL is reached."""
    repository, chosen = await fetch_into(call, url, path, branch_name(branch) if branch else None, depth)
    commit = repository.commit(chosen)
    new = repository.files_of(commit)
    left_out = repository.write_files({}, new)
    repository.refs.point_head(chosen)
    repository.object_store.close()
    return Cloned(
        path=repository.where.path,
        branch=chosen,
        commit=id_of(commit),
        files=len(new) - len(left_out),
        left_out=left_out,
    )


@looks("git.status", tags=("repository", "changes"))
def status(call: ToolCall, path: Path = ".") -> Status:
    """Shows the branch, and what is staged, changed and untracked."""
    with opened(Workspace(call.workspace), path) as repository:
        head = repository.head()
        staged = repository.staged(repository.index())
        untracked = repository.worktree(staged).keys() - staged.keys()
        return Status(
            branch=repository.refs.branch,
            commit=id_of(head) if head is not None else None,
            staged=changed(repository.files_of(head), staged),
            unstaged=changed(staged, repository.as_they_are(staged)),
            untracked=sorted(untracked),
        )


@changes("git.add", tags=("repository", "stage"))
def add(
    call: ToolCall,
    files: Annotated[list[str], Field(description="Patterns, as in `src/**`; `**` is all.", min_length=1)],
    path: Path = ".",
) -> Added:
    """Stages files for the next commit as they are now; one that was deleted is staged as deleted."""
    with opened(Workspace(call.workspace), path) as repository:
        index = repository.index()
        staged = repository.staged(index)
        there = repository.worktree(staged)
        added: set[str] = set()
        for pattern in files:
            wanted = Selection([pattern])
            found = {name for name in there.keys() | staged.keys() if wanted.takes(name)}
            if not found:
                raise ToolError(f"no file is like `{pattern}`: see git.status.")
            added |= found
        for name in added:
            repository.stage(index, name)
        index.write()
        return Added(paths=sorted(added))


@changes("git.commit", contract="keyed", tags=("repository", "save"))
def commit(
    call: ToolCall,
    message: Annotated[str, Field(description="What was changed and why.", min_length=1, max_length=20_000)],
    path: Path = ".",
    author: Annotated[
        str | None, Field(description="`Name <mail>`; else who calls.", pattern=r"^[^<>\x00-\x1f]+ <[^<>\x00-\x1f]*>$")
    ] = None,
) -> CommitAbout:
    """Commits what is staged. A trailer in the message names the call, so that the same call commits once."""
    with opened(Workspace(call.workspace), path) as repository:
        trailer = f"{TRAILER}: {sha256(call.key.encode()).hexdigest()[:32]}"
        head = repository.head()
        for one in history(repository, head, LOOKED_BACK):
            if trailer.encode() in one.message.splitlines():
                return about(one)
        tree = repository.write_tree(repository.index())
        if tree == (head.tree if head is not None else EMPTY_TREE):
            raise ToolError("nothing is staged: stage what is to be committed with git.add.")
        made = _commit(tree, head, f"{message.rstrip()}\n\n{trailer}\n", author or _identity(call))
        repository.object_store.add_object(made)
        repository.refs.move_head(made.id)
        return about(made)


EMPTY_TREE = b"4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def _commit(tree: ObjectID, parent: Commit | None, message: str, author: str) -> Commit:
    made = Commit()
    made.tree = tree
    made.parents = [parent.id] if parent is not None else []
    made.author = made.committer = author.encode()
    made.author_time = made.commit_time = int(time.time())
    made.author_timezone = made.commit_timezone = 0
    made.encoding = b"UTF-8"
    made.message = message.encode()
    return made


def _identity(call: ToolCall) -> str:
    name = "".join(letter for letter in call.principal if letter not in "<>\n\0")
    return f"{name} <agent@resprout.invalid>"


TOOLS = (init, clone, status, add, commit)
