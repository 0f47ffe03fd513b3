"""A tool that gives a page of text, another one for each number: what an agent reads."""

from resprout.activities.tools.tool import tool


@tool("bench.page", version="1.0.0", contract="safe-to-retry")
def page(number: int, characters: int) -> str:
    """Gives a page."""
    return page_of(number, characters)


def page_of(number: int, characters: int) -> str:
    line = f"Page {number} speaks of leases, shards and journals, and of what becomes of them. "
    return (line * (characters // len(line) + 1))[:characters]
