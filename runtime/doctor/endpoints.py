"""Does each configured server answer? No finding shows a password, not even one inside an address."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from ...actors.errors import ResproutError
from .. import ray_link, temporal
from ..settings import Settings
from .finding import Finding, failure, ok

PATIENCE_SECONDS = 3

Version = Callable[[str], Awaitable[str]]


def checks(settings: Settings, check_postgres: Version) -> dict[str, Awaitable[list[Finding]]]:
    """One for each server, by name: whichever goes wrong takes no other's answer along."""
    return {
        "postgres": _postgres(settings, check_postgres),
        "temporal": _temporal(settings),
        "ray": _ray(settings),
        "qdrant": _url(
            "qdrant", settings.qdrant.url, "embedded", "Mend `qdrant.url`, or unset it to use the embedded engine."
        ),
        "traces": _url(
            "traces",
            settings.telemetry.otlp_endpoint,
            "off (`telemetry.otlp_endpoint` is not set)",
            "Start the collector, or mend or unset `telemetry.otlp_endpoint`.",
        ),
    }


async def _postgres(settings: Settings, check_postgres: Version) -> list[Finding]:
    if settings.postgres.dsn is None:
        return [ok("postgres", "embedded")]
    try:
        return [ok("postgres", f"answers, version {await check_postgres(settings.postgres.dsn.get_secret_value())}")]
    except ResproutError as error:
        return [failure("postgres", str(error), "Mend `postgres.dsn`, or unset it to use the embedded one.")]


async def _temporal(settings: Settings) -> list[Finding]:
    if settings.temporal.address is None:
        return [ok("temporal", "embedded")]
    try:
        await temporal.connect(settings.temporal)
    except ResproutError as error:
        remedy = "Mend `temporal.*`, or unset `temporal.address` to use the embedded one."
        return [failure("temporal", str(error), remedy)]
    return [ok("temporal", f"{settings.temporal.address} answers, namespace {settings.temporal.namespace}")]


async def _ray(settings: Settings) -> list[Finding]:
    if settings.ray.address is None:
        return [ok("ray", "embedded")]
    if settings.ray.address == "auto":
        return [ok("ray", "auto: the cluster of this machine (not asked: it is found when it is joined)")]
    try:
        await ray_link.reachable(settings.ray.address)
    except ResproutError as error:
        return [failure("ray", str(error), "Mend `ray.address`, or unset it to use the embedded one.")]
    return [ok("ray", f"{settings.ray.address} answers")]


async def _url(name: str, url: str | None, unset: str, remedy: str) -> list[Finding]:
    if url is None:
        return [ok(name, unset)]
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or {"https": 443, "http": 80}[parts.scheme]
    except (KeyError, ValueError):
        host, port = None, 0
    if not host:  # the address itself is not shown: what cannot be read cannot be stripped of a password
        return [failure(name, "its address is not an http(s) one", f"Write http(s)://host:port. {remedy}")]
    where = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), PATIENCE_SECONDS)
    except (OSError, TimeoutError):
        return [failure(name, f"nothing answers at {where}", remedy)]
    writer.close()
    return [ok(name, f"{where} answers")]
