"""Packages: an index on loopback that answers as real ones do, versions, and what projects say they need."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from resprout.activities.tools.builtin import package
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands, sandboxed
from support.tool_calls import hands as bare_hands
from support.web_site import HOST, Heard, Page, Said, Website, website

JSON = "application/vnd.pypi.simple.v1+json"
METADATA = """Metadata-Version: 2.4
Name: Sprout
Version: 1.10
Summary: Grows
License-Expression: MIT
Requires-Dist: soil>=2
Requires-Dist: water; extra == "wet"

Long text
"""


def a_file(name: str, **more: Any) -> dict[str, Any]:
    return {"filename": name, "url": f"files/{name}", "requires-python": ">=3.9", **more}


FILES = [
    a_file("sprout-1.9.tar.gz"),
    a_file("sprout-1.10-py3-none-any.whl", **{"core-metadata": {"sha256": "x"}}),
    a_file("sprout-1.10.tar.gz"),
    a_file("sprout-1.11.tar.gz", yanked="broken"),
    a_file("sprout-2.0rc1.tar.gz"),
    a_file("readme.txt"),
]
AS_HTML = """<!doctype html><a href="../files/old-0.2.tar.gz#sha256=aa" data-requires-python="&gt;=3">old-0.2.tar.gz</a>
<a href="https://files.example/old-0.10-py3-none-any.whl" data-core-metadata=true>old-0.10-py3-none-any.whl</a>"""


def listed(heard: Heard) -> Said:
    assert JSON in heard.headers["accept"]
    return Said(json.dumps({"files": FILES}), JSON)


@pytest.fixture
def index() -> Iterator[Website]:
    pages: dict[str, Page] = {
        "/simple/sprout/": listed,
        "/simple/old/": Said(AS_HTML, "text/html"),
        "/simple/odd/": Said("{}", JSON),
        "/simple/sprout/files/sprout-1.10-py3-none-any.whl.metadata": Said(METADATA),
    }
    with website(pages) as index:
        yield index


@pytest.fixture
async def hands(tmp_path: Path) -> AsyncIterator[Hands]:
    async with sandboxed(tmp_path, HOST) as hands:
        yield hands


async def test_versions_are_listed_the_newest_first(hands: Hands, index: Website) -> None:
    url = index.url("/simple")

    every = await hands.use(package.versions, name="Sprout", index=url, prereleases=True)
    some = await hands.use(package.versions, name="sprout", index=url, fits=">=1.9,<1.11")

    assert [one["version"] for one in every] == ["2.0rc1", "1.11", "1.10", "1.9"]
    assert [(one["version"], one["files"], one["is_yanked"]) for one in some] == [("1.10", 2, False), ("1.9", 1, False)]
    assert hands.needs(package.versions, name="a", index=url) == [f"net.connect:{index.place}"]


async def test_an_index_of_the_old_kind_is_read_too(hands: Hands, index: Website) -> None:
    about = await hands.use(package.info, name="old", index=index.url("/simple/"))

    assert (about["version"], about["files"][0]["is_wheel"]) == ("0.10", True)
    assert about["said"] == "The metadata is on another host: call again with `files_host: files.example:443`."


async def test_a_package_is_described_by_its_newest_settled_version(hands: Hands, index: Website) -> None:
    about = await hands.use(package.info, name="sprout", index=index.url("/simple"))
    older = await hands.use(package.info, name="sprout", index=index.url("/simple"), version="1.9.0".removesuffix(".0"))

    assert (about["version"], about["summary"], about["license"]) == ("1.10", "Grows", "MIT")
    assert about["requires"] == ["soil>=2", 'water; extra == "wet"']
    assert (older["version"], older["said"]) == ("1.9", "The index gives no metadata of this version's files.")


@pytest.mark.parametrize("tool", [package.info, package.versions], ids=lambda one: one.name)
async def test_what_an_index_does_not_have_is_said(hands: Hands, index: Website, tool: Tool) -> None:
    with pytest.raises(ToolError, match="the index has no package 'nothing'"):
        await hands.use(tool, name="nothing", index=index.url("/simple"))
    with pytest.raises(ToolError, match="does not answer as a package index does"):
        await hands.use(tool, name="odd", index=index.url("/simple"))
    with pytest.raises(BadArguments, match="`name`"):
        await hands.use(tool, name="../x", index=index.url("/simple"))


async def test_a_version_that_there_is_not_is_said(hands: Hands, index: Website) -> None:
    with pytest.raises(ToolError, match=r"no version 9 of sprout; its newest are 2\.0rc1, 1\.11"):
        await hands.use(package.info, name="sprout", index=index.url("/simple"), version="9")
    with pytest.raises(BadArguments, match="is no range of versions"):
        await hands.use(package.versions, name="sprout", index=index.url("/simple"), fits="about 2")


async def test_the_index_is_the_one_that_the_worker_is_configured_with(
    hands: Hands, index: Website, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nindex-url = {index.url('/simple')}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))

    assert hands.needs(package.info, name="sprout") == [f"net.connect:{index.place}"]

    monkeypatch.setenv("PIP_INDEX_URL", "https://ada:secret@index.example/simple")
    with pytest.raises(BadArguments, match="must not have a user or password") as refused:
        hands.needs(package.info, name="sprout")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("version", "other", "scheme", "order"),
    [
        ("1.10", "1.9", "pep440", "newer"),
        ("1.0", "1.0.0", "pep440", "same"),
        ("2.0rc1", "2.0", "pep440", "older"),
        ("1.0.0-alpha.2", "1.0.0-alpha.10", "semver", "older"),
        ("1.0.0-alpha.1", "1.0.0-alpha", "semver", "newer"),
        ("1.0.0-1", "1.0.0-a", "semver", "older"),
        ("1.0.0", "1.0.0-rc.1", "semver", "newer"),
        ("1.0.0+a", "v1.0.0+b", "semver", "same"),
    ],
)
async def test_versions_are_compared(tmp_path: Path, version: str, other: str, scheme: str, order: str) -> None:
    found = await bare_hands(tmp_path).use(package.compare, version=version, other=other, scheme=scheme)

    assert found == {"order": order, "fits": None}


async def test_a_version_is_in_a_range(tmp_path: Path) -> None:
    hands = bare_hands(tmp_path)

    assert (await hands.use(package.compare, version="2.1", other="2", fits=">=2,<3"))["fits"]
    with pytest.raises(BadArguments, match="is no version of a Python package"):
        await hands.use(package.compare, version="two", other="2")
    with pytest.raises(BadArguments, match="is no semantic version"):
        await hands.use(package.compare, version="1.0", other="2.0.0", scheme="semver")


async def test_what_a_project_needs_is_listed(tmp_path: Path) -> None:
    hands = bare_hands(tmp_path)
    requirements = hands.put(
        "requirements.txt", "a[x]>=1 ; python_version < '3.12'  # why\n-r other.txt\nb==2 \\\n --hash=sha256:aa"
    )
    project = hands.put(
        "pyproject.toml",
        '[project]\ndependencies = ["a~=1.2"]\noptional-dependencies = {wet = ["w @ https://w.example/w.whl"]}\n'
        '[dependency-groups]\ndev = ["t", {include-group = "other"}]\n',
    )
    node = hands.put(
        "package.json", '{"dependencies": {"l": "^1.2"}, "devDependencies": {"g": "git+https://g.example/g"}}'
    )

    assert (await hands.use(package.requirements, path=requirements)) == {
        "kind": "requirements",
        "needs": [
            {
                "name": "a",
                "versions": ">=1",
                "group": "",
                "extras": ["x"],
                "marker": 'python_version < "3.12"',
                "url": "",
            },
            {"name": "b", "versions": "==2", "group": "", "extras": [], "marker": "", "url": ""},
        ],
        "others": ["-r other.txt"],
    }
    found = await hands.use(package.requirements, path=project)
    assert [(one["name"], one["group"], one["url"]) for one in found["needs"]] == [
        ("a", "", ""),
        ("w", "wet", "https://w.example/w.whl"),
        ("t", "dev", ""),
    ]
    assert len(found["others"]) == 1
    found = await hands.use(package.requirements, path=node)
    assert [(one["name"], one["versions"], one["group"], one["url"]) for one in found["needs"]] == [
        ("l", "^1.2", "", ""),
        ("g", "", "dev", "git+https://g.example/g"),
    ]


async def test_a_file_that_says_no_needs_is_said(tmp_path: Path) -> None:
    hands = bare_hands(tmp_path)

    for name, text in [("pyproject.toml", "[project"), ("package.json", "[1]")]:
        with pytest.raises(ToolError, match=f"`{name}` cannot be read"):
            await hands.use(package.requirements, path=hands.put(name, text))
