"""A flow as an SVG image, drawn without any other program.

A list of tasks is drawn in layers: a task stands below everything that it needs. A block is a frame around its
lists, which stand side by side. Sizes are found from the inside out, places from the outside in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from .captions import caption, list_caption
from .model import Flow
from .places import Place, TaskList, check_needs, tree
from .problem import Findings

LETTER = 6.7  # the width of a letter of 12 px, about
HEIGHT, GAP, LAYER_GAP, PAD, TITLE = 34.0, 18.0, 30.0, 14.0, 22.0

_COLOURS = {
    "ask": "#dcfce7",
    "goal": "#dcfce7",
    "tool": "#dbeafe",
    "sandbox": "#e0e7ff",
    "flow": "#f3e8ff",
    "approval": "#fef9c3",
    "wait": "#f1f5f9",
    "emit": "#ffe4e6",
}


@dataclass
class Box:
    """A task or a list of tasks, with its size, its place, and what is inside."""

    width: float
    height: float
    label: str = ""
    fill: str = "none"
    frame: bool = True
    dashed: bool = False
    inner: "list[Box]" = field(default_factory=list)
    arrows: "list[tuple[Box, Box]]" = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0

    def move(self, x: float, y: float) -> None:
        self.x += x
        self.y += y
        for box in self.inner:
            box.move(x, y)


def svg(flow: Flow) -> str:
    found = tree(flow)
    check_needs(found, Findings())
    whole = _list(found.root)
    whole.move(PAD, PAD + TITLE)
    width, height = max(whole.width, LETTER * len(flow.name) * 1.3) + 2 * PAD, whole.height + 2 * PAD + TITLE
    title = f'<text x="{PAD}" y="{PAD + 8}" font-size="15" font-weight="bold">{escape(flow.name)}</text>'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="system-ui, sans-serif" font-size="12">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0 8 4 0 8z" fill="#475569"/></marker></defs>',
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
            title,
            *_drawn(whole),
            "</svg>",
            "",
        ]
    )


def _list(inside: TaskList) -> Box:
    """The tasks in layers, each layer centred."""
    boxes = [_task(place) for place in inside.places]
    layers: list[list[Box]] = []
    depth: dict[int, int] = {}
    for place in sorted(inside.places, key=lambda place: place.before.bit_count()):
        depth[place.index] = max((depth[need] + 1 for need in place.needs), default=0)
    for index, box in enumerate(boxes):
        while len(layers) <= depth[index]:
            layers.append([])
        layers[depth[index]].append(box)
    whole = _stacked(layers)
    whole.arrows = [(boxes[need], boxes[place.index]) for place in inside.places for need in place.needs]
    return whole


def _stacked(layers: list[list[Box]]) -> Box:
    widths = [sum(box.width for box in layer) + GAP * (len(layer) - 1) for layer in layers]
    width, y = max(widths, default=0.0), 0.0
    for layer, own in zip(layers, widths, strict=True):
        x = (width - own) / 2
        for box in layer:
            box.move(x, y)
            x += box.width + GAP
        y += max(box.height for box in layer) + LAYER_GAP
    inner = [box for layer in layers for box in layer]
    return Box(width, max(0.0, y - LAYER_GAP), frame=False, inner=inner)


def _task(place: Place) -> Box:
    label = caption(place.task)
    if not place.lists:
        fill = _COLOURS.get(place.task.word, "#f8fafc")
        return Box(len(label) * LETTER + 2 * PAD, HEIGHT, label, fill, dashed=place.task.if_ is not None)
    columns = [_column(listed, list_caption(listed, place.task)) for listed in place.lists]
    row = _stacked([columns])
    row.move(PAD, PAD + TITLE)
    width = max(row.width + 2 * PAD, len(label) * LETTER + 2 * PAD)
    return Box(width, row.height + 2 * PAD + TITLE, label, "#f8fafc", dashed=place.task.if_ is not None, inner=[row])


def _column(listed: TaskList, label: str) -> Box:
    inner = _list(listed)
    if not label:
        return inner
    inner.move(PAD, PAD + TITLE)
    width = max(inner.width, len(label) * LETTER) + 2 * PAD
    return Box(width, inner.height + 2 * PAD + TITLE, label, "#ffffff", dashed=True, inner=[inner])


def _drawn(box: Box) -> Iterator[str]:
    if box.frame:
        dash = ' stroke-dasharray="5 3"' if box.dashed else ""
        yield (
            f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="7" '
            f'fill="{box.fill}" stroke="#94a3b8"{dash}/>'
        )
        middle, y = box.x + box.width / 2, box.y + (TITLE - 4 if box.inner else HEIGHT / 2 + 4)
        yield f'<text x="{middle:.1f}" y="{y:.1f}" text-anchor="middle">{escape(box.label)}</text>'
    for inner in box.inner:
        yield from _drawn(inner)
    for start, end in box.arrows:
        yield _arrow(start, end)


def _arrow(start: Box, end: Box) -> str:
    x1, y1, x2, y2 = start.x + start.width / 2, start.y + start.height, end.x + end.width / 2, end.y - 1
    bend = (y2 - y1) / 2
    way = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
    return f'<path d="{way}" fill="none" stroke="#475569" marker-end="url(#tip)"/>'
