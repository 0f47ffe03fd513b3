"""Finds our subpackages. Everything else about the build is in pyproject.toml.

The repository root is the package `resprout`, so the folders that hold rooms are found and prefixed here, and
the root's own modules are cut down to `__init__`: this script must not land in the wheel.

An editable install would need an import hook, since no folder is called `resprout`, and type checkers do not run
hooks: a user's mypy would not find the package. So it gets a folder in which a link is called so, and a plain path.
"""

import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOMS = ["runtime", "workflows", "activities", "memory", "actors"]
EDITABLE = Path(".editable")


class BuildRooms(build_py):
    def find_package_modules(self, package, package_dir):
        modules = super().find_package_modules(package, package_dir)
        return [m for m in modules if package != "resprout" or m[1] == "__init__"]


def package_dir():
    if "editable_wheel" not in sys.argv:
        return {"resprout": "."}
    link = EDITABLE / "resprout"
    EDITABLE.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to("..")
    return {"": str(EDITABLE)}


DEPLOYED = ["resprout.deploy.policy", "resprout.deploy.roles", "resprout.deploy.teams"]

found = find_packages(include=[*ROOMS, *(f"{room}.*" for room in ROOMS)])
setup(
    # Rules, roles and teams are no code of ours, but an installed package needs them.
    packages=["resprout", *DEPLOYED, *(f"resprout.{name}" for name in found)],
    package_dir=package_dir(),
    cmdclass={"build_py": BuildRooms},
)
