"""The macros of CEL, evaluated item by item and counted, so that no expression goes on for ever."""

from collections.abc import Callable, Sequence
from typing import Any

MOST_STEPS = 500_000


class TooManySteps(ValueError):
    pass


class Fuel:
    """What one evaluation may still do: counts the rounds of its macros."""

    def __init__(self) -> None:
        self.left = MOST_STEPS
        self.failure: Exception | None = None
        """What failed inside a macro, as it was before the library put it into words of its own."""

    def burn(self, items: int) -> None:
        self.left -= items
        if self.left < 0:
            raise TooManySteps(f"it goes through more than {MOST_STEPS:,} items")


Body = Callable[[int, Any], Any]


def _map(items: Sequence[Any], body: Body, fuel: Fuel, bodies: int) -> list[Any]:
    mapped = []
    for item in items:
        if bodies == 1 or body(0, item) is True:
            result = body(bodies - 1, item)
            fuel.burn(_size(result))
            mapped.append(result)
    return mapped


def _size(result: Any) -> int:
    """What a result costs beside its round: its items, or its letters, a hundred for one."""
    if isinstance(result, str):
        return len(result) // 100
    return len(result) if isinstance(result, list | dict) else 0


def _filter(items: Sequence[Any], body: Body, _: Fuel, __: int) -> list[Any]:
    return [item for item in items if _holds(body, item)]


def _exists_one(items: Sequence[Any], body: Body, _: Fuel, __: int) -> bool:
    return sum(_holds(body, item) for item in items) == 1


def _exists(items: Sequence[Any], body: Body, _: Fuel, __: int) -> bool:
    return _decides(items, body, by=True)


def _all(items: Sequence[Any], body: Body, _: Fuel, __: int) -> bool:
    return not _decides(items, body, by=False)


def _decides(items: Sequence[Any], body: Body, *, by: bool) -> bool:
    """Whether some item gives `by`. As CEL wants it, an item that fails counts only if no other one decides."""
    failed: Exception | None = None
    for item in items:
        try:
            if _holds(body, item) is by:
                return True
        except TooManySteps:
            raise
        except Exception as error:  # noqa: BLE001 - the library raises many types; raised below
            failed = error
    if failed is not None:
        raise failed
    return False


def _holds(body: Body, item: Any) -> bool:
    answer = body(0, item)
    if not isinstance(answer, bool):
        raise TypeError("`all`, `exists` and `filter` need a condition that is true or false")
    return answer


MACROS: dict[str, Callable[[Sequence[Any], Body, Fuel, int], Any]] = {
    "map": _map,
    "filter": _filter,
    "all": _all,
    "exists": _exists,
    "exists_one": _exists_one,
}
