import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from resprout.runtime.doctor import Finding, clock, examine
from resprout.runtime.settings import (
    PostgresSettings,
    QdrantSettings,
    RaySettings,
    Settings,
    TelemetrySettings,
    TemporalSettings,
)


async def named(settings: Settings, **stand_ins: Any) -> dict[str, Finding]:
    groups = await examine(settings, **stand_ins)
    return {finding.name: finding for group in groups for finding in group.findings}


async def test_a_configured_postgres_that_answers_is_shown_with_its_version_and_its_clock(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for largest in ("LARGEST_OFFSET", "LARGEST_JUMP"):  # a machine that stands still looks like a clock that is wrong
        monkeypatch.setattr(clock, largest, timedelta(minutes=1))
    found = await named(Settings(postgres=PostgresSettings(dsn=SecretStr(postgres))))

    assert found["postgres"].found.startswith("answers, version 18")
    assert found["clock"].level == "ok"
    assert "s from Postgres" in found["clock"].found


async def test_a_server_that_listens_answers() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await named(
            Settings(
                ray=RaySettings(address=f"127.0.0.1:{port}"),
                qdrant=QdrantSettings(url=f"http://127.0.0.1:{port}"),
                telemetry=TelemetrySettings(otlp_endpoint=f"http://127.0.0.1:{port}/v1"),
            )
        )

    assert [found[name].level for name in ("ray", "qdrant", "traces")] == ["ok"] * 3


async def test_a_cluster_that_is_only_called_auto_is_not_said_to_answer() -> None:
    found = await named(Settings(ray=RaySettings(address="auto")))

    assert "not asked" in found["ray"].found


@pytest.mark.parametrize("url", ["http://", "qdrant:6333", "http://host:notaport", "ftp://host"])
async def test_what_is_no_http_address_is_a_failure_that_says_how_to_write_one(url: str) -> None:
    found = await named(Settings(qdrant=QdrantSettings(url=url)))

    assert found["qdrant"].level == "failure"
    assert "http(s)://host:port" in (found["qdrant"].remedy or "")


@pytest.mark.parametrize("url", ["http://u:hunter2@127.0.0.1:1", "http://u:hunter2@", "u:hunter2@host"])
async def test_no_password_in_an_address_is_ever_shown(url: str) -> None:
    settings = Settings(
        qdrant=QdrantSettings(url=url),
        telemetry=TelemetrySettings(otlp_endpoint=url),
        postgres=PostgresSettings(dsn=SecretStr("postgresql://u:hunter2@127.0.0.1:1/d")),
    )

    assert "hunter2" not in repr(await examine(settings))


async def test_a_check_that_fails_itself_is_a_failure_and_takes_no_other_along() -> None:
    async def broken(_dsn: str) -> str:
        raise ZeroDivisionError("oops")

    async def in_time(_dsn: str) -> timedelta:
        return timedelta()

    settings = Settings(
        postgres=PostgresSettings(dsn=SecretStr("postgresql://anywhere")),
        temporal=TemporalSettings(address="127.0.0.1:1"),
    )
    found = await named(settings, check_postgres=broken, postgres_offset=in_time)

    assert found["postgres"].level == "failure"
    assert "ZeroDivisionError" in found["postgres"].found
    assert "no Temporal server answers" in found["temporal"].found
    assert found["ray"].found == "embedded"
