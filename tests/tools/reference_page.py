"""The page on built-in tools, as it must be: `python tests/tools/reference_page.py > docs/tools-reference.md`."""

import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from resprout.activities.tools.builtin import ALL
from resprout.activities.tools.tool import Tool
from resprout.actors.duration import format_duration

HEAD = """\
# Built-in tools

Made of the tools' manifests by `tests/tools/reference_page.py`. What a call may do to the world is asked of policy
before it happens: `files.read` on `workspace:notes/a.md` for a path beneath the run's workspace, on `/srv/a.md` for an
absolute one, which nobody may use until it is granted. No tool follows a link or opens a file that has a second name.

*After a crash*: `safe-to-retry` is done again; `keyed` is done again with the same key, and happens once; what is
`at-most-once` is not done again by itself, but stands in doubt until somebody says what became of it.

A tool marked *bounded* works in a process of its own, with limits on processor time and memory, without secrets, and
without a way to write files.

"""


def page() -> str:
    tools = sorted(ALL, key=lambda one: one.name)
    families = [(family, list(members)) for family, members in groupby(tools, key=lambda one: one.manifest.family)]
    index = "".join(
        f"- [{family}](#{family}): {', '.join(one.name for one in members)}\n" for family, members in families
    )
    return f"{HEAD}{len(tools)} tools:\n\n{index}" + "".join(
        f"\n## {family}\n{''.join(map(_tool, members))}" for family, members in families
    )


def _tool(one: Tool) -> str:
    manifest = one.manifest
    facts = [
        f"version {manifest.version}",
        f"after a crash: {manifest.contract}",
        f"danger: {manifest.danger}",
        *([f"needs: {', '.join(f'`{action}`' for action in manifest.permissions)}"] if manifest.permissions else []),
        f"at most {format_duration(manifest.timeout)}",
        *(["bounded"] if "bounded" in manifest.tags else []),
    ]
    rows = "".join(_arguments(manifest.input))
    table = f"\n| argument | type | |\n| --- | --- | --- |\n{rows}" if rows else ""
    return f"\n### {manifest.name}\n\n{' '.join(manifest.description.split())}\n\n{' · '.join(facts)}\n{table}"


def _arguments(schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required", [])
    for name, about in schema.get("properties", {}).items():
        said = about.get("description", "")
        if name not in required and about.get("default") not in (None, "", [], {}):
            default = about["default"]
            said += f" Default: `{str(default).lower() if isinstance(default, bool) else default}`."
        star = "" if name in required else "?"
        yield f"| `{name}`{star} | {_type(about)} | {_cell(said.strip())} |\n"


def _type(about: dict[str, Any]) -> str:
    if "enum" in about:
        return " · ".join(f"`{value}`" for value in about["enum"])
    if "const" in about:
        return f"`{about['const']}`"
    if "anyOf" in about:
        return " or ".join(dict.fromkeys(_type(one) for one in about["anyOf"] if one.get("type") != "null"))
    if "$ref" in about:
        return str(about["$ref"]).rpartition("/")[2]
    kind = about.get("type", "any")
    if kind == "array":
        return f"list of {_type(about.get('items', {}))}"
    return {"object": "object", "string": "text", "boolean": "true or false"}.get(kind, str(kind))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
