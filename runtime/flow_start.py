"""What a run is started with: a flow, frozen, from a file or from Python, with inputs that fit it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from temporalio.exceptions import ApplicationError

from ..actors.errors import Rejected
from ..actors.words import sentence
from ..workflows.flow import Flow, Freezing, Frozen, Problem, document, freeze_document, inputs_for
from ..workflows.interpreter.run_input import RunInput, refuse_unfinished_words
from . import identity
from .flow_files import flow_path, frozen, load_child


class BadFlow(Rejected, of_one_text=False):
    """The flow has mistakes; `problems` holds them all."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problem for problem in problems if problem.severity == "error")

    def __str__(self) -> str:
        first = self.problems[0]
        number = len(self.problems)
        more = f" It has {number:,} mistakes in all: see `resprout flow validate {first.file}`." if number > 1 else ""
        where = f"{first.file}:{first.line}:{first.column}" if first.line else f"{first.file}: {first.path}"
        return f"{where}: {first.message}: {first.fix}.{more}"


def freeze_flow(flow: str | Path | Flow) -> Frozen:
    """From a file, or from Python; raises BadFlow."""
    return frozen_of(freeze_document(document(flow), load_child) if isinstance(flow, Flow) else frozen(existing(flow)))


def frozen_of(freezing: Freezing) -> Frozen:
    if freezing.frozen is None:
        raise BadFlow(freezing.problems)
    return freezing.frozen


def existing(flow: str | Path) -> Path:
    """The file of a flow, or of a team that ships."""
    file = flow_path(flow)
    if file.is_dir():
        raise Rejected(f"{file} is a directory: give one flow file.")
    if not file.exists():
        raise Rejected(
            f"there is no flow file {file}: give the path of one, or a team (`resprout team list`), or hello "
            "(`resprout run hello`)."
        )
    return file


def run_input(
    flow: Frozen,
    inputs: Mapping[str, Any],
    *,
    tenant: str = "default",
    tags: Sequence[str] = (),
    chain: Sequence[str] = (),
) -> RunInput:
    """Raises Rejected when the inputs do not fit, or the flow needs what this version cannot run yet.

    `chain` is on whose behalf it runs; the user of this machine, if nobody is said.
    """
    typed = flow.flow
    check_inputs(typed, inputs)
    try:
        refuse_unfinished_words(typed)
        for child in _children(flow):
            refuse_unfinished_words(child.flow)
    except ApplicationError as error:
        raise Rejected(error.message) from None
    try:
        return RunInput(
            flow=flow.document,
            children=flow.children,
            hash=flow.hash,
            inputs=dict(inputs),
            tenant=tenant,
            tags=tuple(tags),
            chain=tuple(chain) or (identity.user(),),
        )
    except ValidationError as error:
        raise Rejected(f"the flow `{typed.name}` cannot run: {sentence(error, RunInput)}") from None


def check_inputs(flow: Flow, inputs: Mapping[str, Any]) -> None:
    _, problems = inputs_for(flow, inputs)
    if problems:
        raise Rejected(f"the flow `{flow.name}` cannot run with these inputs: {' '.join(problems)}")


def _children(flow: Frozen) -> list[Frozen]:
    return [inner for child in flow.children.values() for inner in (child, *_children(child))]
