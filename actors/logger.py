"""Our loggers. A library is silent unless the application wants to hear it.

Where the application configured structlog (our own processes do, see `runtime/telemetry`), lines go there. Elsewhere
they go to the standard library's logger `resprout`, which shows nothing until somebody configures `logging`:
structlog's own default would print them, debug lines and all, on the standard output of the user's script.
"""

import logging
from collections.abc import MutableMapping
from functools import cache
from typing import Any

import structlog

# Without a handler of its own, the standard library prints warnings on standard error.
logging.getLogger("resprout").addHandler(logging.NullHandler())


class Logger:
    """Looks like a structlog logger. Where its lines go is decided when one is written, not when it is made."""

    def __init__(self, name: str) -> None:
        self._configured = structlog.get_logger(name)
        self._quiet = structlog.wrap_logger(
            logging.getLogger(name),
            processors=[structlog.stdlib.filter_by_level, structlog.contextvars.merge_contextvars, _as_line],
            wrapper_class=structlog.stdlib.BoundLogger,
            context_class=dict,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._configured if structlog.is_configured() else self._quiet, name)


@cache
def get_logger(name: str) -> Any:
    return Logger(name)


def _as_line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    how = {name: event.pop(name) for name in ("exc_info", "stack_info") if name in event}
    text = str(event.pop("event", ""))
    return (" ".join((text, *(f"{name}={value!r}" for name, value in event.items()))),), how
