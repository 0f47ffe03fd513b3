"""Runs every check, at once; a check that itself fails is a finding, never a traceback."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass

from ...memory import database
from ..settings import Settings
from . import clock, disk, docker, embedded, endpoints, kernel, local_model, models, ports, python, sandbox
from .finding import Finding, failure


@dataclass(frozen=True)
class Group:
    title: str
    findings: list[Finding]


async def examine(
    settings: Settings,
    *,
    check_postgres: endpoints.Version = database.check,
    postgres_offset: clock.Offset = database.clock_offset,
) -> list[Group]:
    plan: dict[str, dict[str, Awaitable[list[Finding]]]] = {
        "Python": {
            "python": asyncio.to_thread(python.check),
            "embedded servers": asyncio.to_thread(embedded.check, settings),
            "models": asyncio.to_thread(models.check, settings),
            "local model": asyncio.to_thread(local_model.check, settings),
        },
        "Kernel": {"kernel": asyncio.to_thread(kernel.check)},
        "Sandboxes": {"sandbox": asyncio.to_thread(sandbox.check), "docker": asyncio.to_thread(docker.check)},
        "Disk": {"disk": asyncio.to_thread(disk.check, settings.data_dir)},
        "Ports": {"ports": asyncio.to_thread(ports.check, settings)},
        "Servers": {
            **endpoints.checks(settings, check_postgres),
            "clock": clock.check(settings, postgres_offset),
        },
    }
    found = await asyncio.gather(*(_together(checks) for checks in plan.values()))
    return [Group(title, findings) for title, findings in zip(plan, found, strict=True)]


async def _together(checks: dict[str, Awaitable[list[Finding]]]) -> list[Finding]:
    results: Iterable[list[Finding]] = await asyncio.gather(*(guarded(name, check) for name, check in checks.items()))
    return [finding for findings in results for finding in findings]


async def guarded(name: str, check: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        return await check
    except Exception as error:  # noqa: BLE001 - a doctor that falls ill still names the illness
        return [failure(name, f"the check itself failed: {type(error).__name__}: {error}", "Please report this.")]
