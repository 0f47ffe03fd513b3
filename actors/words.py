"""What every mapping that people write by hand has in common."""

from pydantic import BaseModel, ConfigDict


class Words(BaseModel):
    """Unknown words are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)
