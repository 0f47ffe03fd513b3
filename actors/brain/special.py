"""What an agent may do besides calling tools: ask a person, give work to another agent, or hand the goal over.

They are offered to the model like tools. The loop does them itself, for they are no activities of one step.
"""

from ..models import ToolOffer
from ..models.conversation import Word

ASK_PERSON = "person.ask"
DELEGATE = "crew.delegate"
HAND_OVER = "crew.hand_over"

PERSON = ToolOffer(
    name=ASK_PERSON,
    description="Asks a person, and waits for the answer. Only for what no tool can find out or decide.",
    parameters={
        "type": "object",
        "properties": {"question": {"type": "string", "description": "what the person is to answer"}},
        "required": ["question"],
        "additionalProperties": False,
    },
)


class Member(Word):
    """Another agent, as the one that may give it work knows it."""

    name: str
    description: str = ""


def crew_offers(crew: tuple[Member, ...]) -> tuple[ToolOffer, ...]:
    if not crew:
        return ()
    who = "; ".join(f"{one.name}: {one.description}" if one.description else one.name for one in crew)
    to = {"type": "string", "enum": [one.name for one in crew], "description": f"who. {who}"}
    goal = {"type": "string", "description": "what is to be reached, with all that is needed to know"}
    shape = {
        "type": "object",
        "properties": {"to": to, "goal": goal},
        "required": ["to", "goal"],
        "additionalProperties": False,
    }
    return (
        ToolOffer(name=DELEGATE, description="Gives another agent a goal and waits for its answer.", parameters=shape),
        ToolOffer(
            name=HAND_OVER,
            description="Hands the whole goal over to another agent: its answer is the answer, and you are done.",
            parameters=shape,
        ),
    )
