"""Bounded work as part of a tool: what it refuses is the tool's answer."""

from collections.abc import Callable
from typing import Any

from ..bounded.process import MEMORY, SECONDS, Refused, bounded
from ..tool import ToolError


def run_bounded(work: Callable[..., Any], *arguments: Any, seconds: int = SECONDS, memory: int = MEMORY) -> Any:
    try:
        return bounded(work, *arguments, seconds=seconds, memory=memory)
    except Refused as refused:
        raise ToolError(str(refused)) from None
