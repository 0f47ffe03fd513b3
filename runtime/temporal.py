"""Connecting to Temporal, embedded or not, in one way."""

import asyncio
import atexit
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, TLSConfig
from temporalio.common import SearchAttributeKey
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode

from ..actors.errors import ConfigError, NotRunning
from .large_payloads import external_storage
from .payloads import data_converter
from .settings import PostgresSettings, Settings, TemporalSettings

PATIENCE = timedelta(seconds=10)

# The SDK's threads let go of what they hold of Python a moment after a call has ended. When the interpreter ends in
# that moment, the process aborts (temporalio/sdk-python #300), and nothing tells when the moment is over.
atexit.register(time.sleep, 0.05)


async def connect(settings: TemporalSettings, postgres: PostgresSettings | None = None) -> Client:
    """Large payloads are kept in this Postgres; without it they cannot be read or sent."""
    if settings.address is None:
        raise NotRunning("no Temporal server is configured. Start one with `resprout up`, or set `temporal.address`.")
    try:
        connecting = Client.connect(
            settings.address,
            namespace=settings.namespace,
            api_key=settings.api_key.get_secret_value() if settings.api_key else None,
            tls=_tls(settings),
            data_converter=replace(data_converter, external_storage=external_storage(postgres or PostgresSettings())),
            interceptors=[TracingInterceptor()],
        )
        client = await asyncio.wait_for(connecting, PATIENCE.total_seconds())
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=settings.namespace), timeout=timedelta(seconds=5)
        )
    except RuntimeError as error:  # how the SDK says that it could not connect
        raise NotRunning(
            f"no Temporal server answers at {settings.address} (`temporal.address`): {_reason(error)}. "
            "Check the address, TLS and API key."
        ) from None
    except ValueError as error:  # how it says that this is no address at all
        raise ConfigError(f"`temporal.address` is {settings.address!r}; it must be host:port ({error}).") from None
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise ConfigError(
                f"the Temporal server at {settings.address} has no namespace `{settings.namespace}` "
                "(`temporal.namespace`). Create it, or name another."
            ) from None
        raise NotRunning(f"the Temporal server at {settings.address} refuses: {error.message}.") from None
    except TimeoutError:  # the SDK itself would wait for ever
        raise NotRunning(
            f"what listens at {settings.address} (`temporal.address`) does not speak as a Temporal server within "
            f"{PATIENCE.total_seconds():.0f} s. Check the address and TLS."
        ) from None
    return client


async def client_of(settings: Settings) -> Client:
    """Of the whole system: with the Postgres in which large payloads are."""
    return await connect(settings.temporal, settings.postgres)


async def register_search_attributes(client: Client, keys: Iterable[SearchAttributeKey[Any]]) -> None:
    """Those by which our runs are found; raises ConfigError where we may not, naming what to do."""
    wanted = {key.name: key.indexed_value_type for key in keys}
    try:
        found = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        missing = {
            name: IndexedValueType.ValueType(kind)
            for name, kind in wanted.items()
            if name not in found.custom_attributes
        }
        if missing:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
            )
    except RPCError as error:
        if error.status == RPCStatusCode.ALREADY_EXISTS:  # another worker did it at the same time
            return
        said = " ".join(f"--name {name}" for name in wanted)
        raise ConfigError(
            f"the search attributes of our runs cannot be made in the namespace `{client.namespace}`: {error.message}. "
            f"Make them once: temporal operator search-attribute create {said}."
        ) from None


def keep_retries_quiet() -> None:
    """For commands: the SDK's core would print each retry on stderr, in Rust; the error at the end says it all."""
    logs = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=logs)))


async def ping(settings: TemporalSettings) -> None:
    """Raises what `connect` raises."""
    try:
        await connect(settings)
    except ConfigError as error:  # a dev server creates its namespaces after it has begun to answer
        raise NotRunning(str(error)) from None


def run_url(settings: TemporalSettings, workflow_id: str, run_id: str) -> str | None:
    if settings.ui_url is None:
        return None
    namespace, workflow = (quote(name, safe="") for name in (settings.namespace, workflow_id))
    return f"{settings.ui_url.rstrip('/')}/namespaces/{namespace}/workflows/{workflow}/{run_id}/history"


def _tls(settings: TemporalSettings) -> TLSConfig | bool:
    def content(name: str) -> bytes | None:
        path = getattr(settings, name)
        return path.read_bytes() if path else None

    if settings.tls_ca or settings.tls_cert:
        return TLSConfig(
            server_root_ca_cert=content("tls_ca"),
            client_cert=content("tls_cert"),
            client_private_key=content("tls_key"),
        )
    return settings.tls or settings.api_key is not None


def _reason(error: RuntimeError) -> str:
    """The SDK shows nested Rust structures; the words that say something stand in the innermost one."""
    quoted = re.findall(r'(?:message|error): "([^"]+)"', str(error))
    if quoted:
        return str(quoted[-1]).lower()
    named = re.findall(r"error: ([\w()]+)", str(error))  # such as InvalidCertificate(UnknownIssuer)
    return named[-1] if named else "the connection failed"
