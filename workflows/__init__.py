"""Every workflow type that a worker runs."""

from .agent_run.workflow import AgentRun
from .hello import Hello
from .interpreter import FlowRun
from .task import Task

ALL = [AgentRun, FlowRun, Hello, Task]

__all__ = ["ALL", "AgentRun", "FlowRun", "Hello", "Task"]
