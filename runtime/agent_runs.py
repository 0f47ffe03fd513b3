"""Runs of agents from outside: started with a goal, and continued where they stopped."""

from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from ..actors.errors import Rejected
from ..actors.words import sentence
from ..workflows.agent_run.run_input import KIND, TASK_TIMEOUT, AgentResult, AgentRunInput
from ..workflows.interpreter.run_input import UNKNOWN_STARTER
from . import identity
from .run_errors import not_of_an_agent
from .runs import AGENT, RunRef, Runs


def agent_run_input(**words: Any) -> AgentRunInput:
    """Raises Rejected for what no agent can be given. On whose behalf it runs: the user of this machine, if nobody is
    said."""
    try:
        return AgentRunInput(**{"chain": (identity.user(),), **words})
    except ValidationError as error:
        raise Rejected(f"the agent cannot be given this: {sentence(error, AgentRunInput)}") from None


async def continued(runs: Runs, id: str, new_id: str | None, *, goal: str = "", **changes: Any) -> RunRef:  # noqa: A002
    """A new run in the conversation of one that has ended: with a new goal, or to go on with what was not finished."""
    run = runs.get(id)
    row = await run.describe()
    if row.kind != AGENT:
        raise not_of_an_agent(id, row.kind)
    if row.is_open:
        raise Rejected(f"{id} goes on ({row.status}): say something into it with `resprout runs steer {id} TEXT`.")
    given = await run.given(AgentRunInput)
    if not goal and row.status == "completed":
        result = AgentResult.model_validate(await run.result())
        if result.status == "answered":
            raise Rejected(f"{id} has answered already: say with --goal what is to be reached now.")
    state = await run.state()
    was_said = bool(state["iterations"])  # else it may have ended while another run had the conversation
    said = {"carried", "within"} | ({"goal", "with_"} if goal or was_said else set())
    words = {
        "goal": goal,
        **given.model_dump(exclude=said, exclude_unset=True),
        "chain": _with_user(given.chain or (UNKNOWN_STARTER,)),
        "continues": state["continues"],
        **{name: value for name, value in changes.items() if value is not None},
    }
    return await start(runs, agent_run_input(**words), new_id or await _free(runs, id))


def _with_user(chain: tuple[str, ...]) -> tuple[str, ...]:
    """What was said in the conversation acts on behalf of those who said it, and of nobody with wider rights."""
    user = identity.user()
    return chain if user in chain else (*chain, user)


async def start(runs: Runs, given: AgentRunInput, id: str | None, *, once: bool = False) -> RunRef:  # noqa: A002
    """The id of a run with a conversation of its own is its name for ever: another one is no continuation of it."""
    name = given.role or given.agent or KIND
    is_own = given.agent is None and given.continues is None
    id = id or f"{name}-{uuid4().hex[:10]}"  # noqa: A001
    return await runs.start_workflow(AGENT, given, id, once=once, anew=not is_own, task_timeout=TASK_TIMEOUT)


async def _free(runs: Runs, id: str) -> str:  # noqa: A002
    first, _, number = id.rpartition("-continue-")
    stem, count = (first, int(number) + 1) if first and number.isdigit() else (id, 1)
    while await runs.get(f"{stem}-continue-{count}").exists():
        count += 1
    return f"{stem}-continue-{count}"
