"""As much of a terminal as our own output needs: cells with colours, and a cursor that goes up and wipes lines.

What it does not know it leaves out, so that no sequence ends up as text.
"""

import re
from dataclasses import dataclass, field
from itertools import groupby

# A control sequence (with its parameters and its last letter), a title or a link, or one character.
TOKEN = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\].*?(?:\x07|\x1b\\)|(.)", re.DOTALL)
COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
Style = tuple[str, ...]
Cell = tuple[str, Style]
Row = tuple[Cell, ...]


@dataclass
class Terminal:
    columns: int
    rows: int
    lines: list[list[Cell]] = field(init=False)
    x: int = 0
    y: int = 0
    colour: str = ""
    marks: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.lines = [self._blank() for _ in range(self.rows)]

    def feed(self, text: str) -> None:
        for parameters, letter, character in TOKEN.findall(text):
            if letter:
                self._control([int(word) for word in re.findall(r"\d+", parameters)], letter)
            elif character:
                self._write(character)

    def picture(self) -> tuple[Row, ...]:
        return tuple(tuple(line) for line in self.lines)

    def _write(self, character: str) -> None:
        if character == "\r":
            self.x = 0
        elif character == "\n":
            self._down()
        elif character.isprintable():
            if self.x == self.columns:
                self.x = 0
                self._down()
            style = (*filter(None, (self.colour,)), *sorted(self.marks))
            self.lines[self.y][self.x] = (character, style)
            self.x += 1

    def _down(self) -> None:
        self.y += 1
        if self.y == self.rows:
            self.y -= 1
            self.lines = [*self.lines[1:], self._blank()]

    def _control(self, numbers: list[int], letter: str) -> None:
        first = numbers[0] if numbers else 0
        match letter:
            case "A":
                self.y = max(0, self.y - max(first, 1))
            case "B":
                self.y = min(self.rows - 1, self.y + max(first, 1))
            case "H":
                row, column = (*numbers, 1, 1)[:2]
                self.x, self.y = column - 1, row - 1
            case "K":
                start = 0 if first == 2 else self.x
                self.lines[self.y][start:] = self._blank()[start:]
            case "J":
                self.lines[self.y + 1 :] = [self._blank() for _ in self.lines[self.y + 1 :]]
            case "m":
                self._style(numbers or [0])

    def _style(self, numbers: list[int]) -> None:
        while numbers:
            number = numbers.pop(0)
            if number in (38, 48):  # of 256 colours, or of all: not ours
                del numbers[: 2 if numbers[:1] == [5] else 4]
            elif number == 0:
                self.colour, self.marks = "", frozenset()
            elif number in (1, 2):
                self.marks |= {"bold" if number == 1 else "dim"}
            elif number == 22:
                self.marks -= {"bold", "dim"}
            elif number == 39:
                self.colour = ""
            elif number in range(30, 38) or number in range(90, 98):
                self.colour = COLOURS[number % 10]

    def _blank(self) -> list[Cell]:
        return [(" ", ())] * self.columns


def drawn(row: Row) -> str:
    """As it is written to a terminal."""
    codes = {"bold": 1, "dim": 2, **{colour: 30 + number for number, colour in enumerate(COLOURS)}}
    while row and row[-1][0] == " ":
        row = row[:-1]
    runs = ((style, "".join(cell[0] for cell in cells)) for style, cells in groupby(row, key=lambda cell: cell[1]))
    return "".join(
        f"\x1b[{';'.join(str(codes[word]) for word in style)}m{text}\x1b[0m" if style else text for style, text in runs
    )
