"""What a flow publishes: the message that subscribers of the topic get."""

from typing import Any

from ..message import Message


class Emitted(Message, name="flow.emitted"):
    topic: str
    data: Any = None
    run: str
    flow: str
    task: str
