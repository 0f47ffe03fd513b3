"""What of a spec is started: its words, and the file that its code becomes. The same in every backend.

The code lies in the directory it starts in, so that it imports and opens what lies beside it; its name begins with a
dot, so that it collides with no input file and no pattern of `collect` takes it by accident.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from posixpath import join, normpath

from .spec import Language, SandboxSpec

LONGEST_WORD = 100_000  # the kernel takes 128 KiB in one argument
INTERPRETERS: dict[Language, str] = {"python": "python3", "shell": "bash", "node": "node"}
_CODE: dict[Language, str] = {"python": ".code{}.py", "shell": ".code{}.sh", "node": ".code{}.js"}


@dataclass(frozen=True)
class Program:
    words: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)  # beneath the working directory, like the input files


def program(spec: SandboxSpec, mark: str = "") -> Program:
    """`mark` tells the files of several apart that share a directory."""
    if spec.code is not None and spec.language is not None:
        interpreter, name = INTERPRETERS[spec.language], _CODE[spec.language].format(mark)
        return Program((interpreter, name), {beneath(spec.cwd, name): spec.code.encode()})
    if not isinstance(spec.run, str):
        return Program(spec.run or ())
    if len(spec.run.encode()) <= LONGEST_WORD:
        return Program(("sh", "-c", spec.run))
    name = f".run{mark}.sh"
    return Program(("sh", name), {beneath(spec.cwd, name): spec.run.encode()})


def beneath(directory: str, name: str) -> str:
    return normpath(join(directory, name))
