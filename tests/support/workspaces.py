"""Workspaces over a Postgres of the test run and the engine of this machine, with bounds as a test wants them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr
from resprout.activities.sandbox.workspaces import Workspaces
from resprout.runtime.sandboxes import workspaces
from resprout.runtime.settings import PostgresSettings, SandboxSettings, Settings


def settings_of(dsn: str, **sandbox: Any) -> Settings:
    return Settings(postgres=PostgresSettings(dsn=SecretStr(dsn)), sandbox=SandboxSettings(**sandbox))


@asynccontextmanager
async def opened(dsn: str, tenant: str = "default", **sandbox: Any) -> AsyncIterator[Workspaces]:
    async with workspaces(settings_of(dsn, **sandbox), tenant) as made:
        yield made
