"""What an expression refers to, `tasks.hello.output.text` being the root `tasks` and a path; and what it calls."""

import ast
from functools import lru_cache
from typing import NamedTuple

from .functions import NAMESPACES
from .tokens import Kind, Token, closing, tokens

MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})
_LITERALS = frozenset({"true", "false", "null", "in"})


class Reference(NamedTuple):
    root: str
    path: tuple[str | int, ...]
    """The steps that are known without evaluating: names and numbers, up to the first computed one."""
    start: int
    end: int
    computed: bool = False
    """Whether a computed step follows, as in `inputs.list[loop.index]`."""

    def __str__(self) -> str:
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return self.root + "".join(steps)


class Call(NamedTuple):
    name: str
    start: int


class Analysis(NamedTuple):
    references: tuple[Reference, ...]
    calls: tuple[Call, ...]
    macros: int
    """How deep `map`, `filter` and the like stand inside each other."""


@lru_cache(maxsize=16_384)
def analyse(source: str) -> Analysis:
    return _Walk(tokens(source)).analysis()


def references(source: str) -> tuple[Reference, ...]:
    return analyse(source).references


class Macro(NamedTuple):
    """`.map(x, …)`: the tokens from the dot to the closing bracket."""

    name: str
    variable: str
    dot: int
    opening: int
    closing: int


def macro_at(words: tuple[Token, ...], dot: int) -> Macro | None:
    """The macro whose dot is the token at `dot`, if there is one."""
    match words[dot : dot + 5]:
        case (
            Token(text="."),
            Token(kind=Kind.NAME, text=name),
            Token(text="("),
            Token(kind=Kind.NAME, text=variable),
            Token(text=","),
        ) if name in MACROS:
            end = closing(words, dot + 2)
            return Macro(name, variable, dot, dot + 2, end) if end is not None else None
    return None


class _Walk:
    """One pass over the tokens, with the variables that the macros around bind."""

    def __init__(self, words: tuple[Token, ...]) -> None:
        self.words = words
        self.found: list[Reference] = []
        self.calls: list[Call] = []
        self.bound: list[tuple[str, int]] = []  # a variable, and the token where its macro ends
        self.macros = 0

    def analysis(self) -> Analysis:
        at = 0
        while at < len(self.words):
            while self.bound and at >= self.bound[-1][1]:
                self.bound.pop()
            at = self._step(at)
        return Analysis(tuple(self.found), tuple(self.calls), self.macros)

    def _step(self, at: int) -> int:
        word = self.words[at]
        if word.text == "." and (macro := macro_at(self.words, at)):
            self.bound.append((macro.variable, macro.closing))
            self.macros = max(self.macros, len(self.bound))
            self.calls.append(Call(macro.name, self.words[at + 1].start))
            return at + 4  # behind the variable that it declares
        if word.kind is not Kind.NAME or word.text in _LITERALS:
            return at + 1
        if at > 0 and self.words[at - 1].text == "." and not self._leads(at - 1):
            if self._is_call(at):
                self.calls.append(Call(word.text, word.start))
            return at + 1
        return self._name(at)

    def _leads(self, dot: int) -> bool:
        """Whether a dot begins the expression, as in `.inputs`, instead of following something."""
        return dot == 0 or (self.words[dot - 1].kind is Kind.SIGN and self.words[dot - 1].text not in ")]}")

    def _is_call(self, at: int) -> bool:
        return at + 1 < len(self.words) and self.words[at + 1].text == "("

    def _name(self, at: int) -> int:
        word = self.words[at]
        if self._is_call(at):
            self.calls.append(Call(word.text, word.start))
            return at + 1
        if word.text in NAMESPACES and at + 2 < len(self.words) and self._is_call(at + 2):
            self.calls.append(Call(f"{word.text}.{self.words[at + 2].text}", word.start))
            return at + 3
        path, after = self._path(at + 1)
        if not any(word.text == name for name, _ in self.bound):
            computed = after < len(self.words) and self.words[after].text == "["
            self.found.append(Reference(word.text, tuple(path), word.start, self.words[after - 1].end, computed))
        return after

    def _path(self, at: int) -> tuple[list[str | int], int]:
        path: list[str | int] = []
        while (step := self._path_step(at)) is not None:
            path.append(step[0])
            at = step[1]
        return path, at

    def _path_step(self, at: int) -> tuple[str | int, int] | None:
        match self.words[at : at + 3]:
            case (Token(text="."), Token(kind=Kind.NAME, text=name), *_) if not self._is_call(at + 1):
                return name, at + 2
            case (Token(text="["), Token(kind=Kind.TEXT, text=text), Token(text="]")) if text[0] in "'\"":
                return str(ast.literal_eval(text)), at + 3
            case (Token(text="["), Token(kind=Kind.NUMBER, text=number), Token(text="]")) if number.isdecimal():
                return int(number), at + 3
        return None
