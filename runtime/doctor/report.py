"""Runs every check, at once; a check that itself fails is a finding, never a traceback."""

import asyncio
from collections.abc import Awaitable

from ..settings import Settings
from . import disk, docker, endpoints, kernel, ports, python
from .finding import Finding, failure


async def examine(settings: Settings) -> list[Finding]:
    checks: dict[str, Awaitable[list[Finding]]] = {
        "python": asyncio.to_thread(python.check, settings),
        "kernel": asyncio.to_thread(kernel.check),
        "docker": asyncio.to_thread(docker.check),
        "disk": asyncio.to_thread(disk.check, settings.data_dir),
        "ports": asyncio.to_thread(ports.check, settings),
        "endpoints": endpoints.check(settings),
        "clock": endpoints.clock(settings),
    }
    results = await asyncio.gather(*checks.values(), return_exceptions=True)
    findings: list[Finding] = []
    for name, result in zip(checks, results, strict=True):
        if isinstance(result, Exception):
            text = f"the check itself failed: {type(result).__name__}: {result}"
            findings.append(failure(name, text, "Please report this."))
        elif isinstance(result, BaseException):
            raise result
        else:
            findings += result
    return findings
