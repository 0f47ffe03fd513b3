"""Builds the images of the sandbox's languages: from a Dockerfile where a registry answers, else from Debian packages.

Both ways install the same packages, those of `recipes.json`. The second needs no registry, only Debian's archive and
`mmdebstrap`, which unpacks packages into a tar without running anything of them; only Python compiles its library.
"""

import asyncio
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

import requests
from docker import APIClient
from docker.errors import APIError

from ....actors.errors import Broken
from ..backend import NoSandbox
from ..spec import Language
from .engine import Engine
from .images import image_name, packages

Progress = Callable[[str], None]
Way = Literal["dockerfile", "debian packages"]

SUITE = "bookworm"
BASE = f"debian:{SUITE}-slim"
_DOCKERFILE = files(__package__.split(".")[0]) / "deploy" / "sandbox" / "Dockerfile"

# No script of a package runs, so what those scripts do is done here: certificates in one file, one `awk`, and Python's
# library compiled: in a sandbox nothing of that can be kept, and each start would do it again.
_FINISHING = """
cat "$1"/usr/share/ca-certificates/mozilla/*.crt >"$1/etc/ssl/certs/ca-certificates.crt"
[ ! -e "$1/usr/bin/python3" ] ||
    chroot "$1" sh -c 'python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3*' || exit
[ ! -e "$1/usr/bin/mawk" ] || ln -sf mawk "$1/usr/bin/awk"
rm -rf "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale "$1"/usr/share/info "$1"/var/lib/apt \
    "$1"/var/cache/apt "$1"/usr/share/bash-completion
mkdir -p "$1/work" "$1/run/resprout" "$1/tmp"
"""


class Built(NamedTuple):
    name: str
    way: Way


async def build(
    engine: Engine, languages: Sequence[Language], progress: Progress, install: bool = False
) -> list[Built]:
    """`install`: as root, get `mmdebstrap` when it is needed and missing."""
    by_registry = _DOCKERFILE.is_file() and await engine.call(_registry_answers)
    progress("A registry answers: building from the Dockerfile." if by_registry else _WITHOUT)
    built = []
    for language in languages:
        progress(f"Building {image_name(language)} …")
        if by_registry:
            await _from_dockerfile(engine, language)
        else:
            await _from_packages(engine, language, install)
        built.append(Built(image_name(language), "dockerfile" if by_registry else "debian packages"))
    return built


_WITHOUT = "No registry answers: building from Debian packages."


def _registry_answers(api: APIClient) -> bool:
    if api.images(BASE):
        return True
    try:
        api.pull(BASE)
    except (APIError, requests.RequestException):  # whatever it is, there is another way
        return False
    return True


async def _from_dockerfile(engine: Engine, language: Language) -> None:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        content = _DOCKERFILE.read_bytes()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    arguments = {"PACKAGES": " ".join(packages(language))}

    def request(api: APIClient) -> list[dict[str, str]]:
        context.seek(0)
        said = api.build(
            fileobj=context, custom_context=True, tag=image_name(language), rm=True, decode=True, buildargs=arguments
        )
        return list(said)

    for line in await engine.call(request):
        if "error" in line:
            raise Broken(f"The image of {language} could not be built: {line['error'].strip()}.")


async def _from_packages(engine: Engine, language: Language, install: bool) -> None:
    await _have_mmdebstrap(install)
    repository, tag = image_name(language).split(":")
    with tempfile.TemporaryDirectory(prefix="resprout-image-") as folder:
        packed = Path(folder) / "image.tar"
        await _told(*_mmdebstrap(language, packed))
        await engine.call(lambda api: api.import_image_from_file(str(packed), repository, tag))


def _mmdebstrap(language: Language, packed: Path) -> Iterator[str]:
    yield from ("mmdebstrap", "--quiet", "--variant=extract")
    yield f"--include={','.join(packages(language))}"
    yield f"--extract-hook={_FINISHING}"
    yield from (SUITE, str(packed))


async def _have_mmdebstrap(install: bool) -> None:
    if shutil.which("mmdebstrap") is not None:
        return
    if not install or os.geteuid() != 0:
        raise NoSandbox("mmdebstrap is not here, which builds images without a registry: `apt-get install mmdebstrap`.")
    await _told("apt-get", "install", "-y", "-q", "mmdebstrap")


async def _told(*words: str) -> None:
    """Runs it to its end; ended with it when cancelled."""
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise Broken(f"{words[0]} failed: {' '.join(last) or process.returncode}")
