"""A wrong `https` in the settings is told as such; a server that is only away for a moment is waited for."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from resprout.activities.models.provider import Provider
from resprout.actors.errors import ConfigError
from resprout.actors.models import ModelBusy, complete
from support.gates import certificate, site
from support.speakers import KEY, PROTOCOLS, Adapter, Protocol, request


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: protocol.name)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    found: Protocol = request.param
    return found


@asynccontextmanager
async def over_tls(protocol: Protocol, answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Adapter]:
    """An adapter that speaks TLS to a server that answers whatever it hears by this."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)

    async with site(answered, tls=tls) as here:
        adapter = protocol.adapter(Provider("house", f"https://{here.address}:{here.port}", KEY))
        yield adapter
        await adapter.close()


async def test_tls_to_who_speaks_none_is_a_mistake_in_the_settings(protocol: Protocol) -> None:
    async with over_tls(protocol, b"HTTP/1.1 400 Bad Request\r\n\r\n") as adapter:
        with pytest.raises(ConfigError, match=r"do not agree on TLS \(wrong version number\): look at `base_url`"):
            await complete(adapter, request("house/able-1"))


async def test_a_certificate_that_nobody_vouches_for_is_refused_by_its_fault(
    protocol: Protocol, tmp_path: Path
) -> None:
    async with over_tls(protocol, b"", certificate(tmp_path).server()) as adapter:
        with pytest.raises(ConfigError, match=r"do not agree on TLS \(self[- ]signed certificate\)"):
            await complete(adapter, request("house/able-1"))


async def test_who_hangs_up_before_tls_is_agreed_may_be_back_soon(protocol: Protocol) -> None:
    async with over_tls(protocol, b"") as adapter:
        with pytest.raises(ModelBusy, match="cannot be reached"):
            await complete(adapter, request("house/able-1"))
