"""The bundled model: what is asked of it, so that a very small model says what is of use."""

from .model import LocalModel

__all__ = ["LocalModel"]
