"""The secrets of this process: where their values come from, and which of them it has seen."""

import os

from ..activities.secrets import Veil
from ..actors.errors import Rejected
from .settings import SECRET_PREFIX


class Seen:
    """Over all that this process has seen: for what leaves it by ways that know of no single call, as logs do."""

    def __init__(self) -> None:
        self.veil = Veil()
        self._values: set[tuple[str, str]] = set()

    def add(self, name: str, value: str) -> None:
        if (name, value) not in self._values:
            self._values.add((name, value))
            self.veil = self.veil.over({name: value})


SEEN = Seen()


def variable_of(name: str) -> str:
    return SECRET_PREFIX + name.upper().replace("-", "_")


class SecretsFromEnvironment:
    """`secret://api-key` is the variable RESPROUT_SECRET_API_KEY of the process that runs the tool or the sandbox."""

    def value(self, name: str) -> str:
        variable = variable_of(name)
        value = os.environ.get(variable)
        if value is None:
            raise Rejected(f"there is no secret {name}: set {variable} where the worker runs.")
        SEEN.add(name, value)
        return value
