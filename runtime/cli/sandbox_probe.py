"""`resprout sandbox doctor`: what this machine's sandboxes can do, found by doing it."""

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, get_args

import typer

if TYPE_CHECKING:
    from ...activities.sandbox.sandboxes import Sandboxes
    from ...activities.sandbox.spec import Isolation, Language

from ...actors.errors import ResproutError
from ..settings import Settings
from .flags import settings_of
from .queries import print_rows
from .run_options import AsJson

PROBES: "dict[Language, str]" = {"python": "print('ok')", "shell": "echo ok", "node": "console.log('ok')"}


@dataclass(frozen=True)
class Probe:
    isolation: str
    language: str
    works: bool
    milliseconds: int | None
    said: str  # why it does not work


def doctor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Run a word in each isolation and language, and say why where it cannot be had. Exit code 1 if none works."""
    probes = asyncio.run(_probes(settings_of(ctx).settings))
    if as_json:
        typer.echo(json.dumps([asdict(probe) for probe in probes], indent=2))
    else:
        rows = [(one.isolation, one.language, f"{one.milliseconds} ms" if one.works else one.said) for one in probes]
        print_rows(("isolation", "language", ""), rows)
    raise typer.Exit(0 if any(probe.works for probe in probes) else 1)


async def _probes(settings: Settings) -> list[Probe]:
    from ...activities.sandbox.spec import Isolation
    from ..sandboxes import sandboxes

    async with sandboxes(settings, recorded=False) as boxes:
        return [await _probe(boxes, isolation, language) for isolation in get_args(Isolation) for language in PROBES]


async def _probe(boxes: "Sandboxes", isolation: "Isolation", language: "Language") -> Probe:
    from ...activities.sandbox.spec import SandboxSpec

    began = time.perf_counter()
    try:
        result = await boxes.run(SandboxSpec(language=language, code=PROBES[language], isolation=isolation))
    except ResproutError as error:
        return Probe(isolation, language, False, None, str(error).removeprefix("no sandbox can run this: "))
    said = "" if result.is_success else result.reason or result.stderr.text.strip()[-200:]
    return Probe(isolation, language, result.is_success, round((time.perf_counter() - began) * 1000), said)
