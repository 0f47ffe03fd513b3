"""A flow as a Mermaid flowchart: a box for each task, a frame for each block, an arrow for each need."""

from collections.abc import Iterator

from .captions import caption, list_caption
from .model import Flow
from .places import Place, TaskList, check_needs, tree
from .problem import Findings


def mermaid(flow: Flow) -> str:
    found = tree(flow)
    check_needs(found, Findings())
    return "\n".join(["flowchart TD", *_list(found.root, "  ")]) + "\n"


def _list(inside: TaskList, indent: str) -> Iterator[str]:
    for place in inside.places:
        yield from _place(place, indent)
        for need in place.needs:
            yield f"{indent}{_node(inside.places[need])} --> {_node(place)}"


def _place(place: Place, indent: str) -> Iterator[str]:
    if not place.lists:
        yield f"{indent}{_node(place)}{_box(place)}"
        return
    yield f'{indent}subgraph {_node(place)}["{_quoted(caption(place.task))}"]'
    for number, listed in enumerate(place.lists):
        label = list_caption(listed, place.task)
        if len(place.lists) == 1 and not label:
            yield from _list(listed, indent + "  ")
            continue
        yield f'{indent}  subgraph {_node(place)}__{number}["{_quoted(label or " ")}"]'
        yield from _list(listed, indent + "    ")
        yield f"{indent}  end"
    yield f"{indent}end"


def _node(place: Place) -> str:
    return f"t_{place.id}"  # some ids, such as `end`, are words of Mermaid


def _box(place: Place) -> str:
    opening, closing = {"approval": ("{{", "}}"), "wait": ("([", "])"), "emit": (">", "]")}.get(
        place.task.word, ("[", "]")
    )
    return f'{opening}"{_quoted(caption(place.task))}"{closing}'


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
