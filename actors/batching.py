"""Many small requests, one call: what comes while a call is in flight goes out together with the next one.

No timer: a lone request goes at once, and the busier it is, the larger the batches are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Request = TypeVar("Request")
Result = TypeVar("Result")


class Batcher(Generic[Request, Result]):
    def __init__(self, call: Callable[[Sequence[Request]], Awaitable[Sequence[Result]]], most: int = 200) -> None:
        self.call = call
        self.most = most
        self.waiting: list[tuple[Request, asyncio.Future[Result]]] = []
        self.task: asyncio.Task[None] | None = None

    def submit(self, request: Request) -> "asyncio.Future[Result]":
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.waiting.append((request, result))
        if self.task is None:
            self.task = asyncio.create_task(self._run())
        return result

    async def _run(self) -> None:
        try:
            while self.waiting:
                batch, self.waiting = self.waiting[: self.most], self.waiting[self.most :]
                await self._send(batch)
        finally:
            self.task = None

    async def _send(self, batch: "list[tuple[Request, asyncio.Future[Result]]]") -> None:
        try:
            results = await self.call([request for request, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is handed to everybody who waits for it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
