from dataclasses import dataclass
from typing import Any

from .manifest import Permission


def references_in(arguments: dict[str, Any]) -> tuple[Permission, ...]:
    return ()


@dataclass
class Revealed:
    arguments: dict[str, Any]

    def hidden(self, value: Any) -> Any:
        return value


class Secrets:
    def revealed(self, arguments: dict[str, Any]) -> Revealed:
        return Revealed(arguments)
