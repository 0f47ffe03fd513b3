"""What we read of the events of a protocol."""

from pydantic import BaseModel, ConfigDict


class Heard(BaseModel):
    """Strict in what we read, and blind to the rest, of which every server has its own."""

    model_config = ConfigDict(extra="ignore")
