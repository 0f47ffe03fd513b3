"""The macros of CEL, evaluated item by item and counted, so that no expression goes on for ever."""

from collections.abc import Callable, Sequence
from typing import Any

MOST_STEPS = 300_000  # some 0.6 s; Temporal gives a worker two


ITEMS_A_STEP = 10
AROUND = 3  # items: what a list or a map costs beside what is in it
SMALL = {int, float, bool, type(None)}


class TooManySteps(ValueError):
    pass


class Fuel:
    """What one evaluation may still do: counts rounds of macros, and what is copied and walked through."""

    def __init__(self) -> None:
        self.left = MOST_STEPS
        self.failure: Exception | None = None
        """What failed in a macro, or for want of fuel, before the library put it into words of its own."""

    def burn(self, items: int) -> None:
        self.left -= items
        if self.left < 0:
            self.failure = TooManySteps(f"it goes through more than {MOST_STEPS:,} items")
            raise self.failure

    def burn_for(self, value: Any, times: float = 1) -> None:
        """For a value that is copied or walked through: ten of its items cost as much as one round."""
        self.burn(int(size_of(value) * times) // ITEMS_A_STEP)


Body = Callable[[int, Any], Any]


def _map(items: Sequence[Any], body: Body, fuel: Fuel, bodies: int) -> list[Any]:
    mapped = []
    for item in items:
        if bodies == 1 or body(0, item) is True:
            result = body(bodies - 1, item)
            fuel.burn(size_of(result))
            mapped.append(result)
    return mapped


def size_of(value: Any) -> int:
    """Its items, with those inside them, and its letters, a hundred for one."""
    size, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str | bytes):
            size += len(one) // 100
        elif isinstance(one, list | tuple | dict):
            size += len(one) + AROUND
            inside = one.values() if isinstance(one, dict) else one
            waiting += [item for item in inside if type(item) not in SMALL]
    return size


def _filter(items: Sequence[Any], body: Body, _: Fuel, __: int) -> list[Any]:
    return [item for item in items if _holds(body, item)]


def _exists_one(items: Sequence[Any], body: Body, _: Fuel, __: int) -> bool:
    return sum(_holds(body, item) for item in items) == 1


def _exists(items: Sequence[Any], body: Body, fuel: Fuel, _: int) -> bool:
    return _decides(items, body, fuel, by=True)


def _all(items: Sequence[Any], body: Body, fuel: Fuel, _: int) -> bool:
    return not _decides(items, body, fuel, by=False)


def _decides(items: Sequence[Any], body: Body, fuel: Fuel, *, by: bool) -> bool:
    """Whether some item gives `by`. As CEL wants it, an item that fails counts only if no other one decides."""
    failed: Exception | None = None
    for item in items:
        try:
            if _holds(body, item) is by:
                return True
        except Exception as error:
            if fuel.left < 0:
                raise
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
