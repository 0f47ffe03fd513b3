"""What to run in a sandbox and what it may do: the same words in Python, flow files and tool manifests.

A spec that says nothing means: no network, no host files, 30 s, 256 MB, 1 CPU, 64 processes, 1 MB of output. What a
backend cannot hold to is refused; nothing here is ever weakened silently. There is no word for a privileged sandbox.
"""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from ...actors.duration import Duration
from ...actors.size import Size
from ...actors.words import Words

Language = Literal["python", "shell", "node"]
Isolation = Literal["process", "container", "gvisor"]

Text = Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]

IMAGE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$"


def _image_name(text: str) -> str:
    if not re.fullmatch(IMAGE_NAME, text):
        raise ValueError(f"{text[:60]!r} is no name of an image: write it as in python:3.12")
    return text


ImageName = Annotated[
    str,
    StringConstraints(max_length=500),
    AfterValidator(_image_name),
    Field(json_schema_extra={"pattern": IMAGE_NAME}),
]

MB = 1 << 20
LONGEST_HOST = 253


class SandboxLimits(Words):
    """What the code may use."""

    time: Duration = timedelta(seconds=30)
    """Time until it is killed."""
    cpu: Annotated[float, Field(gt=0, le=1_024)] = 1.0
    """Processors."""
    memory: Size = 256 * MB
    """Memory, of all its processes together."""
    pids: Count = 64
    """Processes and threads."""
    disk: Size = 64 * MB
    """Space in its working directory and in `/tmp`, each; it counts as memory too where it is kept there."""
    output: Size = 1 * MB
    """Output that is kept, of each of the two streams; the rest is counted and thrown away."""


class SandboxSpec(Words):
    language: Language | None = None
    """The language of `code`; chooses the image."""
    image: ImageName | None = None
    """The image to run in, instead of `language`."""
    code: Text | None = None
    """Source code to run."""
    run: Text | tuple[Text, ...] | None = None
    """A command line for the shell, or the list of its words; instead of `code`."""
    files: dict[str, JsonValue] = Field(default={})
    """Files put into the working directory: path → content, text or JSON, or `{base64: …}` for bytes."""
    collect: tuple[Text, ...] = ()
    """Patterns of the files that are part of the output, as in `out/*.csv`."""
    env: dict[str, str | int | float | bool] = Field(default={})
    """Environment variables."""
    secrets: dict[str, Text] = Field(default={})
    """Environment variables from secrets: variable → name of the secret. Its value is in no history and no trace."""
    cwd: Text = "."
    """Where it starts, beneath the working directory."""
    stdin: str | None = None
    """What the program reads from its standard input."""
    limits: SandboxLimits = SandboxLimits()
    """Time, memory and the like."""
    net: Literal["none"] | tuple[Text, ...] = "none"
    """Hosts that may be reached, as in `[pypi.org:443]`; or `none`."""
    isolation: Isolation | None = None
    """The isolation that is wanted; when the machine cannot give it, the run is refused. Default: that of the setting
    `sandbox.isolation`."""


class Problem(NamedTuple):
    path: tuple[str | int, ...]
    said: str
    fix: str


def problems(spec: SandboxSpec) -> Iterator[Problem]:
    """What no single word can show. A spec with a problem is never run."""
    if spec.language is not None and spec.image is not None:
        yield Problem(("image",), "`language` chooses the image", "leave `language` or `image` out")
    if spec.language is None and spec.image is None:
        yield Problem((), "it says neither `language` nor `image`", "add `language: python`")
    if (spec.code is None) == (spec.run is None):
        said = "it says neither `code` nor `run`" if spec.code is None else "it says `code` and `run`"
        yield Problem((), said, "add `code:` or `run:`" if spec.code is None else "leave one of them out")
    if spec.code is not None and spec.image is not None:
        yield Problem(("code",), "`code` needs a `language`", "write `language:` instead of `image:`, or use `run`")
    if spec.run == ():
        yield Problem(("run",), "the list of words is empty", "write the program and its arguments")
    yield from _path_problems(spec)
    yield from _environment_problems(spec)
    yield from _text_problems(spec)
    if not isinstance(spec.net, str):
        for index, host in enumerate(spec.net):
            if not is_host(host):
                yield Problem(("net", index), f"`{host[:60]}` is not a host and port", "write it as in pypi.org:443")


