"""`topic/NAME`: publishes for those outside. What it is asked or told to publish goes to every subscriber, once."""

from ..agent import Agent, on
from ..message import Message, parse_stored


class Publish(Message, name="topic.publish"):
    type: str
    version: int = 1
    body: str  # JSON


class Topic(Agent, kind="topic"):
    published: int = 0

    @on
    async def publish_message(self, message: Publish) -> None:
        self.publish(self.address.key, parse_stored(message.type, message.version, message.body))
        self.published += 1
