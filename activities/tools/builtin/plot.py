"""Tools that draw: `plot.line`, `plot.bar`, `plot.pie`, `plot.scatter`. Each writes an SVG into the workspace.

A drawing refers to nothing outside of itself: no scripts, no fonts, no style sheets of anybody.
"""

import sys
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ..place import FilePath, writes_path
from ..tool import BadArguments, ToolCall, tool
from ..workspace import Workspace

MOST_POINTS = 50_000

Number = Annotated[float, Field(allow_inf_nan=False)]
Title = Annotated[str, Field(description="Shown above.", max_length=200)]
Axis = Annotated[str, Field(description="What the axis means.", max_length=200)]
Labels = Annotated[list[str], Field(description="Names of the points, in order.", max_length=10_000)]
Series = Annotated[
    dict[str, list[Number | None]],
    Field(description="Name of each series → its values, in order; null leaves a gap.", min_length=1, max_length=50),
]
NONE: list[str] = []


class Drawn(BaseModel):
    path: str
    size: int = Field(description="bytes")
    points: int


_draws = partial(
    tool,
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.write",),
    needs=writes_path,
    danger="low",
)


@_draws("plot.line", tags=("chart", "graph", "svg"))
def line(
    call: ToolCall,
    path: FilePath,
    series: Series,
    labels: Labels = NONE,
    title: Title = "",
    x_title: Axis = "",
    y_title: Axis = "",
) -> Drawn:
    """Draws series of numbers as lines, and writes the drawing as SVG."""
    chart = _library().Line(**_options(title, x_title, y_title))
    return _with_series(call, chart, path, series, labels)


@_draws("plot.bar", tags=("chart", "graph", "svg"))
def bar(
    call: ToolCall,
    path: FilePath,
    series: Series,
    labels: Labels = NONE,
    title: Title = "",
    x_title: Axis = "",
    y_title: Axis = "",
    stacked: Annotated[bool, Field(description="Series on top of each other.")] = False,
) -> Drawn:
    """Draws series of numbers as bars, and writes the drawing as SVG."""
    kind = _library().StackedBar if stacked else _library().Bar
    return _with_series(call, kind(**_options(title, x_title, y_title)), path, series, labels)


@_draws("plot.pie", tags=("chart", "shares", "svg"))
def pie(
    call: ToolCall,
    path: FilePath,
    shares: Annotated[
        dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]],
        Field(description="Name → size.", min_length=1, max_length=50),
    ],
    title: Title = "",
    hole: Annotated[float, Field(description="Radius of a hole in the middle, of 1.", ge=0, lt=1)] = 0.0,
) -> Drawn:
    """Draws shares of a whole as a pie, or as a ring, and writes the drawing as SVG."""
    chart = _library().Pie(**_options(title, "", ""), inner_radius=hole)
    for name, size in shares.items():
        chart.add(name, size)
    return _written(call, chart, path, len(shares))


@_draws("plot.scatter", tags=("chart", "graph", "xy", "svg"))
def scatter(
    call: ToolCall,
    path: FilePath,
    series: Annotated[
        dict[str, list[tuple[Number, Number]]],
        Field(description="Name of each series → its points, [x, y].", min_length=1, max_length=50),
    ],
    title: Title = "",
    x_title: Axis = "",
    y_title: Axis = "",
    joined: Annotated[bool, Field(description="Whether a line joins the points of a series.")] = False,
) -> Drawn:
    """Draws points by x and y, and writes the drawing as SVG."""
    chart = _library().XY(**_options(title, x_title, y_title), stroke=joined)
    for name, points in series.items():
        chart.add(name, points)
    return _written(call, chart, path, sum(map(len, series.values())))


def _library() -> Any:
    """Loaded when something is drawn, and not by whoever lists the tools."""
    import pygal

    # pygal leaves a finder for its maps there, of a kind that Python 3.12 calls no more, and whose lack of `find_spec`
    # breaks who calls all finders. It is of no use to us.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
    return pygal


def _options(title: str, x_title: str, y_title: str) -> dict[str, Any]:
    return {"title": title or None, "x_title": x_title or None, "y_title": y_title or None, "js": (), "width": 900}


def _with_series(call: ToolCall, chart: Any, path: str, series: dict[str, Any], labels: list[str]) -> Drawn:
    longest = max(map(len, series.values()))
    if labels and len(labels) < longest:
        raise BadArguments(f"there are {len(labels)} labels and {longest} points: name all of them, or none.")
    chart.x_labels = labels or None
    for name, values in series.items():
        chart.add(name, values)
    return _written(call, chart, path, sum(map(len, series.values())))


def _written(call: ToolCall, chart: Any, path: str, points: int) -> Drawn:
    if not path.endswith(".svg"):
        raise BadArguments(f"`{path}` does not end in .svg, and SVG is what is written.")
    if points > MOST_POINTS:
        raise BadArguments(f"{points:,} points are too many: draw {MOST_POINTS:,} at most.")
    drawing: bytes = chart.render()
    Workspace(call.workspace).write(path, drawing)
    return Drawn(path=path, size=len(drawing), points=points)


TOOLS = (line, bar, pie, scatter)
