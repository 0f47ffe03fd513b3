"""Tools that look at the history of a Git repository: `git.log`, `git.diff`, `git.show`."""

from typing import Annotated

from dulwich.objects import Commit
from pydantic import BaseModel, Field

from ..changes import CommitAbout, Diff, about, diff_of, history
from ..repository import Files, Repository, opened
from ..tool import BadArguments, ToolCall
from ..workspace import Workspace
from .git import Name, Path, looks


class Shown(BaseModel):
    commit: CommitAbout
    diff: Diff


@looks("git.log", tags=("repository", "history"))
def log(
    call: ToolCall,
    path: Path = ".",
    start: Name = "HEAD",
    file: Annotated[str | None, Field(description="Only commits that changed this file.")] = None,
    most: Annotated[int, Field(description="How many are given at most.", ge=1, le=500)] = 20,
) -> list[CommitAbout]:
    """Lists commits, the newest first, along first parents."""
    with opened(Workspace(call.workspace), path) as repository:
        if start == "HEAD" and repository.head() is None:
            return []
        found: list[CommitAbout] = []
        for one in history(repository, repository.commit(start), None):
            if file is None or _touches(repository, one, file):
                found.append(about(one))
            if len(found) == most:
                break
        return found


@looks("git.diff", tags=("repository", "changes", "patch"))
def diff(
    call: ToolCall,
    path: Path = ".",
    old: Annotated[Name | None, Field(description="Commit; else what is staged, or HEAD for what is staged.")] = None,
    new: Annotated[Name | None, Field(description="Commit; else the files as they are.")] = None,
    staged: Annotated[bool, Field(description="What is staged, against HEAD.")] = False,
) -> Diff:
    """Shows what differs between two commits, a commit and the files, or what is staged or not staged yet."""
    with opened(Workspace(call.workspace), path) as repository:
        index = repository.staged(repository.index())
        if new is not None:
            if old is None:
                raise BadArguments("two commits are needed: give `old`, too.")
            return diff_of(repository, _of(repository, old), _of(repository, new))
        if staged:
            head = repository.head() if old is None else repository.commit(old)
            return diff_of(repository, repository.files_of(head), index)
        before = index if old is None else _of(repository, old)
        return diff_of(repository, before, repository.as_they_are(index))


@looks("git.show", tags=("repository", "commit", "patch"))
def show(call: ToolCall, path: Path = ".", name: Name = "HEAD") -> Shown:
    """Shows a commit: who, when, why, and what it changed against its first parent."""
    with opened(Workspace(call.workspace), path) as repository:
        found = repository.commit(name)
        parent = repository.parent(found)
        return Shown(
            commit=about(found), diff=diff_of(repository, repository.files_of(parent), repository.files_of(found))
        )


def _of(repository: Repository, name: str) -> Files:
    return repository.files_of(repository.commit(name))


def _touches(repository: Repository, commit: Commit, file: str) -> bool:
    parent = repository.parent(commit)
    return repository.files_of(commit).get(file) != repository.files_of(parent).get(file)


TOOLS = (log, diff, show)
