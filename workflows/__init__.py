"""Every workflow type that a worker runs."""

from .hello import Hello

ALL = [Hello]

__all__ = ["ALL", "Hello"]
