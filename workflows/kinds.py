"""Every kind of workflow that a worker runs. Apart, since commands need none of them and would wait for all."""

from .agent_run.workflow import AgentRun
from .hello import Hello
from .interpreter.workflow import FlowRun
from .task import Task

ALL = [AgentRun, FlowRun, Hello, Task]
