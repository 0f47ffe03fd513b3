"""Tools for files: what each does to the workspace, and what it refuses."""

import os
from pathlib import Path
from typing import Any

import pytest
from resprout.activities.tools.builtin import file_changes, files
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands


async def test_a_file_is_read_as_text_or_as_base64(hands: Hands) -> None:
    hands.put("a.txt", "grüße\n")

    assert await hands.use(files.read, path="a.txt") == {
        "path": "a.txt",
        "content": "grüße\n",
        "size": 8,
        "truncated": False,
    }
    assert (await hands.use(files.read, path="a.txt", encoding="base64"))["content"] == "Z3LDvMOfZQo="


async def test_a_character_is_never_cut(hands: Hands) -> None:
    hands.put("a.txt", "aü€😀b")

    read = [(await hands.use(files.read, path="a.txt", max_bytes=most))["content"] for most in range(1, 12)]

    assert read == ["a", "a", "aü", "aü", "aü", "aü€", "aü€", "aü€", "aü€", "aü€😀", "aü€😀b"]


async def test_what_is_no_text_says_how_it_can_be_read(hands: Hands) -> None:
    hands.put("a.bin", b"\x00\xff")

    with pytest.raises(ToolError, match=r"`a.bin` is not text in UTF-8 \(byte 1\): read it with `encoding: base64`"):
        await hands.use(files.read, path="a.bin")


async def test_lines_are_given_from_the_beginning_the_middle_and_the_end(hands: Hands) -> None:
    hands.put("a.txt", "1\n2\n3\n4\n")

    assert (await hands.use(files.head, path="a.txt", lines=2))["lines"] == ["1", "2"]
    assert await hands.use(files.head, path="a.txt", lines=2, start=3) == {
        "path": "a.txt",
        "lines": ["3", "4"],
        "first": 3,
        "total": 4,
    }
    assert await hands.use(files.tail, path="a.txt", lines=1) == {
        "path": "a.txt",
        "lines": ["4"],
        "first": 4,
        "total": 4,
    }


async def test_a_folder_is_listed_and_drawn_without_what_is_ours(hands: Hands) -> None:
    hands.put("src/a.py", "x = 1\n")
    hands.put("src/deep/b.py", "")
    hands.put(".resprout/journal/k", "{}")
    (hands.workspace / "link").symlink_to("src/a.py")

    listed = await hands.use(files.list_folder)
    drawn = await hands.use(files.tree)

    assert [(one["path"], one["kind"], one["size"]) for one in listed["entries"]] == [
        ("link", "link", 0),
        ("src", "folder", 0),
    ]
    assert drawn == {
        "tree": "link@\nsrc/\n  a.py\n  deep/\n    b.py",
        "files": 2,
        "folders": 2,
        "truncated": False,
    }


async def test_files_are_found_by_name_and_by_what_is_in_them(hands: Hands) -> None:
    hands.put("src/a.py", "import os\nprint(os.name)\n")
    hands.put("src/deep/b.py", "import re\n")
    hands.put("image.png", b"\x89PNG\xff import os")

    found = await hands.use(files.glob, pattern="src/**/*.py")
    beneath = await hands.use(files.glob, pattern="*.py", path="src")
    hits = await hands.use(files.search, pattern=r"^IMPORT \w+", ignore_case=True)

    assert found["paths"] == ["src/a.py", "src/deep/b.py"]
    assert beneath == {"paths": ["a.py"], "truncated": False}
    assert hits == {
        "hits": [
            {"path": "src/a.py", "line": 1, "text": "import os"},
            {"path": "src/deep/b.py", "line": 1, "text": "import re"},
        ],
        "files_searched": 2,
        "truncated": False,
    }


