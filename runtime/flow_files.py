"""Flow files on disk: which ones a command means, and their texts."""

from glob import glob
from pathlib import Path

from ..actors.errors import Rejected
from ..workflows.flow import Freezing, Problem, freeze
from ..workflows.flow.child_paths import is_team
from .teams import team_file

ENDINGS = (".flow.yaml", ".flow.yml")


class NotText(Rejected):
    """The file holds bytes that are no UTF-8."""


def flow_files(arguments: list[str]) -> list[Path]:
    """The files that the arguments name: files, directories (all flow files below them) and patterns."""
    found: dict[Path, None] = {}
    for argument in arguments:
        path = flow_path(argument)
        if path.is_dir():
            inside = sorted(file for ending in ENDINGS for file in path.rglob(f"*{ending}"))
            if not inside:
                raise Rejected(f"there is no flow file in {argument}: flow files end in {ENDINGS[0]}.")
            found |= dict.fromkeys(inside)
        elif path.exists():
            found[path] = None
        elif matching := sorted(glob(argument, recursive=True)):  # noqa: PTH207 - the pattern may be absolute
            found |= dict.fromkeys(Path(file) for file in matching)
        else:
            raise Rejected(f"there is no file {argument}: give the path of a flow file or of a directory with some.")
    return list(found)


def flow_path(flow: str | Path) -> Path:
    """Of a team that ships, where it is; raises UnknownTeam."""
    return team_file(str(flow)) if is_team(str(flow)) else Path(flow)


def text_of(file: Path) -> str:
    try:
        return _read(file)
    except OSError as error:
        raise Rejected(f"{file} cannot be read: {(error.strerror or 'unknown reason').lower()}.") from None
    except UnicodeDecodeError as error:
        raise NotText(f"{file} is not UTF-8 text ({error.reason}): save it as UTF-8.") from None


def load_child(path: str) -> tuple[str, str]:
    return _read(flow_path(path)), path


def _read(file: Path) -> str:
    return file.read_bytes().decode().removeprefix("\ufeff").replace("\r\n", "\n")


def frozen(file: Path) -> Freezing:
    """The flow in a file with its child flows, or what is wrong with them."""
    try:
        text = text_of(file)
    except NotText as error:
        return Freezing(None, (Problem(str(file), 1, 1, "", str(error), "save the file as UTF-8"),))
    return freeze(text, str(file), load_child)
