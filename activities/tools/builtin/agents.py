"""Tools that reach other agents: `agent.ask`, `agent.tell`, `agent.find`.

A message's id is derived from the key of the call: however often the call is tried, the agent handles one message.
"""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, JsonValue

from ....actors.address import AgentAddress
from ....actors.errors import BadAddress
from ..manifest import Permission
from ..tool import ReachesAgents, ToolCall, ToolError, tool

LONGEST = 600  # seconds
NOTHING: dict[str, Any] = {}


def _address(text: str) -> str:
    try:
        return str(AgentAddress.parse(text))
    except BadAddress as error:
        raise ValueError(str(error)) from None


Address = Annotated[
    str, AfterValidator(_address), Field(description="The agent's address, kind/key, as in researcher/alice.")
]
MessageName = Annotated[
    str,
    Field(description="Name of the message type; agent.find shows which a kind takes.", min_length=1, max_length=200),
]
MessageBody = Annotated[dict[str, JsonValue], Field(description="The message's fields.")]


class Reply(BaseModel):
    message: str | None = Field(description="name of the reply's type; null: the agent handled it and says nothing")
    body: dict[str, JsonValue] | None


class Told(BaseModel):
    id: str = Field(description="of the message, which is on disk and will be handled once")


class FoundAgent(BaseModel):
    agent: str = Field(description="address; `kind/` and any key for a kind that has no agents yet")
    health: str
    capabilities: list[str]
    messages: list[str] = Field(description="names of the message types that it takes, where they are known")


def _asks(arguments: Any) -> tuple[Permission, ...]:
    return (Permission(action="agents.ask", on=arguments.agent),)


@tool(
    "agent.ask",
    version="1.0.0",
    contract="keyed",
    permissions=("agents.ask",),
    needs=_asks,
    danger="low",
    timeout=timedelta(seconds=LONGEST + 10),
    tags=("team", "message", "delegate"),
    keeps_references=True,
)
async def ask(
    call: ToolCall,
    agent: Address,
    message: MessageName,
    body: MessageBody = NOTHING,
    seconds: Annotated[int, Field(description="Seconds to wait for the reply.", ge=1, le=LONGEST)] = 60,
) -> Reply:
    """Asks another agent and waits for its reply."""
    name, reply = await _agents(call).ask(agent, message, body, timedelta(seconds=seconds))
    return Reply(message=name, body=reply)


@tool(
    "agent.tell",
    version="1.0.0",
    contract="keyed",
    permissions=("agents.ask",),
    needs=_asks,
    danger="low",
    tags=("team", "message", "notify"),
    keeps_references=True,
)
async def tell(call: ToolCall, agent: Address, message: MessageName, body: MessageBody = NOTHING) -> Told:
    """Sends another agent a message and does not wait until it is handled."""
    return Told(id=await _agents(call).tell(agent, message, body))


@tool("agent.find", version="1.0.0", contract="safe-to-retry", tags=("team", "search", "capability"))
async def find(
    call: ToolCall,
    capability: Annotated[str | None, Field(description="Only those that can do this.", max_length=200)] = None,
    kind: Annotated[str | None, Field(description="Only those of this kind.", max_length=63)] = None,
    most: Annotated[int, Field(description="How many are given at most.", ge=1, le=200)] = 20,
) -> list[FoundAgent]:
    """Finds agents by what they can do or by their kind, with their health and the messages that they take."""
    return [FoundAgent.model_validate(one) for one in await _agents(call).find(capability, kind, most)]


def _agents(call: ToolCall) -> ReachesAgents:
    if call.agents is None:
        raise ToolError("no agents can be reached from here: call it where a worker runs.")
    return call.agents


TOOLS = (ask, tell, find)
