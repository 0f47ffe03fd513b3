"""What is too large is refused where it arises. Left to Temporal, the step that hands it on would fail for ever."""

from typing import Any

from pydantic_core import to_json

from ...actors.size import LARGEST_VALUE
from .failures import TOO_LARGE, TaskFailed


def refuse_large(value: Any, what: str, task: str, limit: int = LARGEST_VALUE) -> int:
    """The size."""
    size = len(to_json(value))
    if size > limit:
        raise TaskFailed(
            TOO_LARGE,
            f"{what} has {size:,} bytes as JSON, and the limit is {limit:,}. Keep what is large in a file or store and "
            "pass a reference to it.",
            task,
        )
    return size
