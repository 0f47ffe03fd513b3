"""Tools that run code: `shell.run`, `python.run`, `node.run`.

Code runs in a sandbox, without a network unless hosts are named, under the key of the call: after a crash the run in
flight is come back to, or answered from its record, and never started a second time. Files go in from the workspace by
name, and what is collected is put into the workspace.
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from ...sandbox.result import Ended, SandboxResult
from ...sandbox.selection import Selection
from ...sandbox.spec import MB, Language, SandboxLimits, SandboxSpec, is_host, leads_out
from ..manifest import Action, Permission
from ..place import Place, reads, writes
from ..tool import Tool, ToolCall, ToolError, tool
from ..walk import walk
from ..workspace import Workspace

LONGEST = 600  # seconds
MOST_IN = 16 * MB
MOST_SAID = "64KB"
CAN: tuple[Action, ...] = ("code.run", "net.connect", "files.read", "files.write")


def _hosts(given: Sequence[str]) -> Sequence[str]:
    for host in given:
        if not is_host(host):
            raise ValueError(f"{host[:60]!r} is not a host and port: write it as in pypi.org:443.")
    return given


def _patterns(given: Sequence[str]) -> Sequence[str]:
    for pattern in given:
        if leads_out(pattern):
            raise ValueError(f"{pattern[:60]!r} leads out of the workspace: write a relative pattern.")
    return given


Code = Annotated[str, Field(description="Source code.", min_length=1, max_length=500_000)]
Files = Annotated[
    list[str],
    AfterValidator(_patterns),
    Field(description="Files of the workspace that the code finds under the same names; patterns, as in `data/*.csv`."),
]
Collect = Annotated[
    list[str],
    AfterValidator(_patterns),
    Field(description="Files that it leaves and that are put into the workspace; patterns, as in `out/**`."),
]
Net = Annotated[
    list[str],
    AfterValidator(_hosts),
    Field(description="Hosts that it may reach, with ports, as in `pypi.org:443`. None: no network.", max_length=20),
]
Time = Annotated[int, Field(description="Seconds until it is killed.", ge=1, le=LONGEST)]
Memory = Annotated[int, Field(description="Megabytes of memory.", ge=16, le=2_048)]
Stdin = Annotated[str | None, Field(description="What it reads from its standard input.", max_length=1_000_000)]
NO_FILES: list[str] = []


class Ran(BaseModel):
    ended: Ended = Field(description="`exit`: by itself; else which limit or signal ended it")
    exit_code: int | None
    stdout: str = Field(description="what it wrote, up to 64 KB")
    stderr: str
    is_cut: bool = Field(description="whether it wrote more than is shown")
    files: list[str] = Field(description="what was put into the workspace")
    seconds: float
    said: str = Field(description="why it did not end by itself, or what was left out or refused")


def _needs(language: Language) -> Callable[[Any], tuple[Permission, ...]]:
    def needs(arguments: Any) -> tuple[Permission, ...]:
        return (
            Permission(action="code.run", on=language),
            *(Permission(action="net.connect", on=host) for host in arguments.net),
            *(reads(pattern) for pattern in arguments.files),
            *(writes(pattern) for pattern in arguments.collect),
        )

    return needs


def _runs(language: Language, *tags: str) -> Callable[[Callable[..., Any]], Tool]:
    return tool(
        f"{language}.run",
        version="1.0.0",
        contract="keyed",
        permissions=CAN,
        needs=_needs(language),
        danger="medium",
        timeout=timedelta(seconds=LONGEST + 30),
        tags=("code", *tags, "sandbox"),
    )


@_runs("shell", "command", "bash")
async def shell(
    call: ToolCall,
    command: Code,
    files: Files = NO_FILES,
    collect: Collect = NO_FILES,
    net: Net = NO_FILES,
    stdin: Stdin = None,
    seconds: Time = 30,
    memory: Memory = 256,
) -> Ran:
    """Runs a command line in a sandbox with the usual commands of Unix, jq and curl. It sees only the files that are
    named, and reaches only the hosts that are named."""
    spec = _spec("shell", command, collect, net, stdin, seconds, memory)
    return await _run(call, spec, files)


@_runs("python", "script")
async def python(
    call: ToolCall,
    code: Code,
    files: Files = NO_FILES,
    collect: Collect = NO_FILES,
    net: Net = NO_FILES,
    stdin: Stdin = None,
    seconds: Time = 30,
    memory: Memory = 256,
) -> Ran:
    """Runs a Python program in a sandbox, with the standard library. What it prints is its result. It sees only the
    files that are named, and reaches only the hosts that are named."""
    return await _run(call, _spec("python", code, collect, net, stdin, seconds, memory), files)


@_runs("node", "script", "javascript")
async def node(
    call: ToolCall,
    code: Code,
    files: Files = NO_FILES,
    collect: Collect = NO_FILES,
    net: Net = NO_FILES,
    stdin: Stdin = None,
    seconds: Time = 30,
    memory: Memory = 256,
) -> Ran:
    """Runs a JavaScript program with Node.js in a sandbox. What it logs is its result. It sees only the files that are
    named, and reaches only the hosts that are named."""
    return await _run(call, _spec("node", code, collect, net, stdin, seconds, memory), files)


def _spec(
    language: Language,
    code: str,
    collect: list[str],
    net: list[str],
    stdin: str | None,
    seconds: int,
    memory: int,
) -> SandboxSpec:
    return SandboxSpec(
        language=language,
        code=code,
        collect=tuple(collect),
        net=tuple(net) or "none",
        stdin=stdin,
        limits=SandboxLimits.model_validate({"time": f"{seconds}s", "memory": f"{memory}MB", "output": MOST_SAID}),
    )


async def _run(call: ToolCall, spec: SandboxSpec, files: list[str]) -> Ran:
    if call.sandbox is None:
        raise ToolError("no code can be run from here, for there are no sandboxes: call it where a worker runs.")
    workspace = Workspace(call.workspace)
    given = {path: _encoded(content) for path, content in taken(workspace, files).items()}
    result = await call.sandbox(spec.model_copy(update={"files": given}))
    for file in result.files:
        workspace.write(file.path, file.content or b"")
    return _ran(result)


def taken(workspace: Workspace, patterns: list[str]) -> dict[str, bytes]:
    """Each pattern must have taken something, and all of it must be small enough to be carried."""
    if not patterns:
        return {}
    paths = [one.path for one in walk(workspace, Place(())) if one.kind == "file"]
    found: dict[str, bytes] = {}
    room = MOST_IN
    for pattern in patterns:
        wanted = Selection([pattern])
        fitting = [path for path in paths if wanted.takes(path)]
        if not fitting:
            raise ToolError(f"no file of the workspace is like `{pattern}`: see what is there with files.list.")
        for path in fitting:
            if path not in found:
                found[path] = workspace.read(path, MOST_IN)
                room -= len(found[path])
                if room < 0:
                    raise ToolError(f"the files are larger than {MOST_IN >> 20} MB together: name fewer of them.")
    return found


def _encoded(content: bytes) -> Any:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(content).decode()}


def _ran(result: SandboxResult) -> Ran:
    refused = [one.reason for one in result.connections if one.reason]
    return Ran(
        ended=result.ended,
        exit_code=result.exit_code,
        stdout=result.stdout.text,
        stderr=result.stderr.text,
        is_cut=result.stdout.is_cut or result.stderr.is_cut,
        files=[file.path for file in result.files],
        seconds=result.seconds,
        said=" ".join(filter(None, (result.reason, *dict.fromkeys(refused)))),
    )


TOOLS = (shell, python, node)
