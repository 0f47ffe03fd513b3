"""An index of Python packages, as PEP 503 and PEP 691 describe it: what files a project has, and the metadata of one.

Where the index is, the caller or pip's configuration says: no host of any index stands in our code.
"""

import json
import os
from configparser import ConfigParser
from configparser import Error as BadConfig
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version
from pydantic import BaseModel, Field
from selectolax.lexbor import LexborHTMLParser

from .tool import BadArguments, ToolCall, ToolError
from .web import MOST_BYTES, Fetched, Request, fetch, web_url

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"
VARIABLE = "PIP_INDEX_URL"
FILES = ("/etc/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf")


class IndexFile(BaseModel):
    name: str
    url: str
    version: str
    requires_python: str = ""
    is_wheel: bool
    is_yanked: bool = False
    has_metadata: bool = Field(default=False, description="whether its metadata can be had without it")


def index_url(given: str | None) -> str:
    """The one that is named, or that the worker is configured with. Raises BadArguments."""
    found = given or os.environ.get(VARIABLE) or _of_pip()
    if not found:
        raise BadArguments(
            "no package index is known: give `index`, as in https://index.example/simple, or set `index-url` in pip's "
            "configuration where the worker runs."
        )
    try:
        return web_url(found).rstrip("/") + "/"
    except ValueError as error:
        raise BadArguments(f"the package index cannot be used: {error}") from None


def _of_pip() -> str | None:
    for name in (os.environ.get("PIP_CONFIG_FILE", ""), *FILES):
        config = ConfigParser(interpolation=None)
        try:
            if name and config.read(Path(name).expanduser()) and config.has_option("global", "index-url"):
                return config.get("global", "index-url")
        except (BadConfig, OSError, UnicodeDecodeError):
            continue  # which is pip's to complain of
    return None


async def files_of(call: ToolCall, index: str, package: str) -> list[IndexFile]:
    """All files whose names are those of wheels and source distributions, the newest version first."""
    url = urljoin(index, f"{canonicalize_name(package)}/")
    wanted = Request("GET", url, {"Accept": f"{JSON}, {HTML};q=0.1"}, most=MOST_BYTES)
    fetched = await fetch(call, wanted)
    if fetched.status == 404:
        raise ToolError(f"the index has no package {package!r}: look at how its name is written.")
    if fetched.expect_success().is_cut:
        raise ToolError(f"the index says more about {package!r} than the {MOST_BYTES >> 20} MB that are read.")
    listed = _of_json(fetched) if fetched.type == JSON else _of_html(fetched)
    found = [file for one in listed if (file := _file(one, fetched.url)) is not None]
    return sorted(found, key=lambda file: (Version(file.version), file.is_wheel), reverse=True)


async def metadata_of(call: ToolCall, file: IndexFile) -> dict[str, list[str]]:
    """Name → values, in lower case. PEP 658: beside the file, so that nobody has to unpack it."""
    wanted = Request("GET", f"{file.url}.metadata", most=MOST_BYTES)
    fetched = (await fetch(call, wanted)).expect_success()
    message = BytesParser().parsebytes(fetched.body)
    found: dict[str, list[str]] = {}
    for name, value in message.items():
        found.setdefault(name.lower(), []).append(str(value))
    return found


def _of_json(fetched: Fetched) -> list[dict[str, Any]]:
    try:
        files: list[dict[str, Any]] = json.loads(fetched.body)["files"]
    except (ValueError, KeyError, TypeError):
        raise ToolError(f"{fetched.url} does not answer as a package index does (PEP 691).") from None
    return [
        {
            "name": str(one.get("filename")),
            "url": str(one.get("url")),
            "requires_python": one.get("requires-python") or "",
            "is_yanked": bool(one.get("yanked")),
            "has_metadata": bool(one.get("core-metadata") or one.get("dist-info-metadata")),
        }
        for one in files
        if isinstance(one, dict)
    ]


def _of_html(fetched: Fetched) -> list[dict[str, Any]]:
    return [
        {
            "name": node.text().strip(),
            "url": node.attributes["href"] or "",
            "requires_python": node.attributes.get("data-requires-python") or "",
            "is_yanked": "data-yanked" in node.attributes,
            "has_metadata": "data-core-metadata" in node.attributes or "data-dist-info-metadata" in node.attributes,
        }
        for node in LexborHTMLParser(fetched.text).css("a[href]")
    ]


def _file(one: dict[str, Any], base: str) -> IndexFile | None:
    version = _version(one["name"])
    if version is None:
        return None
    url = urljoin(base, one["url"]).partition("#")[0]
    return IndexFile(**{**one, "url": url, "version": str(version), "is_wheel": one["name"].endswith(".whl")})


def _version(name: str) -> Version | None:
    try:
        return parse_wheel_filename(name)[1] if name.endswith(".whl") else parse_sdist_filename(unquote(name))[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