async def test_the_state_of_a_file_also_says_that_there_is_none(hands: Hands) -> None:
    hands.put("a.txt", "12345")

    assert (await hands.use(files.stat, path="a.txt"))["size"] == 5
    assert (await hands.use(files.stat, path="."))["kind"] == "folder"
    assert (await hands.use(files.stat, path="no/such/file"))["kind"] is None


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (files.read, {"path": "gone"}, "`gone` does not exist: see what is there with files.list"),
        (files.head, {"path": "folder"}, "`folder` is a folder, not a file"),
        (files.tail, {"path": "file/inner"}, "`file` is no folder"),
        (files.list_folder, {"path": "file"}, "`file` is no folder"),
        (files.tree, {"path": "gone"}, "`gone` does not exist"),
        (files.glob, {"path": "gone", "pattern": "*"}, "`gone` does not exist"),
        (files.search, {"pattern": "("}, "`pattern` is no regular expression of RE2: missing \\)"),
        (files.stat, {"path": "../x"}, "has `..` in it"),
        (file_changes.write, {"path": "folder", "content": ""}, "`folder` is a folder, not a file"),
        (file_changes.write, {"path": "a", "content": "?", "encoding": "base64"}, "`content` is not base64"),
        (file_changes.append, {"path": "file/x", "content": ""}, "`file` is no folder"),
        (file_changes.copy, {"source": "gone", "target": "b"}, "`gone` does not exist"),
        (file_changes.copy, {"source": "folder", "target": "folder/in"}, "is `folder` or within it"),
        (file_changes.move, {"source": "gone", "target": "b"}, "`gone` does not exist"),
        (file_changes.move, {"source": "file", "target": "folder"}, "`folder` exists already"),
        (file_changes.move, {"source": "folder", "target": "folder/in"}, "cannot be moved into itself"),
        (file_changes.delete, {"path": "folder"}, "`folder` is not empty: say `recursive: true`"),
        (file_changes.delete, {"path": "."}, "is a whole file tree"),
        (file_changes.mkdir, {"path": "file"}, "`file` is no folder"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_sentence(
    hands: Hands, tool: Tool, arguments: dict[str, Any], said: str
) -> None:
    hands.put("file", "")
    hands.put("folder/x", "")

    with pytest.raises((ToolError, BadArguments), match=said):
        await hands.use(tool, **arguments)


async def test_a_file_is_written_and_only_on_request_over_another(hands: Hands) -> None:
    written = await hands.use(file_changes.write, path="new/a.txt", content="one")

    assert written == {"path": "new/a.txt", "size": 3}
    assert hands.text("new/a.txt") == "one"
    with pytest.raises(ToolError, match=r"`new/a\.txt` exists already: say `overwrite: true`"):
        await hands.use(file_changes.write, path="new/a.txt", content="two", overwrite=False)
    await hands.use(file_changes.write, path="new/a.txt", content="one", overwrite=False)  # an earlier try wrote it


async def test_a_call_appends_once_however_often_it_is_tried(hands: Hands) -> None:
    for key in ("first", "first", "second", "first"):
        answer = await hands.use_by(key, file_changes.append, path="log.txt", content=key)

    assert hands.text("log.txt") == "first\nsecond\n"
    assert answer == {"path": "log.txt", "size": 6}


async def test_an_edit_replaces_the_one_place_and_says_where(hands: Hands) -> None:
    hands.put("a.py", "x = 1\ny = 1\n")

    edited = await hands.use_by("k", file_changes.edit, path="a.py", old="y = 1", new="y = 2")
    again = await hands.use_by("k", file_changes.edit, path="a.py", old="y = 1", new="y = 2")

    assert edited == again == {"path": "a.py", "line": 2, "replacements": 1}
    assert hands.text("a.py") == "x = 1\ny = 2\n"


async def test_an_edit_of_what_is_there_twice_or_never_is_refused(hands: Hands) -> None:
    hands.put("a.py", "x = 1\ny = 1\n")

    with pytest.raises(ToolError, match="has this text 2 times: give more of what is around it"):
        await hands.use(file_changes.edit, path="a.py", old="= 1", new="= 2")
    with pytest.raises(ToolError, match="does not have this text"):
        await hands.use(file_changes.edit, path="a.py", old="= 3", new="= 2")

    assert (await hands.use(file_changes.edit, path="a.py", old="= 1", new="= 2", everywhere=True))["replacements"] == 2


async def test_a_folder_is_copied_and_moved_with_what_is_in_it(hands: Hands) -> None:
    hands.put("a/b/c.txt", "c")
    hands.put("a/d.txt", "d")
    (hands.workspace / "a" / "link").symlink_to("/etc/passwd")

    copied = await hands.use(file_changes.copy, source="a", target="copy")
    await hands.use_by("k", file_changes.move, source="a", target="moved/here")
    await hands.use_by("k", file_changes.move, source="a", target="moved/here")  # tried again: it is there

    assert copied["files"] == 2
    assert hands.text("copy/b/c.txt") == hands.text("moved/here/b/c.txt") == "c"
    assert not (hands.workspace / "copy" / "link").exists()
    assert not (hands.workspace / "a").exists()


async def test_what_is_deleted_is_gone_and_what_is_not_there_is_no_error(hands: Hands) -> None:
    hands.put("a/b.txt", "")

    assert await hands.use(file_changes.delete, path="a", recursive=True) == {"path": "a", "deleted": True}
    assert await hands.use(file_changes.delete, path="a/b.txt") == {"path": "a/b.txt", "deleted": False}


async def test_a_folder_is_made_with_those_above_it(hands: Hands) -> None:
    for _ in range(2):
        await hands.use(file_changes.mkdir, path="a/b/c")

    assert (hands.workspace / "a" / "b" / "c").is_dir()


@pytest.mark.parametrize(
    ("tool", "arguments", "shown"),
    [
        (
            file_changes.write,
            {"path": "a.txt", "content": "one\n3\n"},
            {
                "is_new": False,
                "diff": "--- before\n+++ after\n@@ -1,2 +1,2 @@\n one\n-2\n+3\n",
                "added": 1,
                "removed": 1,
            },
        ),
        (
            file_changes.write,
            {"path": "a.txt", "content": "/w==", "encoding": "base64"},
            {"size_before": 6, "size_after": 1},
        ),
        (
            file_changes.append,
            {"path": "new.txt", "content": "x"},
            {"is_new": True, "diff": "--- before\n+++ after\n@@ -0,0 +1 @@\n+x\n", "added": 1, "removed": 0},
        ),
        (
            file_changes.edit,
            {"path": "a.txt", "old": "one", "new": "1"},
            {
                "is_new": False,
                "diff": "--- before\n+++ after\n@@ -1,2 +1,2 @@\n-one\n+1\n 2\n",
                "added": 1,
                "removed": 1,
            },
        ),
        (file_changes.delete, {"path": "d", "recursive": True}, {"deletes": ["d", "d/x", "d/y"], "and_more": False}),
    ],
)
async def test_who_approves_a_change_sees_it_and_nothing_has_changed(
    hands: Hands, tool: Tool, arguments: dict[str, Any], shown: dict[str, Any]
) -> None:
    hands.put("a.txt", "one\n2\n")
    hands.put("d/x", "")
    hands.put("d/y", "")
    assert tool.preview is not None

    assert await tool.preview(hands.call, tool.parse(arguments)) == shown

    assert sorted(path.name for path in hands.workspace.rglob("*")) == ["a.txt", "d", "x", "y"]
    assert hands.text("a.txt") == "one\n2\n"


async def test_an_edit_leaves_the_mark_at_the_beginning_and_the_ends_of_lines(hands: Hands) -> None:
    hands.put("a.txt", b"\xef\xbb\xbfone\r\ntwo\r\n")

    await hands.use(file_changes.edit, path="a.txt", old="two", new="2")

    assert (hands.workspace / "a.txt").read_bytes() == b"\xef\xbb\xbfone\r\n2\r\n"


async def test_each_needs_permission_on_the_very_paths(hands: Hands) -> None:
    assert hands.needs(files.read, path="./a//b.txt") == ["files.read:workspace:a/b.txt"]
    assert hands.needs(files.list_folder) == ["files.read:workspace:."]
    assert hands.needs(file_changes.write, path="/etc//passwd", content="") == ["files.write:/etc/passwd"]
    assert hands.needs(file_changes.copy, source="a", target="/b") == ["files.read:workspace:a", "files.write:/b"]
    assert hands.needs(file_changes.move, source="a", target="b") == [
        "files.read:workspace:a",
        "files.write:workspace:a",
        "files.write:workspace:b",
    ]


async def test_an_absolute_path_that_was_granted_is_used_as_asked(hands: Hands, tmp_path: Path) -> None:
    secret = tmp_path / "outside" / "secret.txt"

    assert (await hands.use(files.read, path=str(secret)))["content"] == "outside"
    await hands.use_by("k", file_changes.append, path=str(secret), content="more")
    await hands.use_by("k", file_changes.append, path=str(secret), content="more")

    assert secret.read_text() == "outsidemore\n"
    assert os.listdir(secret.parent) == ["secret.txt"]  # noqa: PTH208 - hidden ones, too
