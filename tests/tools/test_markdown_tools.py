"""Tools for Markdown."""

from typing import Any

import pytest
from resprout.activities.tools.builtin import markdown
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands

PAGE = """\
# A *title*

<script>alert(1)</script> [a](javascript:alert(1)) [b](/ok)

## Prices `2026`

| city | price |
| --- | --- |
| **Rome** | 2.5 |
| Oslo |

Under
===
"""


async def test_html_has_no_tags_of_the_text_and_no_script(hands: Hands) -> None:
    html = (await hands.use(markdown.to_html, text=PAGE))["html"]

    assert "<h1>A <em>title</em></h1>" in html
    assert "&lt;script&gt;" in html
    assert '<a href="/ok">b</a>' in html
    assert "<table>" in html
    assert 'href="javascript' not in html


async def test_headings_are_listed_with_their_lines(hands: Hands) -> None:
    outline = await hands.use(markdown.outline, text=PAGE)

    assert [(one["level"], one["title"], one["line"]) for one in outline["headings"]] == [
        (1, "A title", 1),
        (2, "Prices 2026", 5),
        (1, "Under", 12),
    ]
    assert len((await hands.use(markdown.outline, text=PAGE, deepest=1))["headings"]) == 2


async def test_tables_become_data(hands: Hands) -> None:
    tables = await hands.use(markdown.tables, text=PAGE)

    assert tables["tables"] == [{"columns": ["city", "price"], "rows": [["Rome", "2.5"], ["Oslo", ""]], "line": 7}]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (markdown.to_html, {"text": "x" * 1_048_577}, "`text`: String should have at most 1048576 characters"),
        (markdown.outline, {"text": PAGE, "deepest": 7}, "`deepest`"),
        (markdown.tables, {"text": PAGE, "number": 2}, "the text has 1 tables, not 2"),
    ],
)
async def test_what_a_tool_for_markdown_cannot_do_is_said(
    hands: Hands, tool: Tool, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises((ToolError, BadArguments), match=said):
        await hands.use(tool, **arguments)
