"""This process's connection to Ray: made once, watched, and never mended in place.

A Ray driver whose cluster went away hangs in half of its calls and cannot be re-initialised reliably, so a process
that loses Ray starts anew: `restart_process` replaces it by itself, with the same pid.
"""

import asyncio
import logging
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

from ..actors.errors import ConfigError, NotRunning
from .settings import RaySettings

NAMESPACE = "resprout"


def environment(token: str | None, *, loopback: bool) -> dict[str, str]:
    """What every Ray process of ours must agree on, whatever the machine's own defaults are."""
    environ = {
        "RAY_AUTH_MODE": "token" if token else "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray makes its workers nice (15) for the sake of the raylet; a host is what everybody waits for.
        "RAY_worker_niceness": "0",
        # A caller learns of a dead actor after 7 ms instead of 1.3 s (../shared/figures.md).
        "RAY_timeout_ms_task_wait_for_death_info": "0",
        # Nothing of ours waits for a process that Ray keeps ready.
        "RAY_prestart_worker_first_driver": "0",
    }
    if token:
        environ["RAY_AUTH_TOKEN"] = token
    if loopback:
        # Ray's only switch for "do not replace 127.0.0.1 by this machine's address".
        environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    return environ


async def connect(settings: RaySettings) -> None:
    """Connects this process, or says in one sentence why it cannot."""
    if settings.address is None:
        raise NotRunning("no Ray cluster is configured. Start one with `resprout up`, or set `ray.address`.")
    token = settings.auth_token.get_secret_value() if settings.auth_token else None
    os.environ.update(environment(token, loopback=bool(settings.loopback)))
    await reachable(settings.address)
    await asyncio.to_thread(_init, settings.address)


async def reachable(address: str) -> None:
    """Ray itself retries for minutes and logs all the while; a closed port is known at once."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 5)
    except (ValueError, OverflowError):  # no number, or none that a port can have
        raise ConfigError(f"`ray.address` is {address!r}; it must be host:port or auto.") from None
    except (OSError, TimeoutError):
        raise NotRunning(f"no Ray head answers at {address} (`ray.address`). Is the cluster up?") from None
    writer.close()


def _init(address: str) -> None:
    import ray

    logging.getLogger("ray._private.worker").addFilter(_is_news)
    try:
        ray.init(
            address=address,
            namespace=NAMESPACE,
            log_to_driver=False,
            configure_logging=False,
            logging_level="error",
        )
    except ConnectionError as error:
        raise NotRunning(f"cannot join the Ray cluster at {address}: {str(error).splitlines()[0]}") from None


def _is_news(record: logging.LogRecord) -> bool:
    """Ray warns, on every connection, that it leaves SIGTERM to us, which is what we want of it."""
    return not record.getMessage().startswith("SIGTERM handler is not set")


async def alive(timeout: float = 5.0) -> bool:
    """Whether the cluster still answers. The call hangs when it does not, so a thread of its own makes it."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool] = loop.create_future()

    def tell(result: bool) -> None:
        if not answer.done():
            answer.set_result(result)

    def ask() -> None:
        import ray

        try:
            result = any(node["Alive"] for node in ray.nodes())
        except Exception:  # noqa: BLE001 - whatever Ray raises here means that it does not answer
            result = False
        with suppress(RuntimeError):  # the loop closed while we waited
            loop.call_soon_threadsafe(tell, result)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return await asyncio.wait_for(answer, timeout)
    except TimeoutError:
        return False


def restart_process() -> NoReturn:
    """Replaces this process by a fresh one of the same command line. Does not return."""
    os.closerange(3, 65536)  # Ray's sockets are not marked close-on-exec
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
