"""What whoever starts a run must be allowed, read from the flow."""

from typing import Any

import pytest
from resprout.activities.tools.builtin.runs import start
from resprout.workflows.flow.checking import check

ASKS = iter(range(1_000_000))
CHOICE, WORD = "${{ inputs.n > 1 }}", "${{ inputs.word }}"
INPUTS = {"n": {"type": "integer"}, "word": {"type": "string"}}


def needs(*tasks: Any, **more: Any) -> list[str]:
    flow = {"flow": {"name": "x"}, "tasks": list(tasks), **more}
    return [str(need) for need in start.needs(start.parse({"flow": flow}))]


def asked(agent: str, **more: Any) -> dict[str, Any]:
    return {"id": f"t{next(ASKS)}", "agent": agent, "ask": "do.it", **more}


def test_a_flow_that_runs_code_needs_what_the_code_may_do() -> None:
    sandbox = {"language": "python", "code": "1", "net": ["evil.org:443"], "secrets": {"K": "api-key"}}

    found = needs({"sandbox": sandbox}, asked("admin/x"), {"emit": {"topic": "news"}})

    assert found == [
        *("runs.start:x", "code.run:python", "net.connect:evil.org:443", "secrets.use:api-key"),
        *("agents.ask:admin/x", "agents.ask:topic/news"),
    ]


def test_what_is_an_expression_counts_as_everything() -> None:
    hidden = "${{ inputs.who }}"

    found = needs(
        {"sandbox": {"image": "tools:1", "run": "x", "secrets": {"K": hidden}}},
        asked(hidden),
        asked("boss"),
        asked("clerk"),
        {"emit": {"topic": f"news-{hidden}"}},
        agents={"boss": {"kind": "admin", "key": hidden}, "clerk": {"kind": "clerk"}},
    )

    assert found[1:] == [
        *("code.run:tools:1", "secrets.use:*", "agents.ask:*", "agents.ask:admin/*", "agents.ask:clerk/clerk"),
        "agents.ask:topic/*",
    ]


@pytest.mark.parametrize(
    "around",
    [
        lambda tasks: {"sequential": tasks},
        lambda tasks: {"parallel": tasks},
        lambda tasks: {"parallel": {"tasks": tasks}},
        lambda tasks: {"condition": {"if": CHOICE, "then": tasks}},
        lambda tasks: {"condition": {"if": CHOICE, "then": [asked("a/a")], "else": tasks}},
        lambda tasks: {"condition": {"if": CHOICE, "then": [asked("a/a")], "else_": tasks}},
        lambda tasks: {"condition": {"if": CHOICE, "then": [asked("a/a")], "elif": [{"if": CHOICE, "then": tasks}]}},
        lambda tasks: {"condition": {"switch": WORD, "cases": {"ask": tasks}}},
        lambda tasks: {"condition": {"switch": WORD, "cases": {"a": [asked("a/a")]}, "default": tasks}},
        lambda tasks: {"loop": {"over": [1], "do": tasks}},
        lambda tasks: {"try": tasks, "finally": [asked("a/a")]},
        lambda tasks: {"try": [asked("a/a")], "catch": tasks},
        lambda tasks: {"try": [asked("a/a")], "catch": [asked("a/a")], "finally": tasks},
        lambda tasks: {"try": [asked("a/a")], "finally_": tasks},
        lambda tasks: asked("a/a", compensate=tasks),
    ],
)
def test_no_place_for_tasks_is_overlooked(around: Any) -> None:
    task = {"id": "outer", **around([{"id": "inner", "sequential": [asked("admin/x")]}])}

    assert "agents.ask:admin/x" in needs(task)
    reading = check({"flow": {"name": "x"}, "inputs": INPUTS, "tasks": [task]})
    assert reading.flow is not None, reading
    assert any(getattr(one, "agent", "") == "admin/x" for one in reading.flow.every_task())


def test_a_flow_with_very_many_needs_is_asked_about_as_a_whole() -> None:
    assert needs(*(asked(f"clerk/{n}") for n in range(101))) == ["runs.start:x", "agents.ask:*"]
