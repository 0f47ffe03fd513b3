"""What tools say of commits, and of what differs between two states of a Git repository."""

from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import unified_diff
from typing import Literal

from dulwich.objects import Commit
from pydantic import BaseModel, Field

from .repository import Files, Repository

MOST_TEXT = 200_000


class CommitAbout(BaseModel):
    id: str
    author: str
    at: datetime
    message: str
    parents: list[str]


class Change(BaseModel):
    path: str
    change: Literal["added", "modified", "deleted"]


class Diff(BaseModel):
    changes: list[Change]
    text: str = Field(description="unified diff, up to 200,000 characters")
    is_cut: bool


def sha_of(files: Files, name: str) -> bytes | None:
    return files[name][1] if name in files else None


def changed(old: Files, new: Files) -> list[Change]:
    found = [Change(path=name, change="added") for name in new.keys() - old.keys()]
    found += [Change(path=name, change="deleted") for name in old.keys() - new.keys()]
    found += [Change(path=name, change="modified") for name in old.keys() & new.keys() if old[name][1] != new[name][1]]
    return sorted(found, key=lambda change: change.path)


def diff_of(repository: Repository, old: Files, new: Files) -> Diff:
    changes = changed(old, new)
    parts: list[str] = []
    for change in changes:
        parts.append(_file_diff(repository, change, sha_of(old, change.path), sha_of(new, change.path)))
        if sum(map(len, parts)) > MOST_TEXT:
            break
    text = "".join(parts)
    return Diff(changes=changes, text=text[:MOST_TEXT], is_cut=len(text) > MOST_TEXT or len(parts) < len(changes))


def _file_diff(repository: Repository, change: Change, old: bytes | None, new: bytes | None) -> str:
    before, after = repository.text(old), repository.text(new)
    if before is None or after is None:
        return f"Binary file {change.path} was {change.change}.\n"
    names = (f"a/{change.path}" if old else "/dev/null", f"b/{change.path}" if new else "/dev/null")
    lines = unified_diff(before, after, *names)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def history(repository: Repository, start: Commit | None, most: int | None) -> Iterator[Commit]:
    seen = 0
    while start is not None and (most is None or seen < most):
        yield start
        seen += 1
        start = repository.parent(start)


def about(commit: Commit) -> CommitAbout:
    return CommitAbout(
        id=id_of(commit),
        author=commit.author.decode(errors="replace"),
        at=datetime.fromtimestamp(commit.commit_time, UTC),
        message=commit.message.decode(errors="replace"),
        parents=[parent.decode() for parent in commit.parents],
    )


def id_of(commit: Commit) -> str:
    return commit.id.decode()