def _path_problems(spec: SandboxSpec) -> Iterator[Problem]:
    for word, paths in (("files", tuple(spec.files)), ("collect", spec.collect), ("cwd", (spec.cwd,))):
        for index, path in enumerate(paths):
            if leads_out(path):
                where: tuple[str | int, ...] = {"files": ("files", path), "cwd": ("cwd",)}.get(word, (word, index))
                yield Problem(where, f"`{path[:60]}` leads out of the sandbox's directory", "write a relative path")
    yield from _collisions(tuple(spec.files))


def _collisions(files: tuple[str, ...]) -> Iterator[Problem]:
    """Two files of one path, or one beneath another: `a`, `./a` and `a/b` cannot be together."""
    taken: dict[tuple[str, ...], str] = {}
    for path in sorted(files, key=lambda path: path.count("/")):
        steps = tuple(step for step in path.split("/") if step not in ("", "."))
        above = next((taken[steps[:end]] for end in range(1, len(steps) + 1) if steps[:end] in taken), None)
        if not steps and not leads_out(path):
            yield Problem(("files", path), f"`{path[:60]}` is the working directory", "write the path of a file")
        elif above is not None:
            yield Problem(("files", path), f"`{path[:60]}` cannot be where the file `{above[:60]}` is", "rename one")
        taken.setdefault(steps, path)


def _environment_problems(spec: SandboxSpec) -> Iterator[Problem]:
    for word, names in (("env", spec.env), ("secrets", spec.secrets)):
        for name in names:
            if not name or "=" in name or "\0" in name or not is_unicode(name):
                yield Problem((word, name), f"`{name[:60]}` is no name of an environment variable", "rename it")
    for name in spec.env.keys() & spec.secrets.keys():
        yield Problem(("secrets", name), f"`{name}` is in `env` too", "leave one of them out")


def _text_problems(spec: SandboxSpec) -> Iterator[Problem]:
    for where, text in _words(spec):
        if "\0" in text:
            yield Problem(where, "it holds the character NUL, at which a word ends", "leave that out")
    for where, text in (*_words(spec), *_contents(spec)):
        if not is_unicode(text):
            yield Problem(where, "it holds half a character (a lone surrogate)", "write text that UTF-8 can hold")


def _words(spec: SandboxSpec) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Arguments and variables: the kernel ends each at a NUL, and so does bubblewrap when it reads its own."""
    if isinstance(spec.run, str):
        yield ("run",), spec.run
    else:
        yield from ((("run", index), word) for index, word in enumerate(spec.run or ()))
    yield from ((("env", name), value) for name, value in spec.env.items() if isinstance(value, str))
    yield from ((("secrets", name), value) for name, value in spec.secrets.items())


def _contents(spec: SandboxSpec) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield ("stdin",), spec.stdin or ""
    for path, value in spec.files.items():
        yield ("files", path), path + (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def is_unicode(text: str) -> bool:
    """Python's and JSON's texts may hold half a pair of surrogates, which no UTF-8 can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def leads_out(path: str) -> bool:
    return not path or path.startswith("/") or ".." in path.split("/") or "\0" in path or len(path) > 4_000


def is_host(text: str) -> bool:
    """`name:port`; `*.name:port` is any name beneath. In one spelling, which policy goes by: no port begins with 0."""
    host, _, port = text.rpartition(":")
    labels = host.removeprefix("*.").split(".")
    named = len(host) <= LONGEST_HOST and all(_is_label(label) for label in labels)
    return named and port.isascii() and port.isdecimal() and port[0] != "0" and int(port[:6]) < 65_536


def _is_label(text: str) -> bool:
    return 0 < len(text) < 64 and text.isascii() and text.replace("-", "a").replace("_", "a").isalnum()
