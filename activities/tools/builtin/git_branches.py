"""Tools for the branches of a Git repository: `git.branch` and `git.checkout`."""

from typing import Annotated

from pydantic import BaseModel, Field

from ..changes import id_of, sha_of
from ..references import HEADS, branch_name
from ..repository import Files, Repository, opened
from ..tool import ToolCall, ToolError
from ..workspace import Workspace
from .git import Name, Path, changes


class Branches(BaseModel):
    current: str | None
    branches: dict[str, str] = Field(description="name → commit")


class CheckedOut(BaseModel):
    branch: str | None
    commit: str
    left_out: list[str] = Field(description="links and submodules, which are not written")


@changes("git.branch", tags=("repository",))
def branch(
    call: ToolCall,
    path: Path = ".",
    create: Annotated[str | None, Field(description="Name of a branch to make.")] = None,
    at: Name = "HEAD",
    delete: Annotated[str | None, Field(description="Name of a branch to delete.")] = None,
) -> Branches:
    """Lists the branches; makes one at a commit, or deletes one, before."""
    with opened(Workspace(call.workspace), path) as repository:
        refs = repository.refs
        if create is not None:
            name, target = branch_name(create), repository.commit(at)
            if refs.branches().get(name, target.id) != target.id:
                raise ToolError(f"there is a branch {name} at another commit: choose another name, or delete it.")
            refs.write(HEADS + name, target.id)
        if delete is not None:
            if delete == refs.branch:
                raise ToolError(f"the branch {delete} is checked out: check out another one first.")
            refs.remove(branch_name(delete))
        return Branches(current=refs.branch, branches={name: sha.decode() for name, sha in refs.branches().items()})


@changes("git.checkout", tags=("repository", "switch"))
def checkout(
    call: ToolCall,
    name: Name,
    path: Path = ".",
    create: Annotated[bool, Field(description="Make the branch `name` at HEAD first.")] = False,
    force: Annotated[bool, Field(description="Throw away changes that are not committed.")] = False,
) -> CheckedOut:
    """Makes the files what they are in a branch or commit. Refused where changes would be lost, unless `force`."""
    with opened(Workspace(call.workspace), path) as repository:
        refs = repository.refs
        head = repository.head()
        if create and head is not None and branch_name(name) not in refs.branches():
            refs.write(HEADS + name, head.id)
        target = repository.commit(name)
        old = repository.files_of(head)
        new = repository.files_of(target)
        staged = repository.staged(repository.index())
        if not force:
            _expect_nothing_lost(repository, old, new, staged)
        left_out = repository.write_files({**old, **staged}, new, rewrite=force)
        if name in refs.branches():
            refs.point_head(name)
        else:
            refs.detach_head(target.id)
        return CheckedOut(branch=refs.branch, commit=id_of(target), left_out=left_out)


def _expect_nothing_lost(repository: Repository, old: Files, new: Files, staged: Files) -> None:
    """What a checkout that was interrupted has written already is nobody's change."""
    there = repository.as_they_are({**new, **old, **staged})
    lost = [
        name
        for name in sorted({**old, **staged, **there})
        if not {sha_of(there, name), sha_of(staged, name)} <= {sha_of(old, name), sha_of(new, name), None}
        or (name in staged) != (name in old or name in new)
    ]
    if lost:
        raise ToolError(
            f"changes of {', '.join(lost[:5])} would be lost: commit them, or say `force: true` to throw them away."
        )


TOOLS = (branch, checkout)
