"""The flow language: what `*.flow.yaml` says, checked and frozen. Texts and documents in, flows and problems out."""

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
