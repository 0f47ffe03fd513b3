"""Large result files, which a record keeps apart by their hashes, brought back to where they belong.

Nobody may take one that is not there for an empty one: what is gone stays aside, and who wants it says so.
"""

import base64
from collections.abc import Awaitable, Callable, Sequence

from .result import ResultFile, SandboxResult

Fetch = Callable[[Sequence[bytes]], Awaitable[Sequence[bytes | None]]]  # by hashes; None: not kept any more


async def whole(result: SandboxResult, fetch: Fetch | None) -> SandboxResult:
    """`fetch` is None where nothing is kept apart."""
    aside = [file for file in result.files if file.is_aside]
    if not aside or fetch is None:
        return result
    contents = await fetch([bytes.fromhex(file.sha256) for file in aside])
    found = {file.path: content for file, content in zip(aside, contents, strict=True) if content is not None}
    return result.model_copy(update={"files": tuple(_with(file, found.get(file.path)) for file in result.files)})


def _with(file: ResultFile, content: bytes | None) -> ResultFile:
    return file if content is None else file.model_copy(update={"base64": base64.b64encode(content).decode()})


def gone(file: ResultFile) -> str:
    return f"the content of `{file.path}` is not kept any more: run it again under a new key."
