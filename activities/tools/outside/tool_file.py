"""`*.tool.yaml`: a tool whose body is a program in the sandbox, in the words that flows have for it.

The arguments are in `arguments.json`, and on standard input; the result is `result.json`, or else what is written to
standard output, as JSON. A program that ends with another code than 0 says that it could not do it, on standard error.

The invariant: the version of such a tool means this very program. Its digest stands in the manifest.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from ....actors.errors import Broken, Rejected
from ....actors.words import Words
from ...sandbox.result import SandboxResult
from ...sandbox.spec import SandboxSpec, problems
from ..manifest import CallTime, Contract, Danger, Permission, Rate, Schema, ToolManifest, ToolName, ToolVersion
from ..tool import Tool, ToolCall, ToolError
from .json_schema import BadSchema
from .schema_tool import Given, refuse_bad_schemas, schema_tool
from .yaml_places import Path, Placed, read_yaml

ARGUMENTS, RESULT = "arguments.json", "result.json"
KEY_VARIABLE = "RESPROUT_KEY"
ENDING = ".tool.yaml"


class BadToolFile(Rejected):
    """A file that describes no tool; every problem in it is told with its line."""


class ToolFile(Words):
    tool: ToolName
    """What it is called by, as in `weather.forecast`."""
    version: ToolVersion = "1.0.0"
    """Semantic version. Whatever changes in the file needs another one."""
    description: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    """What it does, for a person or a model that chooses among tools."""
    input: Schema = Field(default={"type": "object", "properties": {}, "additionalProperties": False})
    """JSON Schema of the arguments."""
    output: Schema = Field(default={})
    """JSON Schema of the result."""
    sandbox: SandboxSpec
    """What is run, and what it may do."""
    danger: Danger = "none"
    """How bad a wrong call can be."""
    contract: Contract = "at-most-once"
    """What a crash means: `safe-to-retry`, `keyed` (the program finds the key in `RESPROUT_KEY`) or `at-most-once`."""
    timeout: CallTime = timedelta(seconds=60)
    """How long a call may take."""
    rate: Rate | None = None
    """How often it may be called."""
    deprecated: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def permissions(self) -> tuple[Permission, ...]:
        box = self.sandbox
        hosts = box.net if not isinstance(box.net, str) else ()
        return (
            Permission(action="code.run", on=box.language or box.image or "*"),
            *(Permission(action="net.connect", on=host) for host in hosts),
            *(Permission(action="secrets.use", on=name.removeprefix("secret://")) for name in box.secrets.values()),
        )

    def manifest(self) -> ToolManifest:
        body = hashlib.sha256(json.dumps(self.sandbox.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
        return ToolManifest(
            name=self.tool,
            version=self.version,
            description=self.description,
            input={"$comment": f"sandbox {body}", **self.input},
            output=self.output,
            permissions=tuple(dict.fromkeys(one.action for one in self.permissions)),
            danger=self.danger,
            contract=self.contract,
            timeout=self.timeout,
            rate=self.rate,
            deprecated=self.deprecated,
            tags=self.tags,
        )


def read_tool_file(text: str, file: str) -> ToolFile:
    """Raises BadYaml or BadToolFile."""
    placed = read_yaml(text, file)
    try:
        found = ToolFile.model_validate(placed.value)
    except ValidationError as error:
        raise BadToolFile("\n".join(_lines(error, placed))) from None
    told = [f"{placed.at(('sandbox', *one.path))}: {_name(('sandbox', *one.path))}{one.said}: {one.fix}." for one in
            problems(found.sandbox)]  # fmt: skip
    told += [f"{placed.at(path)}: {_name(path)}{said}" for path, said in _own_problems(found)]
    if told:
        raise BadToolFile("\n".join(told))
    return found


def file_tool(file: ToolFile, source: str) -> Tool:
    needed = file.permissions
    manifest = file.manifest()

    async def run(call: ToolCall, given: Given) -> Any:
        if call.sandbox is None:
            raise ToolError("there are no sandboxes here: call it where a worker runs.")
        result = await call.sandbox(_filled(file.sandbox, given, call.key), once=file.contract != "safe-to-retry")
        return _given_by(result, manifest.reference)

    return schema_tool(manifest, run, source=source, needs=lambda _: needed)


def _filled(spec: SandboxSpec, given: Given, key: str) -> SandboxSpec:
    arguments = json.dumps(given)
    return spec.model_copy(
        update={
            "files": {**spec.files, ARGUMENTS: arguments},
            "stdin": arguments,
            "collect": (*spec.collect, RESULT),
            "env": {**spec.env, KEY_VARIABLE: key},
        }
    )


def _given_by(result: SandboxResult, reference: str) -> Any:
    last = result.stderr.text.strip().rpartition("\n")[2][:1_000]
    if result.ended != "exit":
        raise Broken(
            f"{reference} did not end by itself ({result.reason or result.ended}){f': {last}' if last else ''}."
        )
    if result.exit_code != 0:
        raise ToolError(last or f"{reference} ended with the code {result.exit_code} and said nothing.")
    written = next((one.content for one in result.files if one.path == RESULT), None)
    text = written.decode(errors="replace") if written is not None else result.stdout.text
    try:
        return json.loads(text)
    except ValueError:
        where = RESULT if written is not None else "standard output"
        raise Broken(f"{reference} wrote no JSON to {where}, which is its result: {text[:200]!r}.") from None


def _lines(error: ValidationError, placed: Placed) -> Iterator[str]:
    for one in error.errors(include_url=False, include_input=False)[:20]:
        path = tuple(
            part for part in one["loc"] if not re.match(r"(function-|constrained-|tuple|literal\[)", str(part))
        )
        match one["type"]:
            case "missing":
                said = "it is missing"
            case "extra_forbidden":
                said = "there is no such word here"
            case "model_type":
                said = "a mapping of words is wanted, as in tool: weather.forecast"
            case _:
                said = str(one["msg"]).removeprefix("Value error, ")
        yield f"{placed.at(path)}: {_name(path)}{said}."


def _own_problems(file: ToolFile) -> Iterator[tuple[Path, str]]:
    if ARGUMENTS in file.sandbox.files:
        yield ("sandbox", "files", ARGUMENTS), "the arguments are put there: choose another name."
    if file.sandbox.stdin is not None:
        yield ("sandbox", "stdin"), "the arguments are its standard input: leave it out."
    if file.sandbox.limits.time > file.timeout:
        yield ("sandbox", "limits", "time"), "it is longer than the tool's `timeout`: raise that, or lower this."
    try:
        refuse_bad_schemas(file.manifest())
    except BadSchema as error:
        yield ("output" if "'s result" in str(error) else "input",), str(error)


def _name(path: Path) -> str:
    return f"{'.'.join(map(str, path))}: " if path else ""
