"""The images of the sandbox's languages: how they are named, found and listed.

The name holds the version of what is in it: when a recipe changes, the old image is not mistaken for the new one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.resources import files

from ..backend import NoSandbox
from ..spec import Language, SandboxSpec
from .engine import Engine, Gone

_RECIPES: Mapping[Language, Mapping[str, list[str]]] = json.loads((files(__package__) / "recipes.json").read_text())
LANGUAGES: tuple[Language, ...] = tuple(_RECIPES)
_PREFIX = "resprout-sandbox-"


@dataclass(frozen=True)
class Image:
    name: str
    digest: str
    size: int
    built: datetime


def packages(language: Language) -> list[str]:
    return _RECIPES[language]["packages"]


def image_name(language: Language) -> str:
    recipe = json.dumps(_RECIPES[language], sort_keys=True)
    return f"{_PREFIX}{language}:{sha256(recipe.encode()).hexdigest()[:12]}"


def wanted_image(spec: SandboxSpec) -> str:
    return spec.image or image_name(spec.language or "shell")


class Images:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def digest(self, spec: SandboxSpec) -> str:
        """Raises NoSandbox when the image is not there, or cannot be held to its limits."""
        name = wanted_image(spec)
        try:
            found = await self._engine.call(lambda api: api.inspect_image(name))  # type: ignore[no-untyped-call]
        except Gone as error:
            raise NoSandbox(_missing(spec, name)) from error
        if volumes := (found.get("Config") or {}).get("Volumes"):
            raise NoSandbox(_unlimited(name, sorted(volumes)))
        return str(found["Id"])

    async def images(self) -> list[Image]:
        """Ours, the newest first; old versions too."""
        found = await self._engine.call(lambda api: api.images())
        ours = [
            Image(name, one["Id"], one["Size"], datetime.fromtimestamp(one["Created"]).astimezone())
            for one in found
            for name in one["RepoTags"] or ()
            if name.startswith(_PREFIX)
        ]
        return sorted(ours, key=lambda image: image.built, reverse=True)


def _unlimited(name: str, volumes: list[str]) -> str:
    """The engine would make a directory of the host for each, writable and of any size."""
    said = f"The image {name} has a VOLUME ({', '.join(volumes)[:200]}), where `limits.disk` would not hold"
    return f"{said}: build it without, and write to /work or /tmp."


def _missing(spec: SandboxSpec, name: str) -> str:
    if spec.image is None:
        return f"The image {name} is not there: build it by `resprout sandbox images build {spec.language}`."
    return f"The image {name} is not there: fetch it by `docker pull {name}`."
