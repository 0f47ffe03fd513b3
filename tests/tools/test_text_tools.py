"""Tools for text: each with what it gives and what it refuses."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.tools.bounded.differences import split_lines, unified
from resprout.activities.tools.builtin import patches, patterns, templates, text
from resprout.activities.tools.builtin.hunks import apply_hunks, parse_hunks
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        (text.replace, {"text": "aaa", "old": "a", "new": "b", "limit": 2}, {"text": "bba", "replacements": 2}),
        (text.split, {"text": "one two three four", "size": 10}, {"chunks": ["one two ", "three four"]}),
        (text.split, {"text": "x" * 25, "size": 10, "overlap": 5}, {"chunks": ["x" * 10] * 4}),
        (text.compare, {"a": "a b c", "b": "a b d"}, {"ratio": 0.666667}),
        (text.slug, {"text": "Größe & Maß: 2. Teil!"}, {"text": "grosse-mass-2-teil"}),
        (text.truncate, {"text": "abcdef", "length": 4}, {"text": "abc…", "truncated": True}),
        (text.truncate, {"text": "a b c", "length": 2, "unit": "words"}, {"text": "a b…", "truncated": True}),
        (text.truncate, {"text": "a\nb", "length": 2, "unit": "lines"}, {"text": "a\nb", "truncated": False}),
        (text.case, {"text": "HTTPServer name", "to": "snake"}, {"text": "http_server_name"}),
        (text.case, {"text": "http server", "to": "pascal"}, {"text": "HttpServer"}),
        (text.case, {"text": "Über uns", "to": "upper"}, {"text": "ÜBER UNS"}),
        (
            patterns.substitute,
            {"text": "ada@x.org", "pattern": r"(\w+)@(?P<host>\S+)", "replacement": r"\g<host>: \1"},
            {"text": "x.org: ada", "replacements": 1},
        ),
        (
            patterns.match,
            {"text": "v1.2", "pattern": r"v(?P<major>\d+)\.(\d+)"},
            {
                "matched": True,
                "match": {"text": "v1.2", "start": 0, "end": 4, "groups": ["1", "2"], "named": {"major": "1"}},
            },
        ),
        (patterns.match, {"text": "v1.2\n", "pattern": "v1.2"}, {"matched": False, "match": None}),
        (
            templates.template,
            {"template": "{% for one in names %}{{ one | upper }} {% endfor %}", "values": {"names": ["a", "<b>"]}},
            {"text": "A <B> "},
        ),
        (
            patches.diff,
            {"a": "1\n2\n", "b": "1\n3\n"},
            {"diff": "--- a\n+++ b\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n", "added": 1, "removed": 1},
        ),
        (
            patches.patch,
            {"text": "0\n1\n2\n", "diff": "@@ -1,2 +1,2 @@\n 1\n-2\n+3\n"},
            {"text": "0\n1\n3\n", "hunks": 1, "moved": 1},
        ),
    ],
)
async def test_a_tool_for_text_gives(hands: Hands, tool: Tool, arguments: dict[str, Any], expected: Any) -> None:
    assert await hands.use(tool, **arguments) == expected


async def test_a_text_is_counted(hands: Hands) -> None:
    counted = await hands.use(text.count, text="One two. Three?\n\nFöur", of="o")

    assert counted == {
        "characters": 21,
        "words": 4,
        "lines": 3,
        "sentences": 2,
        "paragraphs": 2,
        "bytes": 22,
        "occurrences": 1,
    }


async def test_matches_say_where_they_are(hands: Hands) -> None:
    found = await hands.use(patterns.extract, text="ü 12, 345", pattern=r"\d+", limit=1)

    assert found["matches"] == [{"text": "12", "start": 2, "end": 4, "groups": [], "named": {}}]
    assert found["truncated"]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (text.count, {"text": 1}, "`text`: Input should be a valid string"),
        (text.replace, {"text": "a" * 10_000, "old": "a", "new": "b" * 1_000}, "would be larger than"),
        (text.split, {"text": "x", "size": 10, "overlap": 8}, "`overlap` is 8, more than half of `size`: make it 5"),
        (text.compare, {"a": "", "b": "", "by": "letters"}, "`by`"),
        (text.slug, {"text": "日本"}, "has no letter or digit"),
        (text.truncate, {"text": "abc", "length": 1, "ending": "..."}, "`ending` is longer than 1"),
        (text.case, {"text": "!?", "to": "kebab"}, "has no word"),
        (patterns.extract, {"text": "", "pattern": r"(a)\1"}, "no regular expression of RE2: invalid escape"),
        (patterns.match, {"text": "", "pattern": "a(?=b)"}, "no regular expression of RE2: invalid perl operator"),
        (patterns.substitute, {"text": "a", "pattern": "a", "replacement": r"\2"}, "names a group"),
        (templates.template, {"template": "{{ nobody }}", "values": {}}, "'nobody' is undefined; give it in `values`"),
        (templates.template, {"template": "{% if %}", "values": {}}, "`template` is no Jinja template, line 1"),
        (templates.template, {"template": "{{ ''.__class__.__mro__ }}", "values": {}}, "may not: access to attribute"),
        (templates.template, {"template": "{{ x.append(1) }}", "values": {"x": []}}, "may not"),
        (templates.template, {"template": "{{ 'x' * 2000000 }}", "values": {}}, "writes more than 1,048,576"),
        (templates.template, {"template": "{{ 'x' * 10**10 }}", "values": {}}, "more than 512 MB of memory"),
        (templates.template, {"template": "{% include '/etc/passwd' %}", "values": {}}, "cannot be filled"),
        (patches.diff, {"a": "", "b": "", "context": 101}, "`context`"),
        (patches.patch, {"text": "a\n", "diff": "@@ -1 +1 @@\n-b\n+c\n"}, r"hunk 1 \(line 1\) does not fit the text"),
        (patches.patch, {"text": "a\n", "diff": "nothing"}, "`diff` has no hunk"),
        (patches.patch, {"text": "a\n", "diff": "@@ -1,9 +1 @@\n-a\n+c\n"}, "does not have as many lines as its head"),
    ],
)
async def test_what_a_tool_for_text_cannot_do_is_said(
    hands: Hands, tool: Tool, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises((ToolError, BadArguments), match=said):
        await hands.use(tool, **arguments)


async def test_a_template_that_would_never_end_is_ended(hands: Hands) -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"

    with pytest.raises(ToolError, match="took longer than 2 s of processor time: give it less to do"):
        await hands.use(templates.template, template=endless, values={})


async def test_an_expression_that_others_never_finish_is_matched_at_once(hands: Hands) -> None:
    found = await hands.use(patterns.match, text="a" * 100_000 + "b", pattern="(a+)+$")

    assert not found["matched"]


_TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "- d\n", "\\ e\n", "end"]), max_size=12).map("".join)


@given(_TEXTS, _TEXTS, st.integers(0, 4))
def test_a_difference_applied_to_the_one_gives_the_other(a: str, b: str, context: int) -> None:
    diff = str(unified(a, b, "a", "b", context)["diff"])

    if a == b:
        assert diff == ""
    else:
        lines, _ = apply_hunks(split_lines(a), parse_hunks(diff))
        assert "".join(lines) == b


@given(st.text("ab \n.", max_size=200), st.integers(10, 40), st.integers(0, 5))
def test_chunks_are_no_longer_than_said_and_lose_nothing(whole: str, size: int, overlap: int) -> None:
    found = text.chunks_of(whole, size, overlap)

    assert all(len(chunk) <= size for chunk in found)
    rebuilt = ""
    for chunk in found:
        known = next(
            length for length in range(min(overlap, len(rebuilt)), -1, -1) if whole.startswith(rebuilt + chunk[length:])
        )
        rebuilt += chunk[known:]
    assert rebuilt == whole
