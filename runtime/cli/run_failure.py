"""What can be done about a run that has failed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...actors.errors import RunFailed

from .hints import as_given


def remedy_of(failure: "RunFailed") -> str:
    """Starting again from the failed task is offered only where it may end otherwise."""
    from ...workflows.interpreter.failures import HOPELESS

    run = failure.run
    if failure.never_began:
        return "mend what it was given, and start it anew"
    if failure.agent is not None:
        goes_on = f"`resprout runs continue {run}` goes on in its conversation"
        return as_given(f"mend what is wrong, then {goes_on}" if failure.type in HOPELESS else goes_on)
    if failure.type not in HOPELESS:
        return as_given(f"start again from there: `resprout runs retry {run}`")
    fork = f"resprout runs fork {run} --from {failure.task or 'TASK'} --set inputs.NAME=VALUE"
    return as_given(
        "trying the same again gives the same: mend the flow and run it anew, "
        f"or go on from there with other inputs: `{fork}`"
    )
