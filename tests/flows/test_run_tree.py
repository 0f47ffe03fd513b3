"""How a run looks as a tree."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from resprout.runtime.cli.run_view import length, tasks
from resprout.runtime.run_tree import Node, tree_of, with_children
from resprout.workflows.flow import Flow, check
from rich.console import Console

NOW = datetime(2030, 1, 1, 12, 0, 10, tzinfo=UTC)


def flow_of(*listed: dict[str, Any]) -> Flow:
    reading = check({"flow": {"name": "f"}, "inputs": {"x": {"type": "integer"}}, "tasks": list(listed)}, "f")
    assert reading.flow is not None, reading.problems
    return reading.flow


def task(id: str, **words: Any) -> dict[str, Any]:  # noqa: A002 - as in a flow
    return {"id": id, "agent": "greeter/a", "ask": "greeter.greet", **words}


def told(key: str, status: str = "completed", **more: Any) -> dict[str, Any]:
    began = {"started_at": "2030-01-01T12:00:00+00:00", "ended_at": None, "attempt": 1, "note": ""}
    return {"key": key, "title": key, "word": "ask", "status": status, **began, **more}


def shape(nodes: tuple[Node, ...]) -> list[Any]:
    return [(n.key, n.status, shape(n.inner)) if n.inner else (n.key, n.status) for n in nodes]


def drawn(nodes: tuple[Node, ...]) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(tasks(nodes, NOW))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_what_will_certainly_come_is_shown_before_it_begins() -> None:
    flow = flow_of(task("a"), {"id": "s", "sequential": [task("b"), task("c")]})

    assert shape(tree_of(flow, {"tasks": [told("a")]}, "r")) == [
        ("a", "completed"),
        ("s", "pending", [("b", "pending"), ("c", "pending")]),
    ]


def test_branches_catches_and_undoing_are_shown_once_they_have_begun() -> None:
    flow = flow_of(
        {"id": "q", "condition": {"if": "${{ inputs.x > 1 }}", "then": [task("yes")], "else": [task("no")]}},
        {"id": "t", "try": [task("a")], "catch": [task("c")], "finally": [task("f")]},
        task("b", compensate=[task("undo")]),
    )
    nothing = tree_of(flow, {"tasks": []}, "r")
    some = tree_of(flow, {"tasks": [told("q"), told("no"), told("c", "running"), told("undo")]}, "r")

    assert shape(nothing) == [
        ("q", "pending"),
        ("t", "pending", [("a", "pending"), ("f", "pending")]),
        ("b", "pending"),
    ]
    assert shape(some) == [
        ("q", "completed", [("no", "completed")]),
        ("t", "pending", [("a", "pending"), ("c", "running"), ("f", "pending")]),
        ("b", "pending", [("undo", "completed")]),
    ]


def test_rounds_under_way_hold_their_tasks() -> None:
    inner = {"id": "in", "loop": {"over": [1], "do": [task("x")]}}
    flow = flow_of({"id": "out", "loop": {"over": [1, 2], "max_parallel": 2, "do": [task("a"), inner]}})
    state = [told("out", "running"), told("out[1].a"), told("out[1].in", "running"), told("out[1].in[0].x", "failed")]

    assert shape(tree_of(flow, {"tasks": state}, "r")) == [
        ("out", "running", [
            ("out[1]", "running", [
                ("out[1].a", "completed"),
                ("out[1].in", "running", [("out[1].in[0]", "failed", [("out[1].in[0].x", "failed")])]),
            ]),
        ]),
    ]  # fmt: skip


def test_the_tasks_of_a_child_flow_are_put_inside_its_task() -> None:
    flow = flow_of({"id": "c", "flow": "./c.flow.yaml"})
    nodes = tree_of(flow, {"tasks": [told("c", "running", attempt=2)]}, "r")
    child = tree_of(flow_of(task("a")), {"tasks": []}, "r/c/2")

    assert nodes[0].child == "r/c/2"
    assert shape(with_children(nodes, {"r/c/2": child})) == [("c", "running", [("a", "pending")])]


def test_many_neighbours_with_nothing_to_tell_apart_are_folded() -> None:
    flow = flow_of(*(task(f"t{n}") for n in range(1_000)))
    state = [told(f"t{n}", ended_at="2030-01-01T12:00:01+00:00") for n in range(500)] + [told("t500", "running")]

    said = drawn(tree_of(flow, {"tasks": state}, "r"))

    assert len(said.splitlines()) == 12
    assert "… 496 more completed" in said
    assert "● t500" in said
    assert "… 495 more pending" in said


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1m01s"), (3_725, "1h02m"), (100_000, "1d03h")],
)
def test_lengths_of_time_are_short(seconds: float, text: str) -> None:
    assert length(NOW, NOW + timedelta(seconds=seconds), NOW) == text
