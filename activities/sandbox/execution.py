"""One run of a job, from its start to the result that who asked gets.

The invariant: nobody sees a value of a secret that the code was given. A veil lies over what it gives before that is
watched, kept aside or handed on.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, assert_never

from ..secrets import Veil
from .backend import Captured, Ending, Job, Runner, Watch
from .egress.meter import Bounds, Connection
from .output import Output
from .result import ResultFile, SandboxResult, SeenConnection, Stream
from .spec import SandboxSpec
from .way_out import Connections, way_out

INLINE_BYTES = 256 << 10  # of one file; larger ones are kept aside

Keep = Callable[[Sequence[bytes]], Awaitable[Any]]  # keeps content aside, by its hash


@dataclass(frozen=True)
class Execution:
    private_hosts: tuple[str, ...]
    bounds: Bounds
    keep: Keep | None

    async def run(self, job: Job, runner: Runner, watch: Watch) -> SandboxResult:
        output = Output(job.veil, watch)
        connections = Connections(job.key)
        if isinstance(job.spec.net, str):
            ending = await runner.run(job, output.watch)
        else:
            home = job.workspace
            async with way_out(job.spec.net, job.key, self.private_hosts, connections, self.bounds, home) as gate:
                ending = await runner.run(replace(job, gate=gate), output.watch)
        output.end(ending)
        return await self._result(ending, job, runner, connections.seen)

    async def cancelled(self, job: Job, runner: Runner) -> SandboxResult:
        """It was killed because somebody wanted that: there is no doubt about it."""
        nothing = Captured()
        ending = Ending("cancelled", None, "SIGKILL", nothing, nothing, {}, 0.0)
        return await self._result(ending, job, runner)

    async def _result(
        self, ending: Ending, job: Job, runner: Runner, connections: Sequence[Connection] = ()
    ) -> SandboxResult:
        veil = job.veil
        files = [(veil.hide(path), veil.hide_bytes(content)) for path, content in ending.files.items()]
        large = [content for _, content in files if len(content) > INLINE_BYTES]
        if large and self.keep is not None:
            await self.keep(large)
        return SandboxResult(
            ended=ending.ended,
            exit_code=ending.exit_code,
            signal=ending.signal,
            reason=" ".join(filter(None, (told(ending, job.spec), veil.hide(ending.reason)))),
            stdout=_stream(ending.stdout, ending, veil),
            stderr=_stream(ending.stderr, ending, veil),
            files=tuple(_file(*one, inline=self.keep is None) for one in files),
            connections=tuple(SeenConnection(**veil.hidden(asdict(connection))) for connection in connections),
            seconds=round(ending.seconds, 3),
            cpu_seconds=ending.cpu_seconds,
            peak_memory=ending.peak_memory,
            backend=runner.name,
            isolation=job.isolation,
            image=ending.image,
            key=job.key,
        )


def told(ending: Ending, spec: SandboxSpec) -> str:
    """Why it did not end by itself, with the word that changes it."""
    limits = spec.model_dump(mode="json")["limits"]
    match ending.ended:
        case "exit":
            return ""
        case "timeout":
            return f"it was killed after {limits['time']}: give it more with `limits: {{time: …}}`."
        case "memory":
            return f"it wanted more memory than {limits['memory']}: give it more with `limits: {{memory: …}}`."
        case "output":
            return f"it was killed because it did not stop to write; {limits['output']} of each stream are kept."
        case "policy":
            return "it was killed for a system call that no sandbox may make."
        case "signal":
            return f"it was ended by {ending.signal or 'a signal'}."
        case "cancelled":
            return "it was cancelled."
    assert_never(ending.ended)


def _stream(captured: Captured, ending: Ending, veil: Veil) -> Stream:
    text = veil.hide_bytes(captured.kept, is_cut=ending.is_cut(captured)).decode(errors="replace")
    return Stream(text=text, size=captured.size, kept=len(captured.kept))


def _file(path: str, content: bytes, *, inline: bool) -> ResultFile:
    about = {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if len(content) > INLINE_BYTES and not inline:
        return ResultFile(**about)
    try:
        return ResultFile(**about, text=content.decode())
    except UnicodeDecodeError:
        return ResultFile(**about, base64=base64.b64encode(content).decode())
