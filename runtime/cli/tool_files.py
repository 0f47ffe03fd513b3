"""`resprout tool import FILE.tool.yaml` and `resprout tool new NAME`: tools whose body is a program in the sandbox."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from ...actors.errors import NotFound, Rejected
from .hints import as_given
from .run_options import AsJson
from .tool_import import Look, Yes, bring_in

if TYPE_CHECKING:
    from ...activities.tools.outside.choices import Hint
    from ...activities.tools.outside.tool_file import ToolFile
    from ..tool_imports import ToolImports


@dataclass(frozen=True)
class ReadFile:
    file: "ToolFile"
    hints: "dict[str, Hint]"
    left_out: tuple[str, ...] = ()


def file(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE.tool.yaml", help="The tool.")],
    look: Look = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Import a tool from its file."""
    from ...activities.tools.outside.choices import Hint
    from ...activities.tools.outside.tool_file import read_tool_file

    found = read_tool_file(text_of(path), str(path))
    source = f"manifest:{found.tool}"
    hint = Hint(found.contract, found.danger)

    async def read(imports: "ToolImports") -> ReadFile:
        await imports.allow(source, found.permissions)
        return ReadFile(found, {found.tool: hint})

    def plain(one: ReadFile) -> dict[str, Any]:
        return {"tools": [one.file.model_dump(mode="json", exclude_defaults=True)]}

    bring_in(ctx, source, "manifest", read, plain, look=look, yes=yes, as_json=as_json)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in weather.forecast.")],
    directory: Annotated[Path, typer.Option("--directory", help="Where the file is written.")] = Path(),
) -> None:
    """Write a tool's file that works as it stands, to begin with."""
    from ...activities.tools.manifest import ToolName
    from ...activities.tools.outside.tool_file import ENDING
    from ...activities.tools.outside.tool_template import TEMPLATE

    try:
        TypeAdapter(ToolName).validate_python(name)
    except ValidationError:
        raise Rejected(f"{name!r} is no name of a tool: write a family and a word, as in weather.forecast.") from None
    written = directory / f"{name.replace('.', '-')}{ENDING}"
    try:
        with written.open("x") as opened:
            opened.write(TEMPLATE.format(name=name, file=written))
    except FileExistsError:
        raise Rejected(f"{written} is there already: choose another name, or remove it.") from None
    except OSError as error:
        raise NotFound(f"{written} cannot be written: {error.strerror}.") from None
    typer.echo(as_given(f"{written}: import it with `resprout tool import {written}`"))


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise NotFound(f"{path} cannot be read: {reason}.") from None
