"""The command line. `main` is the entry point of the script `resprout`."""

import gc

# What a command loads it keeps: to look through it for garbage again and again takes a sixth of its start. Later, a
# process that lives long looks as seldom as a host.
gc.set_threshold(50_000, 20, 100)

from .app import main  # noqa: E402

__all__ = ["main"]
