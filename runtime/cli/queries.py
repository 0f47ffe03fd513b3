"""Asking Postgres from a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from ..stack.find import attach
from .flags import settings_of

if TYPE_CHECKING:
    from ...memory.database import Database

Result = TypeVar("Result")


def query(ctx: typer.Context, ask: "Callable[[Database], Awaitable[Result]]") -> Result:
    from ...memory.database import Database

    settings = attach(settings_of(ctx).settings, "postgres.dsn")

    async def run() -> Result:
        assert settings.postgres.dsn is not None
        async with await Database.open(settings.postgres.dsn.get_secret_value(), pool_size=1) as database:
            return await ask(database)

    return asyncio.run(run())
