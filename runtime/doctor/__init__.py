"""Looking at a machine and a configuration, and saying what to do about what is wrong."""

from .finding import Finding
from .report import Group, examine

__all__ = ["Finding", "Group", "examine"]
