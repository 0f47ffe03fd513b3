"""`resprout plugin …`: distributions that bring tools, from an index that somebody you trust has signed."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...actors.errors import NotFound
from .. import identity
from .flags import settings_of
from .hints import as_given
from .queries import print_rows
from .run_options import AsJson

if TYPE_CHECKING:
    from ..plugins.installed import Shelf
    from ..settings import Settings

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the plugin.")]
IndexFile = Annotated[Path, typer.Option("--index", help="The file of the index; made when it is not there.")]


def register(app: typer.Typer) -> None:
    plugin = typer.Typer(no_args_is_help=True, help="Tools that others publish: write, sign, install, verify.")
    for command in (new, install, list_, verify, remove, keygen):
        plugin.command(command.__name__.rstrip("_"))(command)
    index = typer.Typer(no_args_is_help=True, help="The signed index of plugins.")
    index.command("sign")(sign)
    plugin.add_typer(index, name="index")
    app.add_typer(plugin, name="plugin")


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in my-tools.")],
    directory: Annotated[Path, typer.Option("--directory", help="Where the project's folder is made.")] = Path(),
) -> None:
    """Write a project with a tool and a test, to begin with."""
    from ..plugins.template import write_project

    root = write_project(name, directory)
    folder = root if root.is_absolute() else f"./{root}"
    typer.echo(as_given(f"{root}: install it with `resprout plugin install {folder} --unsigned`"))


def install(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="A wheel, a project's folder, or a name of the index.")],
    index: Annotated[
        str | None, typer.Option("--index", help="A file or URL. Default: the setting plugins.index.")
    ] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Also what nobody has signed.")] = False,
) -> None:
    """Install a plugin into this environment: one that is signed by a key you trust.

    What it depends on is installed by pip, as for any distribution. Workers know its tools when they start anew.
    """
    from ..plugins.installing import Installing
    from ..plugins.keys import trusted

    settings = settings_of(ctx).settings
    doing = Installing(_shelf(settings), trusted(settings), index or settings.plugins.index, identity.user())
    kept = asyncio.run(doing.install(what, unsigned=unsigned))
    word = "signed" if kept.is_signed else "not signed by anybody"
    typer.echo(f"{kept.entry.name} {kept.entry.version} is installed, {word}")
    typer.echo("workers that run now know its tools when they are started anew", err=True)


def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the plugins that are installed."""
    from ..plugins.installed import as_json as told
    from ..plugins.installed import distributions

    shelf = _shelf(settings_of(ctx).settings)
    found = [told(name, shelf) for name in sorted(distributions())]
    if as_json:
        typer.echo(json.dumps(found))
        return
    words = {True: "signed", False: "unsigned", None: "not by us"}
    print_rows(
        ("plugin", "version", "installed", "by"),
        ((one["name"], one["version"], words[one["signed"]], one["installed_by"]) for one in found),  # type: ignore[index]
    )


def verify(
    ctx: typer.Context, name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="All, if none.")] = None
) -> None:
    """Hold the installed files against what was signed. Ends with 1 when something differs."""
    from ..plugins.installed import distributions
    from ..plugins.installed import verify as problems_of
    from ..plugins.keys import trusted

    settings = settings_of(ctx).settings
    if name is not None and name not in distributions() and _shelf(settings).find(name) is None:
        raise NotFound(f"there is no plugin {name}: see `resprout plugin list`.")
    is_well = True
    for one in [name] if name is not None else sorted(distributions()):
        problems = problems_of(one, _shelf(settings), trusted(settings))
        is_well = is_well and not problems
        typer.echo(f"{one}: {'; '.join(problems[:20]) if problems else 'as it was signed'}")
    if not is_well:
        raise typer.Exit(1)


def remove(ctx: typer.Context, name: Name) -> None:
    """Take a plugin out of this environment."""
    from ..plugins.installed import distributions
    from ..plugins.installing import uninstall

    if name not in distributions():
        raise NotFound(f"there is no plugin {name}: see `resprout plugin list`.")
    asyncio.run(uninstall(name, _shelf(settings_of(ctx).settings)))
    typer.echo(f"{name} is removed")


def keygen(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key is written.")] = Path(
        "plugin.key"
    ),
) -> None:
    """Make a key to sign with. The public half is printed: who trusts it puts it into plugins.keys."""
    from ..plugins.keys import generate

    typer.echo(generate(path))


def sign(
    wheel: Annotated[Path, typer.Argument(metavar="WHEEL", help="What is put into the index.")],
    key: Annotated[Path, typer.Option("--key", help="The private key.")] = Path("plugin.key"),
    index: IndexFile = Path("index.json"),
    url: Annotated[str | None, typer.Option("--url", help="Where it will be. Default: its path.")] = None,
) -> None:
    """Sign a wheel, and put it into the index."""
    import os

    from ..plugins.index import Entry, Index, read_index
    from ..plugins.keys import private_key
    from ..plugins.wheel import read_wheel

    found = read_wheel(wheel)
    where = url or os.path.relpath(wheel.absolute(), index.absolute().parent)
    entry = Entry(name=found.name, version=found.version, sha256=found.sha256, wheel=where).signed(private_key(key))
    before = read_index(index) if index.exists() else Index()
    index.write_text(before.put(entry).model_dump_json(indent=2) + "\n")
    typer.echo(f"{found.name} {found.version} is signed in {index}")


def _shelf(settings: "Settings") -> "Shelf":
    from ..plugins.installed import Shelf

    return Shelf.of(settings.data_dir)
