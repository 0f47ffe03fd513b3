"""Whether a task has certainly been decided when an expression elsewhere is evaluated, and if not, why and what to do.

The two tasks meet in the innermost list that holds both of them, or a task around each. There the one must come
before the other; and from there down to the task, no loop and no compensation may lie in between.
"""

from .places import Place, TaskList
from .slots import Moment


def why_undecided(target: Place, place: Place | None, moment: Moment) -> tuple[str, str] | None:
    """Why the task may not have been decided when the expression is evaluated; None when it certainly has."""
    around_target = {id(step.inside): step for step in target.around()}
    if place is None:
        return _hidden(target, None)
    for step in place.around():
        meeting = around_target.get(id(step.inside))
        if meeting is not None:
            return _on_one_list(target, place, meeting, step, moment)
    raise AssertionError("every two tasks of a file meet in its list of tasks")


def _on_one_list(target: Place, place: Place, meeting: Place, step: Place, moment: Moment) -> tuple[str, str] | None:
    if meeting is step:
        return _around_one_task(target, place, step, moment)
    if not step.before >> meeting.index & 1:
        return _not_waited_for(target, place, meeting, step)
    return _hidden(target, meeting.inside)


def _around_one_task(target: Place, place: Place, step: Place, moment: Moment) -> tuple[str, str] | None:
    """Both stand in the same task, `step`, or are it."""
    if target is place:
        if moment is Moment.AFTER:
            return None
        return f"`{target.id}` refers to itself", "refer to a task before it"
    if target is step:
        if _list_below(step, place) == "compensate":
            return None
        said = f"`{place.id}` is inside `{target.id}`, which has not ended then"
        return said, "refer to a task before it, or to `loop.previous` in a loop"
    if place is step:
        if moment is Moment.AFTER or (moment is Moment.UNTIL and _list_below(step, target) == "do"):
            return _hidden(target, next(listed for listed in step.lists if listed.role == _list_below(step, target)))
        hint = (
            "use `loop.previous`, the output of the round before"
            if moment is Moment.WHILE
            else "refer to a task before it"
        )
        return f"`{target.id}` is inside `{step.id}` and runs later", hint
    return _two_lists(target, place, step)


def _two_lists(target: Place, place: Place, step: Place) -> tuple[str, str] | None:
    theirs, ours = _list_below(step, target), _list_below(step, place)
    if (
        ours == "compensate"
        or (ours in {"catch", "finally"} and theirs == "try")
        or (ours, theirs) == ("finally", "catch")
    ):
        return _hidden(target, next(listed for listed in step.lists if listed.role == theirs))
    said = f"`{target.id}` is in another branch of `{step.id}`, `{theirs}`, and does not run before `{place.id}`"
    return said, f"refer to a task before `{step.id}`, or move the task behind it and use `tasks.{step.id}.output`"


def _list_below(step: Place, inner: Place) -> str:
    """The list of `step` in which `inner` stands."""
    return next(place.inside.role for place in inner.around() if place.owner is step)


def _not_waited_for(target: Place, place: Place, meeting: Place, step: Place) -> tuple[str, str]:
    if meeting.before >> step.index & 1:
        said = f"`{target.id}` runs after `{place.id}`, so it has no output yet"
        return said, f"move `{meeting.id}` before `{step.id}`"
    said = f"nothing makes `{step.id}` wait for `{meeting.id}`, so `{target.id}` may not have ended"
    if step.task.needs:
        return said, f"add `{meeting.id}` to the `needs` of `{step.id}`"
    return said, f"add `needs: [{meeting.id}]` to `{step.id}`"


def _hidden(target: Place, top: TaskList | None) -> tuple[str, str] | None:
    """Why a task that is deeper than a list `top` cannot be seen from there, although its turn has been."""
    for step in target.around():
        if step.inside is top or step.owner is None:
            return None
        if step.inside.role == "do":
            loop = step.owner
            said = f"`{target.id}` is inside the loop `{loop.id}` and runs many times"
            return said, f"use `tasks.{loop.id}.output`"
        if step.inside.role == "compensate":
            said = f"`{target.id}` runs only when `{step.owner.id}` is undone"
            return said, f"refer to `tasks.{step.owner.id}.output`"
    return None
