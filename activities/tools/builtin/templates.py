"""The tool that fills templates."""

from typing import Annotated, Any

from pydantic import Field

from ..tool import tool
from .bounds import run_bounded
from .text import OneText

MOST_WRITTEN = 1 << 20


@tool("text.template", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def template(
    template: Annotated[str, Field(max_length=200_000, description="A Jinja template, as in `Dear {{ name }}`.")],
    values: Annotated[dict[str, Any], Field(description="What the template's names stand for.")],
) -> OneText:
    """Fills a Jinja template. A name that is not in `values` is an error; no HTML is escaped unless it says `| e`."""
    from ..bounded.templates import render

    return OneText(run_bounded(render, template, values, MOST_WRITTEN))


TOOLS = (template,)
