"""The interpreter: one Temporal workflow that runs any flow."""

from .workflow import FlowRun

__all__ = ["FlowRun"]
