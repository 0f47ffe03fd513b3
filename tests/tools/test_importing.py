"""Importing by the command line, on a real stack: what is shown, decided, written down, and how workers learn of it."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from resprout.actors.errors import ResproutError
from resprout.runtime.cli.app import app
from support.stack import Stack, eventually, resprout

FAR = Path(__file__).parent.parent / "support" / "far_mcp.py"

SHOUT = """\
tool: loud.shout
version: {version}
description: Shouts.
input: {{type: object, properties: {{text: {{type: string}}}}, required: [text]}}
contract: safe-to-retry
sandbox:
  language: python
  code: |
    import json
    print(json.dumps(json.load(open("arguments.json"))["text"].upper() + "{mark}"))
"""
API = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "servers": [{"url": "https://api.example.org/v1"}],
    "paths": {
        "/things/{id}": {
            "get": {"operationId": "getThing", "summary": "One thing."},
            "delete": {"operationId": "dropThing"},
        }
    },
}


@pytest.fixture
def shout(tmp_path: Path) -> Path:
    file = tmp_path / "shout.tool.yaml"
    file.write_text(SHOUT.format(version="1.0.0", mark="!"))
    return file


def test_a_tool_of_a_file_is_imported_granted_called_changed_and_removed(stack: Stack, shout: Path) -> None:
    assert stack("tool", "import", str(shout), "--look").returncode == 0
    assert "loud.shout" not in stack("tool", "list", "--json").stdout

    imported = stack("tool", "import", str(shout))
    assert (imported.returncode, "1 tools are imported" in imported.stderr) == (0, True), imported.stderr
    denied = stack("tool", "call", "loud.shout", "-a", "text=hi")
    assert (denied.returncode, "code.run" in denied.stderr) == (1, True)
    assert stack("policy", "grant", "*", "--action", "code.run", "--tool", "loud.*").returncode == 0
    called = stack("tool", "call", "loud.shout", "-a", "text=hi", "--json")
    assert json.loads(called.stdout)["result"] == "HI!", called.stdout + called.stderr

    shout.write_text(SHOUT.format(version="1.0.0", mark="?"))
    same = stack("tool", "import", str(shout))
    assert (same.returncode, "loud.shout@1.0.0" in same.stderr, "raise the version" in same.stderr) == (2, True, True)
    shout.write_text(SHOUT.format(version="1.1.0", mark="?"))
    assert stack("tool", "import", str(shout)).returncode == 0
    again = stack("tool", "call", "loud.shout@1.1", "-a", "text=hi", "--json")
    assert json.loads(again.stdout)["result"] == "HI?", again.stderr

    assert stack("tool", "remove", "manifest:loud.shout").returncode == 0
    gone = stack("tool", "show", "loud.shout")
    assert (gone.returncode != 0, "there is no tool 'loud.shout'" in gone.stderr) == (True, True)
    kinds = [
        one["kind"] for one in json.loads(stack("audit", "search", "--tool", "manifest:loud.shout", "--json").stdout)
    ]
    assert {"decided", "imported", "removed"} <= set(kinds)


def test_an_api_is_imported_from_its_document(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(json.dumps(API))

    words = ("openapi", "things", "--file", str(file), "--auth", "header:Authorization=Bearer secret://things")
    done = stack("tool", "import", *words, "--danger", "get_thing=none", "--json")

    assert done.returncode == 0, done.stderr
    shown = {one["name"]: one for one in json.loads(done.stdout)["tools"]}
    assert (shown["things.get_thing"]["danger"], shown["things.drop_thing"]["danger"]) == ("none", "high")
    assert set(shown["things.get_thing"]["permissions"]) == {"net.connect", "secrets.use"}
    sources = json.loads(stack("tool", "sources", "--json").stdout)
    assert "openapi:things" in [one["source"] for one in sources]
    assert stack("tool", "remove", "openapi:things").returncode == 0


def sessions(stack: Stack, **wanted: Any) -> list[dict[str, Any]]:
    """Those with the server `far`, or of them the ones that are wanted."""
    found = json.loads(stack("tool", "sessions", "--json").stdout)
    return [one for one in found if one["source"] == "mcp:far" and wanted.items() <= one.items()]


def test_a_server_that_is_killed_in_the_middle_of_a_call_leaves_it_in_doubt(stack: Stack, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.touch()
    command = (sys.executable, str(FAR), str(journal))
    imported = resprout("--data-dir", str(stack.data_dir), "tool", "import", "mcp", "far", "--", *command)
    assert imported.returncode == 0, imported.stderr
    asked = ("--action", "process.start", "--action", "tool.call", "--tool", "far.note")  # by its name: it is dangerous
    assert stack("policy", "grant", "*", *asked).returncode == 0
    started = stack("tool", "call", "far.note", "-a", "text=once", "-a", "seconds=300", "--id", "doubtful", "--detach")
    assert started.returncode == 0, started.stderr
    eventually(journal.read_text, "the server notes that it was called")
    (session,) = eventually(lambda: sessions(stack), "the session is told")
    assert (session["source"], session["worker"].partition("@")[0]) == ("mcp:far", str(stack.pid("worker")))
    eventually(lambda: sessions(stack, calls=1), "its call is told")

    os.kill(int(journal.read_text().split()[0]), signal.SIGKILL)

    def doubts() -> list[dict[str, Any]]:
        found = json.loads(stack("effects", "in-doubt", "--json").stdout)
        return [one for one in found if one["run"] == "doubtful"]

    (effect,) = eventually(doubts, "the call is in doubt")

    def known() -> str:
        """Also what came late, of an attempt that was thought dead while the machine stood still."""
        return f"{effect['error']} {stack('audit', 'search', '--run', 'doubtful', '--json').stdout}"

    eventually(lambda: "it went away while it did note" in known(), "it is known why")
    assert len(journal.read_text().splitlines()) == 1
    eventually(lambda: not sessions(stack), "the session is not told any more")
    assert stack("runs", "cancel", "doubtful").returncode == 0
    assert stack("tool", "remove", "mcp:far").returncode == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("mcp", "http", "--", "true"), "there are tools http.… already"),
        (("mcp", "Big", "--", "true"), "cannot be the name of a family"),
        (("mcp", "x"), "say how the server is reached"),
        (("mcp", "x", "--url", "ftp://a"), "is no URL of a server"),
        (("mcp", "x", "--contract", "often", "--url", "http://127.0.0.1:9"), "is none of safe-to-retry"),
        (("mcp", "x", "--url", "http://127.0.0.1:9/mcp"), "the MCP server x (127.0.0.1:9)"),
        (("openapi", "x"), "--file FILE or --url URL"),
        (("openapi", "x", "--file", "/none.json"), "/none.json cannot be read"),
        (("openapi", "x", "--url", "http://127.0.0.1:9/o.json"), "http://127.0.0.1:9/o.json cannot be read"),
        (("/none.tool.yaml",), "/none.tool.yaml cannot be read"),
    ],
)
def test_what_cannot_be_imported_is_told_in_a_sentence(stack: Stack, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(ResproutError) as refused:  # which the command line shows as one line
        app(["--data-dir", str(stack.data_dir), "tool", "import", *words], standalone_mode=False)

    assert says in str(refused.value)
