"""The workflow `hello`: asks the agent greeter/NAME for a greeting. The shortest way through every part."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field
from temporalio import workflow

from .asking import ask


class HelloInput(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="world", min_length=1, max_length=200)
    think_seconds: float = Field(default=0.0, ge=0.0, le=600.0, description="how long the agent thinks")


class HelloOutput(BaseModel):
    greeting: str
    times: int


@workflow.defn(name="hello")
class Hello:
    @workflow.run
    async def run(self, request: HelloInput = HelloInput()) -> HelloOutput:  # noqa: B008 - frozen, never changed
        reply = await ask(
            f"greeter/{request.name}",
            "greeter.greet",
            {"name": request.name, "think_seconds": request.think_seconds},
            timeout=timedelta(seconds=60 + request.think_seconds),
        )
        assert reply.body is not None
        return HelloOutput(greeting=reply.body["text"], times=reply.body["times"])
