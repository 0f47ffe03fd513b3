"""`*.tool.yaml`: tools whose body is a program in the sandbox, and what is told of files that are wrong."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from resprout.activities.tools.outside.tool_file import BadToolFile, ToolFile, file_tool, read_tool_file
from resprout.activities.tools.outside.tool_template import TEMPLATE
from resprout.activities.tools.outside.yaml_places import BadYaml
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from resprout.actors.errors import Broken
from support.stack import resprout
from support.tool_calls import Hands, sandboxed

HEAD = """\
tool: word.count
description: Counts.
input: {type: object, properties: {text: {type: string}}}
"""


def made(body: str, head: str = HEAD) -> Tool:
    return file_tool(read_tool_file(f"{head}{body}", "word.tool.yaml"), "manifest:word.count")


def python(code: str) -> str:
    return "sandbox:\n  language: python\n  code: |\n" + "".join(f"    {line}\n" for line in code.splitlines())


@pytest.fixture
async def hands(tmp_path: Path) -> AsyncIterator[Hands]:
    async with sandboxed(tmp_path) as hands:
        yield hands


async def test_the_file_that_new_writes_works_as_it_stands(hands: Hands) -> None:
    file = read_tool_file(TEMPLATE.format(name="my.words", file="x"), "x")

    assert await hands.use(file_tool(file, "manifest:my.words"), text="one two") == {"words": 2}


async def test_arguments_come_in_a_file_and_on_standard_input_and_the_result_is_a_file_or_output(hands: Hands) -> None:
    by_output = made(
        python('import json, sys\nprint(json.dumps([json.load(open("arguments.json")), sys.stdin.read()]))')
    )
    by_file = made(python('print("chatter")\nopen("result.json", "w").write("42")'))
    by_shell = made("sandbox: {language: shell, run: 'cat arguments.json'}\n")

    assert await hands.use(by_output, text="ä") == [{"text": "ä"}, '{"text": "\\u00e4"}']
    assert await hands.use(by_file, text="x") == 42
    assert await hands.use(by_shell, text="x") == {"text": "x"}


async def test_a_program_that_fails_says_why_and_one_that_gives_no_json_is_broken(hands: Hands) -> None:
    with pytest.raises(ToolError, match=r"^there is no city Oz$"):
        await hands.use(made(python('raise SystemExit("there is no city Oz")')))
    with pytest.raises(Broken, match=r"wrote no JSON to standard output, which is its result: 'hello"):
        await hands.use(made(python('print("hello")')))
    with pytest.raises(Broken, match=r"does not fit its own schema: ``: it must be a whole number"):
        await hands.use(made(python('print("true")'), HEAD + "output: {type: integer}\n"))
    slow = "sandbox: {language: shell, run: 'sleep 20', limits: {time: 1s}}\n"
    with pytest.raises(Broken, match="did not end by itself"):
        await hands.use(made(slow))


async def test_the_key_of_the_call_is_in_the_environment(hands: Hands) -> None:
    tool = made(python('import json, os\nprint(json.dumps(os.environ["RESPROUT_KEY"]))'))

    assert await hands.use(tool) == hands.call.key or len(await hands.use(tool)) == 32


def test_what_it_may_do_follows_from_its_sandbox() -> None:
    body = "sandbox: {image: 'my/tools:1', run: go, net: ['api.example.org:443'], secrets: {TOKEN: 'secret://key'}}\n"
    tool = made(body)

    assert tool.manifest.permissions == ("code.run", "net.connect", "secrets.use")
    needed = [str(one) for one in tool.needs(tool.parse({}))]
    assert needed == ["code.run:my/tools:1", "net.connect:api.example.org:443", "secrets.use:key"]


def test_another_program_is_another_digest_and_survives_being_kept() -> None:
    one = read_tool_file(HEAD + python("print(1)"), "f")
    other = read_tool_file(HEAD + python("print(2)"), "f")

    assert one.manifest().digest != other.manifest().digest
    kept: Any = json.loads(json.dumps(one.model_dump(mode="json", exclude_defaults=True)))
    assert ToolFile.model_validate(kept).manifest() == one.manifest()


def test_arguments_are_checked() -> None:
    with pytest.raises(BadArguments, match="`text`: it must be text"):
        made(python("pass")).parse({"text": 5})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tool: x\n", "f.tool.yaml:1:1: tool: String should match pattern"),
        (HEAD, "f.tool.yaml:1:1: sandbox: it is missing."),
        (HEAD + "sandbox: {language: python, cod: x}\n", "f.tool.yaml:4:29: sandbox.cod: there is no such word here."),
        (HEAD + "sandbox: {language: python}\n", "f.tool.yaml:4:1: sandbox: it says neither `code` nor `run`"),
        (
            HEAD + "sandbox:\n  run: x\n  image: i\n  net: [nowhere]\n",
            "f.tool.yaml:7:9: sandbox.net.0: `nowhere` is not",
        ),
        (HEAD + "sandbox: {image: i, run: x, stdin: y}\n", "f.tool.yaml:4:29: sandbox.stdin: the arguments are"),
        (HEAD + "danger: huge\nsandbox: {image: i, run: x}\n", "f.tool.yaml:4:1: danger: Input should be 'none'"),
        (HEAD + "output: {type: strnig}\nsandbox: {image: i, run: x}\n", "f.tool.yaml:4:1: output: the schema of"),
        ("- a\n", "f.tool.yaml:1:1: a mapping of words is wanted"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line_and_column(text: str, said: str) -> None:
    with pytest.raises(BadToolFile) as refused:
        read_tool_file(text, "f.tool.yaml")

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1,\n", "f.tool.yaml:2:1: this is not YAML"),
        ("a: &x 1\nb: *x\n", "f.tool.yaml:1:4: an anchor"),
        ("tool: a.b\ntool: a.c\n", "f.tool.yaml:2:1: `tool` stands here twice"),
        ("a: " + "[" * 3_000, "f.tool.yaml"),
    ],
)
def test_what_is_not_plain_yaml_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadYaml) as refused:
        read_tool_file(text, "f.tool.yaml")

    assert said in str(refused.value)


def test_new_writes_a_file_once(tmp_path: Path) -> None:
    first = resprout("tool", "new", "my.words", cwd=tmp_path)
    second = resprout("tool", "new", "my.words", cwd=tmp_path)
    bad = resprout("tool", "new", "words", cwd=tmp_path)

    assert (first.returncode, (tmp_path / "my-words.tool.yaml").exists()) == (0, True)
    assert (second.returncode, "is there already" in second.stderr) == (2, True)
    assert (bad.returncode, "write a family and a word" in bad.stderr) == (2, True)
