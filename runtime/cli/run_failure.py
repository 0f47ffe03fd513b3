"""What can be done about a run that has failed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...actors.errors import RunFailed

from .hints import as_given

# What an agent goes on with otherwise, where the same would fail again.
_ANOTHER_MODEL = ("mend that, or name another model", "--model NAME")
OTHERWISE = {
    "BudgetExceeded": ("give it more", "--budget K=V"),
    "UnknownModel": _ANOTHER_MODEL,
    "BadKey": _ANOTHER_MODEL,
}


def remedy_of(failure: "RunFailed", *, of_agent: bool) -> str:
    """Starting again from the failed task is offered only where it may end otherwise. `of_agent`: a run that was
    cancelled or terminated says no more of itself."""
    from ...workflows.interpreter.failures import HOPELESS

    run = failure.run
    if failure.never_began:
        return "mend what it was given, and start it anew"
    if of_agent:
        said, option = OTHERWISE.get(failure.type or "", (None, ""))
        if said is not None:
            return as_given(f"{said}, and let it go on: `resprout runs continue {run} {option}`")
        goes_on = f"`resprout runs continue {run}` goes on in its conversation"
        return as_given(f"mend what is wrong, then {goes_on}" if failure.type in HOPELESS else goes_on)
    if failure.type not in HOPELESS:
        return as_given(f"start again from there: `resprout runs retry {run}`")
    fork = f"resprout runs fork {run} --from {failure.task or 'TASK'} --set inputs.NAME=VALUE"
    return as_given(
        "trying the same again gives the same: mend the flow and run it anew, "
        f"or go on from there with other inputs: `{fork}`"
    )
