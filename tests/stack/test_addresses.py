import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from resprout.actors.errors import ConfigError, NotRunning
from resprout.runtime import ray_link, temporal
from resprout.runtime.settings import TemporalSettings


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "127.0.0.1:ray"])
async def test_what_is_no_address_of_ray_is_refused_in_a_sentence(address: str) -> None:
    with pytest.raises(ConfigError, match="it must be host:port or auto"):
        await ray_link.reachable(address)


@pytest.fixture
async def mute_server() -> AsyncIterator[str]:
    """Accepts connections and says nothing."""
    release = asyncio.Event()

    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        release.set()


async def test_a_server_that_never_speaks_is_not_waited_for_for_ever(
    mute_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporal, "PATIENCE", timedelta(seconds=0.5))

    with pytest.raises(NotRunning, match="does not speak as a Temporal server"):
        await asyncio.wait_for(temporal.connect(TemporalSettings(address=mute_server)), 30)
