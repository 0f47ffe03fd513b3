"""`resprout sandbox images [build]`: what containers of the languages are made of."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...activities.sandbox.docker.building import Built
    from ...activities.sandbox.docker.images import Image
    from ...activities.sandbox.spec import Language

from ...actors.errors import Rejected
from .hints import as_given
from .queries import print_rows
from .run_options import AsJson


def images(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the images that were built here, old versions too."""
    if ctx.invoked_subcommand is not None:
        return
    found = asyncio.run(_found())
    if as_json:
        rows = [{**asdict(image), "built": image.built.isoformat()} for image in found]
        typer.echo(json.dumps(rows, indent=2))
    elif found:
        shown = [(one.name, one.digest[7:19], f"{one.size / 1e6:.0f} MB", one.built) for one in found]
        print_rows(("image", "digest", "size", "built"), shown)
    else:
        typer.echo(as_given("there are none yet: `resprout sandbox images build`"))


def build(
    languages: Annotated[
        list[str] | None, typer.Argument(metavar="[LANGUAGE]...", help="All, unless some are named.")
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="As root: get `mmdebstrap` by apt-get when it is needed and missing.")
    ] = False,
) -> None:
    """Build the images: from a Dockerfile where a registry answers, else from Debian packages."""
    for one in asyncio.run(_build(languages or [], install=install)):
        typer.echo(f"built {one.name} from {'a ' if one.way == 'dockerfile' else ''}{one.way}")


async def _found() -> "list[Image]":
    from ...activities.sandbox.docker.images import Images
    from ..sandboxes import engine

    async with engine() as opened:
        return await Images(opened).images()


async def _build(names: list[str], *, install: bool) -> "list[Built]":
    from ...activities.sandbox.docker.building import build
    from ..sandboxes import engine

    async with engine() as opened:
        return await build(opened, _languages(names), lambda said: typer.secho(said, dim=True, err=True), install)


def _languages(names: list[str]) -> "list[Language]":
    from ...activities.sandbox.docker.images import LANGUAGES

    for name in names:
        if name not in LANGUAGES:
            raise Rejected(f"there is no language {name}: {', '.join(LANGUAGES)}.")
    return [one for one in LANGUAGES if one in names or not names]
