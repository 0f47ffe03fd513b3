"""The command line. `main` is the entry point of the script `resprout`."""

from .app import main

__all__ = ["main"]
