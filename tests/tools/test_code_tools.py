"""Tools that run code, in real sandboxes."""

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from resprout.activities.sandbox.process.sandbox import ProcessSandbox
from resprout.activities.sandbox.sandboxes import Sandboxes
from resprout.activities.tools.builtin import code, source
from resprout.activities.tools.run_sandbox import CallSandbox
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from resprout.memory import large_payloads
from resprout.memory.database import Database
from resprout.memory.sandbox_runs import SandboxRuns
from support.tool_calls import Hands, NoSecrets, sandboxed
from support.tool_calls import hands as bare_hands
from support.web_site import HOST, Said, Website, website

GET = "import sys, urllib.request\nprint(urllib.request.urlopen(sys.stdin.read()).read().decode())"


@pytest.fixture
def site() -> Iterator[Website]:
    with website({"/": Said("hello")}) as site:
        yield site


@pytest.fixture
async def hands(tmp_path: Path) -> AsyncIterator[Hands]:
    async with sandboxed(tmp_path, HOST) as hands:
        yield hands


async def test_a_command_gets_files_of_the_workspace_and_leaves_others_there(hands: Hands) -> None:
    hands.put("data/a.txt", "two\nlines\n")
    hands.put("data/b.bin", b"\xff\x00")
    hands.put("secret.txt", "not named")

    ran = await hands.use(
        code.shell, command="mkdir out; wc -c data/* | tee out/sizes; ls", files=["data/*"], collect=["out/*"]
    )

    assert (ran["ended"], ran["exit_code"], ran["files"]) == ("exit", 0, ["out/sizes"])
    assert "secret.txt" not in ran["stdout"]
    assert "2 data/b.bin" in (hands.workspace / "out/sizes").read_text()


async def test_a_command_that_fails_is_an_answer(hands: Hands) -> None:
    ran = await hands.use(code.shell, command="echo no >&2; exit 3")

    assert (ran["exit_code"], ran["stderr"]) == (3, "no\n")


async def test_a_file_that_is_not_there_is_said(hands: Hands) -> None:
    with pytest.raises(ToolError, match=r"no file of the workspace is like `\*\.csv`"):
        await hands.use(code.shell, command="true", files=["*.csv"])
    with pytest.raises(BadArguments, match="leads out of the workspace"):
        await hands.use(code.shell, command="true", files=["../*"])


async def test_python_runs_within_its_limits(hands: Hands) -> None:
    ran = await hands.use(code.python, code="print(6 * 7, input())", stdin="yes\n")
    late = await hands.use(code.python, code="import time; time.sleep(60)", seconds=1)

    assert (ran["stdout"], ran["said"]) == ("42 yes\n", "")
    assert late["ended"] == "timeout"
    assert "killed after 1s" in late["said"]
    with pytest.raises(BadArguments, match="`seconds`"):
        await hands.use(code.python, code="1", seconds=100_000)


async def test_code_reaches_the_hosts_that_are_named_and_no_others(hands: Hands, site: Website) -> None:
    there = await hands.use(code.python, code=GET, stdin=site.url(), net=[site.place])
    elsewhere = await hands.use(code.python, code=GET, stdin=site.url(), net=["example.org:443"])

    assert there["stdout"] == "hello\n"
    assert f"`{site.place}` is an address and not listed" in elsewhere["said"]
    with pytest.raises(BadArguments, match="is not a host and port"):
        await hands.use(code.python, code=GET, net=["example.org"])


@pytest.mark.parametrize("tool", [code.python, code.node, code.shell], ids=lambda one: one.name)
async def test_what_code_may_do_is_asked_for_exactly(hands: Hands, tool: Tool) -> None:
    word = "command" if tool is code.shell else "code"
    language = tool.name.partition(".")[0]

    assert hands.needs(tool, **{word: "1"}) == [f"code.run:{language}"]
    assert hands.needs(tool, **{word: "1"}, net=["a.example:443"], files=["in"], collect=["o/**"]) == [
        f"code.run:{language}",
        "net.connect:a.example:443",
        "files.read:workspace:in",
        "files.write:workspace:o/**",
    ]


async def test_node_runs(hands: Hands) -> None:
    ran = await hands.use(code.node, code="console.log([3, 1, 2].sort().join())")
    broken = await hands.use(code.node, code="throw new Error('no')")

    assert ran["stdout"] == "1,2,3\n"
    assert (broken["exit_code"], "Error: no" in broken["stderr"]) == (1, True)


@pytest.mark.parametrize("tool", [code.python, code.node, code.shell], ids=lambda one: one.name)
async def test_without_sandboxes_nothing_runs(tmp_path: Path, tool: Tool) -> None:
    word = "command" if tool is code.shell else "code"
    with pytest.raises(ToolError, match="no code can be run from here"):
        await bare_hands(tmp_path).use(tool, **{word: "1"})


async def test_the_same_call_runs_once_and_gives_back_large_files_again(dsn: str, tmp_path: Path) -> None:
    database = await Database.open(dsn, pool_size=2)

    async def keep(contents: object) -> None:
        await large_payloads.keep(database, contents)  # type: ignore[arg-type]

    boxes = Sandboxes({"process": ProcessSandbox()}, NoSecrets(), "process", SandboxRuns(database.opened), keep)
    sandbox = CallSandbox(boxes, uuid4().hex, "default", lambda keys: large_payloads.fetch(database, keys))
    call = replace(bare_hands(tmp_path).call, sandbox=sandbox)
    program = "import uuid; print(uuid.uuid4()); open('big', 'w').write('x' * 600_000)"
    parsed = code.python.parse({"code": program, "collect": ["big"]})

    first = await code.python.run(call, parsed)
    (tmp_path / "big").unlink()
    second = await code.python.run(call, parsed)

    assert second == first
    assert (tmp_path / "big").stat().st_size == 600_000
    await database.close()


async def test_source_is_read_and_not_run(hands: Hands, capsys: pytest.CaptureFixture[str]) -> None:
    good = await hands.use(source.check, code="import os.path\nfrom . import x\ndef f(): ...\nclass A: ...\nprint(1)\n")
    odd = await hands.use(source.check, code="if 1 is 1:\n    pass\n")
    bad = await hands.use(source.check, code="def f(:\n    pass")

    assert (good["is_valid"], good["defines"], good["imports"]) == (True, ["f", "A"], [".", "os.path"])
    assert (odd["is_valid"], odd["mistakes"][0]["is_error"]) == (True, False)
    assert (bad["is_valid"], bad["mistakes"][0]["line"], bad["mistakes"][0]["column"]) == (False, 1, 7)
    assert capsys.readouterr().out == ""
    assert "x" not in sys.modules


async def test_source_that_cannot_be_read_is_said(hands: Hands) -> None:
    with pytest.raises(ToolError, match="the source cannot be read"):
        await hands.use(source.check, code="(" * 150 + "-" * 100_000 + "1" + ")" * 150)
