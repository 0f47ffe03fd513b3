"""The flow language: what `*.flow.yaml` says, checked and frozen. Texts and documents in, flows and problems out.

Each name is loaded when it is first used: who needs the words of errors does not wait for the engine of expressions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checking import Reading, check, content_hash, document, read
    from .expressions import ExpressionFailed, evaluate, evaluate_condition
    from .frozen import Freezing, Frozen, freeze, freeze_document
    from .input_values import inputs_for
    from .model import Flow
    from .problem import Problem

__all__ = [
    "ExpressionFailed",
    "Flow",
    "Freezing",
    "Frozen",
    "Problem",
    "Reading",
    "check",
    "content_hash",
    "document",
    "evaluate",
    "evaluate_condition",
    "freeze",
    "freeze_document",
    "inputs_for",
    "read",
]

_PLACES = {
    "checking": ("Reading", "check", "content_hash", "document", "read"),
    "expressions": ("ExpressionFailed", "evaluate", "evaluate_condition"),
    "frozen": ("Freezing", "Frozen", "freeze", "freeze_document"),
    "input_values": ("inputs_for",),
    "model": ("Flow",),
    "problem": ("Problem",),
}
_PLACE = {name: place for place, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACE[name]}", __name__), name)
