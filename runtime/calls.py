"""Reaching agents from a process that is connected to Ray: named host actors are where a caller begins."""

import asyncio
from typing import Any

from ..actors.calls import Caller
from ..actors.logger import get_logger
from ..actors.shards import View
from .connections import Connections, now
from .host import HOST_PREFIX
from .wire import VIEW

log = get_logger("resprout.calls")

ANSWER_SECONDS = 3.0


class RayDirectory:
    """Asks any host actor; Ray knows them by name."""

    async def find(self) -> tuple[str, View] | None:
        try:
            hosts = await asyncio.wait_for(asyncio.to_thread(_find_hosts), ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever Ray raises here, or not answering: there is no cluster
            log.warning("the Ray cluster does not answer", error=type(error).__name__)
            return None
        asked = [asyncio.ensure_future(_ask(host)) for host in hosts]
        try:
            for answer in asyncio.as_completed(asked, timeout=ANSWER_SECONDS):
                if (found := await answer) is not None:
                    return found
        except TimeoutError:
            log.warning("no host answers", hosts=len(hosts))
        finally:
            for one in asked:
                one.cancel()
        return None


def caller() -> Caller:
    return Caller(Connections(RayDirectory(), now), now)


async def _ask(host: Any) -> tuple[str, View] | None:
    from ray.exceptions import RayError

    try:
        found = await host.routes.remote()
    except RayError as error:
        log.debug("host does not answer", error=type(error).__name__)
        return None
    return (found["secret"], VIEW.validate_python(found["view"])) if found is not None else None


def _find_hosts() -> list[Any]:
    import ray

    hosts = []
    for name in ray.util.list_named_actors():
        if name.startswith(HOST_PREFIX):
            try:
                hosts.append(ray.get_actor(name))
            except ValueError:  # it ended since the list was made
                log.debug("host is gone", host=name)
    return hosts
