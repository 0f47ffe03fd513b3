"""Git repositories of a workspace: what our tools make is read by the real Git, and what it makes by ours."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import make_server

import pytest
from dulwich.repo import Repo
from dulwich.server import BackendRepo, DictBackend
from dulwich.web import HTTPGitApplication, WSGIRequestHandlerLogger, WSGIServerLogger
from resprout.activities.tools.builtin import git, git_branches, git_history
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands, sandboxed
from support.tool_calls import hands as bare_hands
from support.web_site import HOST

QUIET = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "ada@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def real_git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env=QUIET, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return bare_hands(workspace)


async def committed(hands: Hands, files: dict[str, str], message: str = "why") -> str:
    for path, text in files.items():
        hands.put(path, text)
    await hands.use(git.add, files=list(files))
    return str((await hands.use(git.commit, message=message))["id"])


async def test_what_is_committed_is_read_by_the_real_git(hands: Hands) -> None:
    await hands.use(git.init)
    await committed(hands, {"a.txt": "one\n", "in/b.txt": "two\n"}, "First\n\nbecause")
    await committed(hands, {"a.txt": "one\nmore\n"}, "Second")

    assert real_git(hands.workspace, "status", "--porcelain") == ""
    assert real_git(hands.workspace, "log", "--format=%s") == "Second\nFirst\n"
    assert real_git(hands.workspace, "log", "--format=%an", "-1") == "agent:tester/ada\n"
    assert "dangling" not in real_git(hands.workspace, "fsck", "--strict")


async def test_the_same_commit_twice_is_one(hands: Hands) -> None:
    await hands.use(git.init)
    hands.put("a", "1")
    await hands.use(git.add, files=["a"])
    parsed = git.commit.parse({"message": "why", "author": "Ada <a@example.org>"})

    first, second = [await git.commit.run(hands.call, parsed) for _ in range(2)]

    assert first == second
    assert first["author"] == "Ada <a@example.org>"
    assert len(await hands.use(git_history.log)) == 1
    with pytest.raises(ToolError, match="nothing is staged"):
        await hands.use(git.commit, message="again")


async def test_status_tells_staged_changed_and_untracked(hands: Hands) -> None:
    await hands.use(git.init, branch="trunk")
    await committed(hands, {"same": "1", "changed": "1", "deleted": "1", ".gitignore": "*.log\nbuild/\n"})
    hands.put("changed", "2")
    (hands.workspace / "deleted").unlink()
    hands.put("new", "1")
    hands.put("x.log", "")
    hands.put("build/out", "")
    hands.put("staged", "other")
    await hands.use(git.add, files=["staged"])

    found = await hands.use(git.status)

    assert found["branch"] == "trunk"
    assert found["staged"] == [{"path": "staged", "change": "added"}]
    assert found["unstaged"] == [{"path": "changed", "change": "modified"}, {"path": "deleted", "change": "deleted"}]
    assert found["untracked"] == ["new"]
    await hands.use(git.add, files=["deleted"])
    assert {"path": "deleted", "change": "deleted"} in (await hands.use(git.status))["staged"]
    assert real_git(hands.workspace, "status", "--porcelain") == " M changed\nD  deleted\nA  staged\n?? new\n"


async def test_the_history_is_shown(hands: Hands) -> None:
    await hands.use(git.init)
    assert await hands.use(git_history.log) == []
    first = await committed(hands, {"a": "1\n", "b": "1\n"}, "First")
    second = await committed(hands, {"a": "2\n"}, "Second")

    assert [one["id"] for one in await hands.use(git_history.log)] == [second, first]
    assert [one["id"] for one in await hands.use(git_history.log, file="b")] == [first]
    assert [one["id"] for one in await hands.use(git_history.log, start="HEAD~1")] == [first]
    shown = await hands.use(git_history.show, name=second[:8])
    assert shown["commit"]["message"].startswith("Second")
    assert shown["diff"]["text"] == "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n"
    with pytest.raises(ToolError, match="there is no commit 'HEAD~7'"):
        await hands.use(git_history.show, name="HEAD~7")
    with pytest.raises(ToolError, match="there is no commit 'nowhere'"):
        await hands.use(git_history.log, start="nowhere")


async def test_what_differs_is_shown_in_each_stage(hands: Hands) -> None:
    await hands.use(git.init)
    first = await committed(hands, {"a": "1\n", "bin": "\0"})
    hands.put("a", "2\n")
    unstaged = await hands.use(git_history.diff)
    await hands.use(git.add, files=["**"])
    staged = await hands.use(git_history.diff, staged=True)
    hands.put("bin", "\0\0")

    assert unstaged["text"] == staged["text"] == "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n"
    assert (await hands.use(git_history.diff))["text"] == "Binary file bin was modified.\n"
    assert len((await hands.use(git_history.diff, old="HEAD"))["changes"]) == 2
    assert (await hands.use(git_history.diff, old=first, new="HEAD"))["changes"] == []
    with pytest.raises(BadArguments, match="give `old`, too"):
        await hands.use(git_history.diff, new="HEAD")


async def test_branches_are_made_checked_out_and_deleted(hands: Hands) -> None:
    await hands.use(git.init)
    first = await committed(hands, {"a": "1\n", "old/b": "1\n"})
    await hands.use(git_branches.branch, create="feature/x")
    await hands.use(git_branches.checkout, name="feature/x")
    hands.put("a", "2\n")
    (hands.workspace / "old/b").unlink()
    await hands.use(git.add, files=["a", "old/b"])
    await hands.use(git.commit, message="Second")

    back = await hands.use(git_branches.checkout, name="main")
    listed = await hands.use(git_branches.branch)

    assert (back["branch"], back["commit"]) == ("main", first)
    assert (hands.workspace / "a").read_text() == "1\n"
    assert (hands.workspace / "old/b").exists()
    assert (listed["current"], list(listed["branches"])) == ("main", ["feature/x", "main"])
    assert real_git(hands.workspace, "status", "--porcelain") == ""
    assert list((await hands.use(git_branches.branch, delete="feature/x"))["branches"]) == ["main"]
    with pytest.raises(ToolError, match="is checked out"):
        await hands.use(git_branches.branch, delete="main")
    with pytest.raises(BadArguments, match="cannot be the name of a branch"):
        await hands.use(git_branches.branch, create="../../x")


async def test_a_checkout_loses_no_change_unless_it_is_told_to(hands: Hands) -> None:
    await hands.use(git.init)
    first = await committed(hands, {"a": "1\n"})
    await committed(hands, {"a": "2\n", "b": "2\n"})
    hands.put("a", "mine\n")

    with pytest.raises(ToolError, match="changes of a would be lost"):
        await hands.use(git_branches.checkout, name=first)
    assert (hands.workspace / "a").read_text() == "mine\n"
    there = await hands.use(git_branches.checkout, name=first, force=True)
    assert (there["branch"], (hands.workspace / "a").read_text()) == (None, "1\n")
    assert not (hands.workspace / "b").exists()
    hands.put("b", "untracked\n")
    with pytest.raises(ToolError, match="changes of b would be lost"):
        await hands.use(git_branches.checkout, name="main")


async def test_a_checkout_that_was_killed_in_the_middle_is_done_again(hands: Hands) -> None:
    await hands.use(git.init)
    first = await committed(hands, {"a": "1\n", "b": "1\n"})
    await committed(hands, {"a": "2\n", "b": "2\n"})
    hands.put("a", "1\n")  # it had come so far

    await hands.use(git_branches.checkout, name=first)

    assert (hands.workspace / "b").read_text() == "1\n"


async def test_nothing_that_lies_in_a_repository_is_run_or_followed(hands: Hands, tmp_path: Path) -> None:
    await hands.use(git.init)
    await committed(hands, {"a": "1\n", ".gitattributes": "* filter=evil\n"})
    mark = tmp_path / "was-run"
    run = f"touch {mark}"
    for hook in ("pre-commit", "commit-msg", "post-commit", "post-checkout"):
        file = hands.workspace / ".git/hooks" / hook
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{run}\n")
        file.chmod(0o755)
    config = hands.workspace / ".git/config"
    config.write_text(
        f'{config.read_text()}[filter "evil"]\n\tclean = {run}\n\tsmudge = {run}\n[core]\n\tfsmonitor = {run}\n'
        f"\tworktree = {tmp_path}\n[include]\n\tpath = {tmp_path}/other\n"
    )

    await committed(hands, {"a": "2\n"})
    await hands.use(git_branches.checkout, name="HEAD~1")
    await hands.use(git.status)

    assert not mark.exists()
    assert (hands.workspace / "a").read_text() == "1\n"


async def test_a_repository_that_leads_out_of_the_workspace_is_not_opened(hands: Hands, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    real_git(other, "init", "-q")
    (other / "secret").write_text("canary")
    real_git(other, "add", ".")
    real_git(other, "commit", "-qm", "secret")
    sha = real_git(other, "rev-parse", "HEAD").strip()
    await hands.use(git.init)

    (hands.workspace / ".git/objects/info/alternates").write_text(f"{other}/.git/objects\n")
    with pytest.raises(ToolError, match=r"there is no commit|is damaged"):
        await hands.use(git_history.show, name=sha)
    (hands.workspace / ".git/refs/heads/x").write_text("ref: ../../../other/secret\n")
    with pytest.raises(ToolError, match="names no reference"):
        await hands.use(git_history.show, name="x")
    (hands.workspace / ".git/objects/ab").symlink_to(other)
    with pytest.raises(ToolError, match=r"`\.git/objects/ab` is a link"):
        await hands.use(git_history.log)


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        (git.status, {}),
        (git.add, {"files": ["a"]}),
        (git.commit, {"message": "m"}),
        (git_branches.checkout, {"name": "main"}),
        (git_history.log, {}),
        (git_history.diff, {}),
        (git_history.show, {}),
        (git_branches.branch, {}),
    ],
    ids=lambda one: one.name if isinstance(one, Tool) else "",
)
async def test_where_there_is_no_repository_it_is_said(hands: Hands, tool: Tool, given: dict[str, Any]) -> None:
    hands.put("in/file", "")

    with pytest.raises(ToolError, match="`in` is no Git repository"):
        await hands.use(tool, path="in", **given)


async def test_what_cannot_be_added_or_begun_is_said(hands: Hands) -> None:
    await hands.use(git.init)

    with pytest.raises(ToolError, match=r"no file is like `\*\.py`"):
        await hands.use(git.add, files=["*.py"])
    with pytest.raises(BadArguments, match="cannot be the name of a branch"):
        await hands.use(git.init, path="other", branch="a b")
    assert (await hands.use(git.init, branch="other"))["branch"] == "main"


@contextmanager
def served(repository: Path) -> Iterator[str]:
    with Repo(str(repository)) as repo:
        served: dict[str, BackendRepo] = {"/shop": repo}
        application = HTTPGitApplication(DictBackend(served))
        server = make_server(
            HOST, 0, application, server_class=WSGIServerLogger, handler_class=WSGIRequestHandlerLogger
        )
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    real_git(folder, "init", "-q", "-b", "trunk")
    for number in ("1", "2", "3"):
        (folder / "a.txt").write_text(f"{number}\n")
        (folder / "link").unlink(missing_ok=True)
        (folder / "link").symlink_to("/etc/passwd")
        real_git(folder, "add", ".")
        real_git(folder, "commit", "-qm", f"Number {number}")
    real_git(folder, "branch", "side", "HEAD~1")
    return folder


@pytest.fixture
async def reaching(tmp_path: Path) -> AsyncIterator[Hands]:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    async with sandboxed(workspace, HOST) as hands:
        yield hands


async def test_a_repository_is_cloned_through_the_gate(reaching: Hands, origin: Path) -> None:
    with served(origin) as url:
        found = await reaching.use(git.clone, url=f"{url}/shop", path="got/shop")
        side = await reaching.use(git.clone, url=f"{url}/shop", path="side", branch="side")

        assert reaching.needs(git.clone, url=f"{url}/shop", path="x") == [
            f"net.connect:{url.removeprefix('http://')}",
            "files.write:workspace:x",
        ]
    assert (found["branch"], found["files"], found["left_out"]) == ("trunk", 1, ["link"])
    assert (reaching.workspace / "got/shop/a.txt").read_text() == "3\n"
    assert (reaching.workspace / "side/a.txt").read_text() == "2\n"
    assert side["branch"] == "side"
    status = await reaching.use(git.status, path="got/shop")
    assert (status["staged"], status["unstaged"], status["untracked"]) == ([], [], [])
    assert len(await reaching.use(git_history.log, path="got/shop")) == 3


async def test_a_clone_may_be_shallow(reaching: Hands, origin: Path) -> None:
    with served(origin) as url:
        await reaching.use(git.clone, url=f"{url}/shop", path="shop", depth=1)

    assert len(await reaching.use(git_history.log, path="shop")) == 1
    assert real_git(reaching.workspace / "shop", "log", "--format=%s") == "Number 3\n"


async def test_a_clone_that_was_killed_is_done_again_and_one_that_was_done_is_given_again(
    reaching: Hands, origin: Path
) -> None:
    call = replace(reaching.call, key="the same")
    with served(origin) as url:
        parsed = git.clone.parse({"url": f"{url}/shop", "path": "shop"})
        first = await git.clone.run(call, parsed)
        again = await git.clone.run(call, parsed)
        (reaching.workspace / "shop/.git/HEAD").unlink()
        (reaching.workspace / "shop/.git/refs/heads/trunk").unlink()
        third = await git.clone.run(call, parsed)

    assert first == again == third


async def test_what_cannot_be_cloned_leaves_nothing(reaching: Hands, origin: Path) -> None:
    with served(origin) as url:
        with pytest.raises(ToolError, match=r"is no Git repository|could not be cloned"):
            await reaching.use(git.clone, url=f"{url}/nothing", path="x")
        with pytest.raises(ToolError, match="has no branch none; there is side, trunk"):
            await reaching.use(git.clone, url=f"{url}/shop", path="x", branch="none")
        reaching.put("mine/file", "")
        with pytest.raises(ToolError, match="`mine` exists already"):
            await reaching.use(git.clone, url=f"{url}/shop", path="mine")
    with pytest.raises(ToolError, match="could not be cloned"):
        await reaching.use(git.clone, url=f"{url}/shop", path="x")

    assert [one.name for one in reaching.workspace.iterdir()] == ["mine"]


async def test_a_clone_reaches_no_private_address_that_no_operator_allows(tmp_path: Path, origin: Path) -> None:
    async with sandboxed(tmp_path / "workspace") as hands:
        with served(origin) as url, pytest.raises(ToolError, match="could not be cloned"):
            await hands.use(git.clone, url=f"{url}/shop", path="x")
