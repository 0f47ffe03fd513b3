"""Logs, traces and metrics of one process."""

from .logs import configure_logs
from .metrics import REGISTRY, render, serve_metrics
from .traces import configure_traces

__all__ = ["REGISTRY", "configure_logs", "configure_traces", "render", "serve_metrics"]
