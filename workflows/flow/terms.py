"""The types of single values in a flow file."""

from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

NAME = r"^[a-z][a-z0-9-]*$"
ID = r"^[a-z][a-z0-9_]*$"

Name = Annotated[str, StringConstraints(pattern=NAME, max_length=63)]
TaskId = Annotated[str, StringConstraints(pattern=ID, max_length=63)]
InputName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=63)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
# What runs are found by: Temporal takes 2,048 bytes for each.
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Expression = Annotated[
    str, Field(json_schema_extra={"pattern": r"^\s*\$\{\{[\s\S]*\}\}\s*$", "examples": ["${{ inputs.limit > 3 }}"]})
]
THINKS = "brain"  # the kind of agents that take goals
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]*$", max_length=63)]
Arguments = dict[str, JsonValue]
Labels = Annotated[tuple[Label, ...], Field(max_length=20)]
Steps = tuple[str | int, ...]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
