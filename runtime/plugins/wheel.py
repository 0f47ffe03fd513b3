"""A wheel: what it is called, its hash, and the hash of each file in it."""

import hashlib
import re
import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from ...actors.errors import NotFound, Rejected

LARGEST = 200_000_000
MOST_FILES = 20_000
CHUNK = 1 << 20


class BadWheel(Rejected):
    """It is no wheel, or not the one that its name says."""


@dataclass(frozen=True)
class Wheel:
    path: Path
    name: str
    version: str
    sha256: str

    def files(self) -> dict[str, str]:
        """path → SHA-256, of what is installed as it is."""
        with zipfile.ZipFile(self.path) as archive:
            names = [one for one in archive.infolist() if not one.is_dir()]
            if len(names) > MOST_FILES or sum(one.file_size for one in names) > LARGEST:
                raise BadWheel(f"{self.path.name} holds more than {MOST_FILES:,} files, or {LARGEST:,} bytes.")
            return {one.filename: _digest_in(archive, one) for one in names}

    def brings_tools(self) -> bool:
        with zipfile.ZipFile(self.path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
            said = archive.read(names[0]).decode(errors="replace") if names else ""
        return re.search(r"^\s*\[\s*resprout\.tools\s*\]", said, re.MULTILINE) is not None

    def requirements(self) -> list[Requirement]:
        """What it needs here, without extras."""
        said = _said(self.path).get_all("Requires-Dist") or []
        every = [Requirement(one) for one in said]
        return [one for one in every if one.marker is None or one.marker.evaluate({"extra": ""})]


def read_wheel(path: Path) -> Wheel:
    try:
        _, version, _, _ = parse_wheel_filename(path.name)
        size = path.stat().st_size
        if size > LARGEST:
            raise BadWheel(f"{path.name} has {size:,} bytes, and {LARGEST:,} are the most.")
        name, stated = _metadata(path)
        sha256 = digest_of(path)
    except InvalidWheelFilename:
        raise BadWheel(f"{path.name} is not named as a wheel is, as in weather-1.0.0-py3-none-any.whl.") from None
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.") from None
    except (zipfile.BadZipFile, KeyError):
        raise BadWheel(f"{path.name} is no wheel: it is damaged, or something else.") from None
    if stated != str(version) or canonicalize_name(name) != canonicalize_name(path.name.partition("-")[0]):
        raise BadWheel(f"{path.name} says inside that it is {name} {stated}.")
    return Wheel(path, canonicalize_name(name), stated, sha256)


def digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _digest_in(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> str:
    digest = hashlib.sha256()
    with archive.open(one) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _metadata(path: Path) -> tuple[str, str]:
    said = _said(path)
    return str(said["Name"]), str(said["Version"])


def _said(path: Path) -> Message:
    with zipfile.ZipFile(path) as archive:
        found = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1]
        return BytesParser().parsebytes(archive.read(found[0] if found else "METADATA"))
