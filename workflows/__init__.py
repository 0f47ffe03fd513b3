"""Every workflow type that a worker runs."""

from .hello import Hello
from .interpreter import FlowRun
from .task import Task

ALL = [FlowRun, Hello, Task]

__all__ = ["ALL", "FlowRun", "Hello", "Task"]
