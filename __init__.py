"""Resprout: agents that grow back."""

__version__ = "0.1.0"
