"""Drawings of flows: nothing overlaps, nothing is missing, nothing breaks out of the markup."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from flows.reading import flow
from resprout.workflows.flow import read
from resprout.workflows.flow.drawing import svg
from resprout.workflows.flow.mermaid import mermaid

GOOD = sorted((Path(__file__).parent / "good").glob("*.flow.yaml"))

Rectangle = tuple[float, float, float, float]


def rectangles(image: str) -> list[Rectangle]:
    root = ElementTree.fromstring(image)
    found = [element.attrib for element in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    return [(float(r["x"]), float(r["y"]), float(r["width"]), float(r["height"])) for r in found]


def apart_or_inside(one: Rectangle, other: Rectangle) -> bool:
    (x, y, w, h), (u, v, a, b) = one, other
    apart = x + w <= u or u + a <= x or y + h <= v or v + b <= y
    inside = (x <= u and y <= v and u + a <= x + w and v + b <= y + h) or (
        u <= x and v <= y and x + w <= u + a and y + h <= v + b
    )
    return apart or inside


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_boxes_are_beside_or_inside_each_other(file: Path) -> None:
    read_flow = read(file.read_text(), file.name).flow
    assert read_flow is not None

    boxes = rectangles(svg(read_flow))

    assert len(boxes) >= sum(1 for _ in read_flow.every_task())
    assert all(apart_or_inside(one, other) for one in boxes for other in boxes)


def test_mermaid_has_a_box_for_each_task_and_an_arrow_for_each_need() -> None:
    drawn = mermaid(
        flow(
            "  - {id: a, agent: greeter/x, ask: a.b}\n"
            "  - parallel: [{id: end, agent: greeter/x, ask: a.b}, {id: c, agent: greeter/x, ask: a.b, needs: [end]}]\n"
        )
    )

    assert drawn.splitlines() == [
        "flowchart TD",
        '  t_a["a: a.b → greeter/x"]',
        '  subgraph t_parallel_1["parallel_1: in parallel"]',
        '    t_end["end: a.b → greeter/x"]',
        '    t_c["c: a.b → greeter/x"]',
        "    t_end --> t_c",
        "  end",
        "  t_a --> t_parallel_1",
    ]


def test_names_cannot_break_out_of_the_markup() -> None:
    named = flow("  - {name: '<script>\"]&', agent: greeter/x, ask: a.b}\n")

    assert "<script>" not in svg(named) + mermaid(named)
    ElementTree.fromstring(svg(named))
