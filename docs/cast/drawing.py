"""A recording as an SVG that moves by itself: no script, no font, nothing from elsewhere.

Each line that looks different is drawn once and used wherever it stands; the pictures lie side by side on a strip that
is moved past the window.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from .terminal import Row, Terminal

Event = tuple[float, str]  # seconds since the start, and what was written
Picture = tuple[Row, ...]

BETWEEN_PICTURES = 0.9  # seconds
LONGEST_PAUSE = 2.0  # of the recording; longer ones are shortened to it
LAST_PICTURE = 12.0
WIDTH, HEIGHT, MARGIN = 8.4, 18, 14  # of a character and of a line; around all
STYLE = """
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d8dee9;white-space:pre}
.red{fill:#f07178}.green{fill:#a3d977}.yellow{fill:#f5c869}.blue{fill:#7aa8f0}.magenta{fill:#d095e0}
.cyan{fill:#6fd3d8}.black{fill:#7b8394}.bold{font-weight:700}.dim{opacity:.6}
"""


def pictures(events: Sequence[Event], columns: int, rows: int) -> list[tuple[float, Picture]]:
    """When each begins; only such as differ."""
    terminal, found = Terminal(columns, rows), list[tuple[float, Picture]]()
    clock = before = 0.0
    for position, (seconds, text) in enumerate(events):
        clock += min(seconds - before, LONGEST_PAUSE)
        before = seconds
        terminal.feed(text)
        following = events[position + 1][0] if position + 1 < len(events) else seconds + LAST_PICTURE
        is_due = not found or clock - found[-1][0] >= BETWEEN_PICTURES
        if (is_due and following - seconds > 0.01) or position + 1 == len(events):
            picture = terminal.picture()
            if not found or picture != found[-1][1]:
                found.append((clock, picture))
    return found


def svg(shown: Sequence[tuple[float, Picture]], columns: int, rows: int) -> str:
    width, height = columns * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN
    length = shown[-1][0] + LAST_PICTURE
    names: dict[Row, str] = {}
    strip = "".join(_picture(picture, place * width, names) for place, (_, picture) in enumerate(shown))
    moves = "".join(
        f"{100 * start / length:.2f}%{{transform:translateX({-place * width:.0f}px)}}"
        for place, (start, _) in enumerate(
            (0.0 if not place else start, picture) for place, (start, picture) in enumerate(shown)
        )
    )
    lines = "".join(f'<g id="{name}">{"".join(_line(row))}</g>' for row, name in names.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'xml:space="preserve"><title>make demo, recorded</title><style>{STYLE}'
        f"@keyframes play{{{moves}}}#strip{{animation:play {length:.1f}s steps(1,end) infinite}}</style>"
        f'<defs>{lines}</defs><rect width="100%" height="100%" rx="8" fill="#1b1f2a"/>'
        f'<g id="strip">{strip}</g></svg>\n'
    )


def _picture(picture: Picture, x: float, names: dict[Row, str]) -> str:
    uses = []
    for number, row in enumerate(picture):
        if any(character != " " for character, _ in row):
            name = names.setdefault(row, f"l{len(names)}")
            uses.append(f'<use href="#{name}" y="{MARGIN + (number + 1) * HEIGHT - 4}"/>')
    return f'<g transform="translate({x + MARGIN:.0f})">{"".join(uses)}</g>'


def _line(row: Row) -> Iterator[str]:
    column = 0
    for style, cells in groupby(row, key=lambda cell: cell[1]):
        text = "".join(character for character, _ in cells)
        bare = text.strip(" ")
        if bare:
            left = column + len(text) - len(text.lstrip(" "))
            kind = f' class="{" ".join(style)}"' if style else ""
            yield f'<text x="{left * WIDTH:.1f}"{kind} textLength="{len(bare) * WIDTH:.1f}">{escape(bare)}</text>'
        column += len(text)
