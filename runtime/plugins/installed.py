"""The plugins that are installed, and whether they are still what was signed.

The invariant: `verify` believes nothing that lies beside the data except the wheel whose hash is signed. From the
signature follows the wheel, from the wheel each file, and each installed file is held against that.
"""

import importlib.metadata
import marshal
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict

from .index import Entry, NotSigned
from .wheel import digest_of, read_wheel

GROUP = "resprout.tools"
CODE = {".py", ".pyc", ".so", ".pyd", ".pth"}
HEADER = 16  # bytes of a cache before the code
CACHE = "__pycache__"  # what Python itself writes beside a source, when it is as old as that
DATA = re.compile(r"[^/]+\.data/(?:purelib|platlib)/")  # goes where the rest goes
WRITTEN_AT_INSTALL = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


class Kept(BaseModel):
    """Of one plugin, beside its wheel."""

    model_config = ConfigDict(extra="forbid")

    entry: Entry
    is_signed: bool
    installed_by: str


@dataclass(frozen=True)
class Shelf:
    """The wheels that were installed, and what is known of them."""

    directory: Path

    @classmethod
    def of(cls, data_dir: Path) -> "Shelf":
        return cls(data_dir.absolute() / "plugins")

    def put(self, wheel: Path, kept: Kept) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.take_out(kept.entry.name)
        (self.directory / wheel.name).write_bytes(wheel.read_bytes())
        self._note(kept.entry.name).write_text(kept.model_dump_json(indent=2))

    def find(self, name: str) -> Kept | None:
        note = self._note(name)
        return Kept.model_validate_json(note.read_text()) if note.exists() else None

    def take_out(self, name: str) -> None:
        known = self.find(name)
        if known is not None:
            (self.directory / known.entry.wheel).unlink(missing_ok=True)
            self._note(name).unlink()

    def _note(self, name: str) -> Path:
        return self.directory / f"{canonicalize_name(name)}.json"


def distributions() -> dict[str, importlib.metadata.Distribution]:
    """Those that bring tools, by their names."""
    found: dict[str, importlib.metadata.Distribution] = {}
    for one in importlib.metadata.distributions():
        if any(point.group == GROUP for point in one.entry_points):
            found.setdefault(canonicalize_name(one.metadata["Name"]), one)
    return found


def verify(name: str, shelf: Shelf, keys: Sequence[str]) -> list[str]:
    """What is wrong with it, in sentences."""
    kept, installed = shelf.find(name), distributions().get(canonicalize_name(name))
    if installed is None:
        return ["it is not installed any more"]
    if kept is None:
        return ["it was not installed by `resprout plugin install`: nothing says what it should be"]
    if not kept.is_signed:
        return ["it was installed unsigned", *_differences(installed, shelf, kept)]
    try:
        kept.entry.signer(keys)
    except NotSigned as error:
        return [str(error).rstrip(".")]
    return list(_differences(installed, shelf, kept))


def _differences(installed: importlib.metadata.Distribution, shelf: Shelf, kept: Kept) -> Iterator[str]:
    path = shelf.directory / Path(kept.entry.wheel).name
    if not path.exists():
        yield "its wheel is not kept any more: install it anew"
        return
    if digest_of(path) != kept.entry.sha256:
        yield "its wheel is not the one that was installed: install it anew"
        return
    if installed.version != kept.entry.version:
        yield f"version {installed.version} is installed, and {kept.entry.version} was"
        return
    files = read_wheel(path).files()
    scripts = [name for name in files if ".data/" in name and DATA.match(name) is None]
    if scripts:
        yield f"{scripts[0]} is installed elsewhere and is not looked at"
    wanted = {DATA.sub("", name): sha for name, sha in files.items() if name not in scripts}
    root = Path(str(installed.locate_file("")))
    for name, sha in wanted.items():
        if Path(name).name not in WRITTEN_AT_INSTALL:
            yield from _difference(root / name, name, sha)
    for top in sorted({name.partition("/")[0] for name in wanted if "/" in name}):
        for file in sorted((root / top).rglob("*")):
            relative = file.relative_to(root).as_posix()
            if file.suffix in CODE and relative not in wanted and not _is_cache(file):
                yield f"{relative} was added"


def _is_cache(file: Path) -> bool:
    """Python takes a cache only for the source that it was made of, by that one's time and size."""
    if file.suffix != ".pyc" or file.parent.name != CACHE:
        return False
    source = file.parent.parent / f"{file.name.partition('.')[0]}.py"
    if not source.is_file():
        return False
    compiled = compile(source.read_bytes(), str(source), "exec", dont_inherit=True)
    try:
        return bool(marshal.loads(file.read_bytes()[HEADER:]) == compiled)
    except (ValueError, EOFError, TypeError):
        return False


def _difference(file: Path, name: str, sha: str) -> Iterator[str]:
    if not file.is_file():
        yield f"{name} is missing"
    elif digest_of(file) != sha:
        yield f"{name} was changed"


def as_json(name: str, shelf: Shelf) -> dict[str, object]:
    found, kept = distributions().get(canonicalize_name(name)), shelf.find(name)
    return {
        "name": name,
        "version": found.version if found is not None else None,
        "signed": kept.is_signed if kept is not None else None,
        "installed_by": kept.installed_by if kept is not None else None,
        "tools": sorted(point.value for point in found.entry_points if point.group == GROUP) if found else [],
    }
