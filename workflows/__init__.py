"""Every workflow type that a worker runs."""

from .hello import Hello
from .interpreter import FlowRun

ALL = [FlowRun, Hello]

__all__ = ["ALL", "FlowRun", "Hello"]
