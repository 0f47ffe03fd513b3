"""What a supervisor agent is told when a message to one of its agents was given up."""

from uuid import UUID

from .message import Message


class Poisoned(Message, name="agent.poisoned"):
    agent: str
    message_id: UUID
    message_type: str
    error: str
    attempts: int
