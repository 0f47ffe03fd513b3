"""Making a developer's agent kinds and message types known to this process, by importing their modules."""

import importlib
import sys

from ..actors import roles as roles  # the kinds that ship
from ..actors.errors import ConfigError
from .settings import AgentsSettings


def import_agents(settings: AgentsSettings) -> None:
    if settings.path is not None and str(settings.path) not in sys.path:
        sys.path.insert(0, str(settings.path))
    for name in settings.modules:
        try:
            importlib.import_module(name)
        except Exception as error:
            raise ConfigError(
                f"`agents.modules` names {name!r}, which cannot be imported from {settings.path}: "
                f"{type(error).__name__}: {error}."
            ) from error
