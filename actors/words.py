"""What every mapping that people write by hand has in common."""

from pydantic import BaseModel, ConfigDict, ValidationError


class Words(BaseModel):
    """Unknown words are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


def sentence(error: ValidationError) -> str:
    """The first thing that is wrong, behind its word. What pydantic calls a choice among types is nobody's word."""
    problem = error.errors(include_url=False)[0]
    word = ".".join(step for step in problem["loc"] if isinstance(step, str) and not step.startswith("constr"))
    return f"{word}: {problem['msg'].removeprefix('Value error, ')}"
