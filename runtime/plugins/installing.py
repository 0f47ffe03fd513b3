"""Installs a plugin from a wheel, a project or a name; only what somebody whom we trust has signed, unless told so.

The invariant: what is checked is what is installed. The wheel is copied to where only we write, its hash is taken
there, and pip gets that file.
"""

import asyncio
import importlib.metadata
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import httpx
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ...actors.errors import Broken, NotFound, Rejected, Unavailable
from .index import Entry, Index, NotSigned, parse_index, read_index
from .installed import GROUP, Kept, Shelf
from .wheel import LARGEST, Wheel, read_wheel

FETCHING = 60  # seconds
PIP = 600


@dataclass(frozen=True)
class Installing:
    shelf: Shelf
    keys: Sequence[str]
    index: str | None  # a path or a URL
    by: str

    async def install(self, what: str, *, unsigned: bool) -> Kept:
        """`what` is a wheel, the folder of a project (`./weather`), or a name, as in weather or weather==1.2.0."""
        with tempfile.TemporaryDirectory(prefix="resprout-plugin-") as temporary:
            wheel = await self._wheel(what, Path(temporary), unsigned=unsigned)
            if not wheel.brings_tools():
                raise Rejected(
                    f"{wheel.name} {wheel.version} is no plugin: it has no entry point of the group `{GROUP}`. Nothing "
                    "was installed."
                )
            kept = self._judged(wheel, await self._index(), unsigned=unsigned)
            if kept.is_signed:  # what it depends on nobody has signed with it
                _refuse_missing(wheel)
            alone = ("--no-deps",) if kept.is_signed else ()
            await _pip("install", "--disable-pip-version-check", "--upgrade", *alone, str(wheel.path))
            self.shelf.put(wheel.path, kept)
        return kept

    def _judged(self, wheel: Wheel, index: Index, *, unsigned: bool) -> Kept:
        entry = index.find(wheel.name, wheel.version)
        mine = Entry(name=wheel.name, version=wheel.version, sha256=wheel.sha256, wheel=wheel.path.name)
        if entry is None:
            if unsigned:
                return Kept(entry=mine, is_signed=False, installed_by=self.by)
            raise NotSigned(
                f"{wheel.name} {wheel.version} is not in the index{f' {self.index}' if self.index else ''}: nobody has "
                "signed it. Ask its publisher, or say --unsigned if you know what is in it."
            )
        entry.signer(self.keys)
        if entry.sha256 != wheel.sha256:  # told even with --unsigned: somebody signed another one
            raise NotSigned(f"{wheel.path.name} is not the wheel that was signed: its hash is {wheel.sha256[:16]}….")
        return Kept(entry=mine.model_copy(update={"signature": entry.signature}), is_signed=True, installed_by=self.by)

    async def _wheel(self, what: str, directory: Path, *, unsigned: bool) -> Wheel:
        path = Path(what)
        if path.suffix == ".whl":
            return read_wheel(_copied(path, directory))
        if _is_project(what):
            if not unsigned:
                raise NotSigned(f"{what} is source code, which nobody has signed: say --unsigned, or sign its wheel.")
            # A bare `my-tools` would be a name on an index, and a stranger's project.
            await _pip("wheel", "--no-deps", "--wheel-dir", str(directory), _absolute(path))
            return read_wheel(_only_wheel(directory))
        name, _, version = what.partition("==")
        entry = (await self._index()).find(name, version or None)
        if entry is not None:
            wheel = read_wheel(await self._fetched(entry, directory))
            if (wheel.name, wheel.version) != (canonicalize_name(entry.name), entry.version):
                raise NotSigned(
                    f"the index leads from {entry.name} {entry.version} to {wheel.name} {wheel.version}: somebody "
                    "changed it."
                )
            return wheel
        if not unsigned:
            raise NotFound(
                f"there is no plugin {what} in the index{f' {self.index}' if self.index else ', for there is none'}."
            )
        await _pip("download", "--no-deps", "--only-binary", ":all:", "--dest", str(directory), what)
        return read_wheel(_only_wheel(directory))

    async def _index(self) -> Index:
        if self.index is None:
            return Index()
        if _is_web(self.index):
            return parse_index((await _download(self.index)).decode(errors="replace"), self.index)
        return read_index(Path(self.index))

    async def _fetched(self, entry: Entry, directory: Path) -> Path:
        assert self.index is not None
        if _is_web(self.index) or _is_web(entry.wheel):
            url = urljoin(self.index, entry.wheel) if _is_web(self.index) else entry.wheel
            path = directory / Path(unquote(urlsplit(url).path)).name
            path.write_bytes(await _download(url))
            return path
        return _copied(Path(self.index).parent / entry.wheel, directory)


def _refuse_missing(wheel: Wheel) -> None:
    missing = [str(one) for one in wheel.requirements() if not _is_there(one)]
    if missing:
        raise Rejected(
            f"{wheel.name} {wheel.version} needs {', '.join(missing)}, which no signature covers: install it yourself "
            "first, then the plugin."
        )


def _is_there(wanted: Requirement) -> bool:
    try:
        return wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


async def uninstall(name: str, shelf: Shelf) -> None:
    await _pip("uninstall", "--yes", name)
    shelf.take_out(name)


def _copied(path: Path, directory: Path) -> Path:
    try:
        return Path(shutil.copyfile(path, directory / path.name))
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.") from None


def _is_project(what: str) -> bool:
    """As pip tells a folder from a name: `./weather` and `.` are folders, `weather` is a name wherever one stands."""
    return ("/" in what or what in (".", "..")) and Path(what).is_dir()


def _absolute(path: Path) -> str:
    return str(path.resolve())


def _only_wheel(directory: Path) -> Path:
    return next(directory.glob("*.whl"))


def _is_web(text: str) -> bool:
    return text.startswith(("https://", "http://"))


async def _download(url: str) -> bytes:
    content = bytearray()
    try:
        async with (
            httpx.AsyncClient(timeout=FETCHING, follow_redirects=True) as client,
            client.stream("GET", url) as answer,
        ):
            answer.raise_for_status()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > LARGEST:
                    raise Rejected(f"{url} is larger than {LARGEST:,} bytes.")
    except httpx.HTTPError as error:
        raise Unavailable(f"{url} cannot be read: {error or type(error).__name__}.") from None
    return bytes(content)


async def _pip(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pip", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(PIP):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Unavailable(f"pip did not end within {PIP} s.") from None
    if process.returncode != 0:
        said = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")] or said[-1:]
        raise Broken(f"pip {words[0]} failed: {' '.join(errors)[:500] or f'it ended with {process.returncode}'}.")
