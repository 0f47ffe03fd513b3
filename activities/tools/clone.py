"""Gets a Git repository by HTTP, through a gate that lets it reach the URL's host and port and nothing else.

The library speaks the protocol in this process; what comes is a pack of objects, whose size the gate bounds, and
nothing of it is run. A repository is one from when its HEAD is written, so what a killed call left is begun anew.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import urllib3
from dulwich.client import Urllib3HttpGitClient
from dulwich.config import ConfigFile
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from urllib3.connection import HTTPConnection, HTTPSConnection

from .references import HEADS, branch_name
from .repository import Repository, prepare
from .tool import ToolCall, ToolError
from .web import reached
from .workspace import Workspace

SECONDS = 60.0  # in which not a byte comes


async def fetch_into(
    call: ToolCall, url: str, path: str, branch: str | None, depth: int | None
) -> tuple[Repository, str]:
    """With the branch that was asked for, or that is the other side's HEAD; nothing is checked out."""
    if call.sandbox is None:
        raise ToolError("nothing can be reached from here, for there are no sandboxes: call it where a worker runs.")
    workspace = Workspace(call.workspace)
    repository = Repository(workspace, path)
    maker = repository.git.inner("cloned-by").path
    mark = sha256(call.key.encode()).hexdigest().encode()
    if workspace.state(repository.where.path) is not None:
        is_known = workspace.state(repository.git.path) is not None and workspace.state(maker) is not None
        if not is_known or workspace.read(maker) != mark:
            raise ToolError(f"`{repository.where.path}` exists already: choose another `path`.")
        if repository.refs.branch is not None:  # this very call had come so far
            return repository, repository.refs.branch
        workspace.remove(repository.where.path, recursive=True)
    workspace.write(maker, mark)
    prepare(workspace, path)
    try:
        async with call.sandbox.way_out(reached(url)) as gate:
            chosen, sha = await asyncio.to_thread(_fetch, repository, url, gate, branch, depth)
    except BaseException:
        workspace.remove(repository.where.path, recursive=True)
        raise
    repository.refs.write(HEADS + chosen, sha)
    return repository, chosen


def _fetch(repository: Repository, url: str, gate: str, branch: str | None, depth: int | None) -> tuple[str, bytes]:
    client = Urllib3HttpGitClient(url, pool_manager=_through(gate), config=ConfigFile(), quiet=True)
    chosen: list[tuple[str, bytes]] = []

    def wanted(refs: Any, depth: int | None = None) -> list[Any]:
        chosen.append(_chosen(url, dict(refs), branch))
        return [chosen[0][1]]

    store = repository.object_store
    with _told(url):
        file, commit, abort = store.add_pack()
        try:
            fetched = client.fetch_pack(b"", wanted, Nobody(), file.write, depth=depth)
        except BaseException:
            abort()
            raise
        commit()
    if fetched.new_shallow:
        lines = b"".join(sha + b"\n" for sha in sorted(fetched.new_shallow))
        repository.workspace.write(repository.git.inner("shallow").path, lines)
    return chosen[0]


class Nobody:
    """Who has no commit yet."""

    shallow: frozenset[bytes] = frozenset()
    unshallow: frozenset[bytes] = frozenset()

    def update_shallow(self, new: Any, gone: Any) -> None:
        """Is noted at the end."""

    def ack(self, sha: bytes) -> None:
        """There is nothing to be spared."""

    def nak(self) -> None:
        """As expected."""

    def __next__(self) -> None:
        return None


def _chosen(url: str, refs: dict[bytes, bytes], branch: str | None) -> tuple[str, bytes]:
    named = {
        ref[len(HEADS) :].decode(errors="replace"): sha for ref, sha in refs.items() if ref.startswith(HEADS.encode())
    }
    if branch is None:
        head = refs.get(b"HEAD")
        branch = next((name for name in ("main", "master", *sorted(named)) if named.get(name) == head), None)
    if branch is None or branch not in named:
        known = ", ".join(sorted(named)[:10]) or "no branch at all"
        raise ToolError(f"{url} has no branch {branch or 'to begin with'}; there is {known}.")
    return branch_name(branch), named[branch]


def _through(gate: str) -> urllib3.ProxyManager:
    """All connections go to the gate's socket, which is a proxy."""

    def dial(connection: HTTPConnection) -> socket.socket:
        dialled = socket.socket(socket.AF_UNIX)
        dialled.settimeout(SECONDS)
        dialled.connect(gate)
        return dialled

    class Plain(HTTPConnection):
        _new_conn = dial

    class Secure(HTTPSConnection):
        _new_conn = dial

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    manager = urllib3.ProxyManager("http://gate.invalid", timeout=SECONDS, retries=False)
    manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return manager


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except NotGitRepository:
        raise ToolError(f"{url} is no Git repository: look at how it is written.") from None
    except (GitProtocolError, HangupException, urllib3.exceptions.HTTPError, OSError, ValueError, EOFError) as error:
        said = str(error).rstrip(".")[:300] or type(error).__name__
        raise ToolError(f"{url} could not be cloned: {said}.") from None
