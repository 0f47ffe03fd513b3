"""Does each configured server answer, and is its clock ours?"""

import asyncio
from urllib.parse import urlsplit

from ...actors.errors import ResproutError
from ...memory.database import check as check_postgres
from ...memory.database import clock_offset
from .. import ray_link, temporal
from ..settings import Settings
from .finding import Finding, failure, ok, warning

LARGEST_OFFSET_SECONDS = 2.0
PATIENCE_SECONDS = 3


async def check(settings: Settings) -> list[Finding]:
    return list(
        await asyncio.gather(
            _postgres(settings), _temporal(settings), _ray(settings), _qdrant(settings), _collector(settings)
        )
    )


async def clock(settings: Settings) -> list[Finding]:
    if settings.postgres.dsn is None:
        return [ok("clock", "not compared: no external server is configured")]
    try:
        offset = await clock_offset(settings.postgres.dsn.get_secret_value())
    except ResproutError:
        return [ok("clock", "not compared: Postgres does not answer")]
    found = f"{offset.total_seconds():+.1f} s from Postgres"
    if abs(offset.total_seconds()) > LARGEST_OFFSET_SECONDS:
        return [warning("clock", found, "Deadlines and timers will be off: run NTP on both machines.")]
    return [ok("clock", found)]


async def _postgres(settings: Settings) -> Finding:
    if settings.postgres.dsn is None:
        return ok("postgres", "embedded")
    try:
        return ok("postgres", f"answers, version {await check_postgres(settings.postgres.dsn.get_secret_value())}")
    except ResproutError as error:
        return failure("postgres", str(error), "Mend `postgres.dsn`, or unset it to use the embedded one.")


async def _temporal(settings: Settings) -> Finding:
    if settings.temporal.address is None:
        return ok("temporal", "embedded")
    try:
        await temporal.connect(settings.temporal)
    except ResproutError as error:
        return failure(
            "temporal", str(error), "Mend `temporal.*`, or unset `temporal.address` to use the embedded one."
        )
    return ok("temporal", f"{settings.temporal.address} answers, namespace {settings.temporal.namespace}")


async def _ray(settings: Settings) -> Finding:
    if settings.ray.address is None:
        return ok("ray", "embedded")
    try:
        await ray_link.reachable(settings.ray.address)
    except ResproutError as error:
        return failure("ray", str(error), "Mend `ray.address`, or unset it to use the embedded one.")
    return ok("ray", f"{settings.ray.address} answers")


async def _qdrant(settings: Settings) -> Finding:
    if settings.qdrant.url is None:
        return ok("qdrant", "embedded")
    return await _url("qdrant", settings.qdrant.url, "Mend `qdrant.url`, or unset it to use the embedded engine.")


async def _collector(settings: Settings) -> Finding:
    if settings.telemetry.otlp_endpoint is None:
        return ok("traces", "off (`telemetry.otlp_endpoint` is not set)")
    return await _url("traces", settings.telemetry.otlp_endpoint, "Start the collector, or mend the address.")


async def _url(name: str, url: str, remedy: str) -> Finding:
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, port), PATIENCE_SECONDS)
    except (KeyError, ValueError):
        return failure(name, f"{url!r} is not an http(s) address", remedy)
    except (OSError, TimeoutError):
        return failure(name, f"nothing answers at {url}", remedy)
    writer.close()
    return ok(name, f"{url} answers")
