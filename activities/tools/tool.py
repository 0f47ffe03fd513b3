"""Tools written in Python: a typed function becomes a manifest and something that can be called.

    @tool("text.count", version="1.0.0", contract="safe-to-retry")
    def count(text: str, unit: Literal["words", "lines"] = "words") -> Counted:
        \"\"\"Counts words or lines.\"\"\"

A parameter annotated with `ToolCall` is not an argument: it is the call itself, with its key, its workspace and what
else a tool may use. What a tool raises as ToolError is its answer that it cannot do it; anything else is a defect.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic_core import PydanticSerializationError

from ...actors.errors import BadClass, Broken, Rejected
from ..sandbox.result import SandboxResult
from ..sandbox.spec import SandboxSpec
from ..secrets import NOTHING_HIDDEN, Veil
from .manifest import Action, Contract, Danger, Permission, Rate, ToolManifest

Needs = Callable[[Any], Sequence[Permission]]
Reply = tuple[str | None, dict[str, Any] | None]  # the name of its type, and its body
Preview = Callable[["ToolCall", Any], Awaitable[Any]]


class ToolError(Broken):
    """The tool cannot do what it was asked; it says why. The same call again would say the same."""


class BadArguments(Rejected):
    """The arguments do not fit the tool's schema."""


class RunsSandboxes(Protocol):
    async def __call__(self, spec: SandboxSpec, *, once: bool = True, veil: Veil = NOTHING_HIDDEN) -> SandboxResult:
        """With the contents of all its files. `once`: under the key of this call, so that the same call tried again
        gets the result on record; InDoubt where that cannot be known. Else it is run again. `veil`: over secrets in the
        spec that are the tool's own; those of its arguments are hidden anyhow."""
        ...

    def way_out(self, host: str) -> AbstractAsyncContextManager[str]:
        """The unix socket of a proxy that reaches this host:port and nothing else, for a library that speaks a protocol
        itself."""
        ...


class ReachesAgents(Protocol):
    async def ask(self, agent: str, message: str, body: dict[str, Any], timeout: timedelta) -> Reply:
        """Under an id derived from the key of this call: asked again, it gets the stored reply."""
        ...

    async def tell(self, agent: str, message: str, body: dict[str, Any]) -> str:
        """The id of the message, which is derived from the key of this call, too."""
        ...

    async def find(self, capability: str | None, kind: str | None, limit: int) -> list[dict[str, Any]]: ...


class StartsRuns(Protocol):
    """Of the tenant that calls, and no others."""

    async def start(self, flow: dict[str, Any], inputs: dict[str, Any]) -> str:
        """The run's id, which is derived from the key of this call: started again, it is the same run."""
        ...

    async def show(self, run: str) -> dict[str, Any]: ...
    async def list(self, status: str | None, limit: int) -> list[dict[str, Any]]: ...
    async def cancel(self, run: str, reason: str) -> None: ...
    async def output(self, run: str) -> Any:
        """Of one that has ended."""
        ...


@dataclass(frozen=True)
class ToolCall:
    """One call of a tool, as the tool sees it."""

    key: str  # the same each time that this call is tried: what the far side tells calls apart by
    tenant: str
    principal: str  # who calls, as in agent:researcher/alice
    workspace: Path  # the directory that is this run's own
    sandbox: RunsSandboxes | None = None  # None: this process has none
    agents: ReachesAgents | None = None
    runs: StartsRuns | None = None


@dataclass(frozen=True)
class Tool:
    manifest: ToolManifest
    arguments: type[BaseModel]
    run: Callable[[ToolCall, BaseModel], Awaitable[Any]]  # gives what JSON can hold
    need: Needs = field(default=lambda arguments: ())
    preview: Preview | None = None  # what it would change, as JSON, for whoever is asked to approve it
    source: str = "built-in"
    keeps_references: bool = False  # it gets `secret://name` as it stands, for others to reveal
    seen_elsewhere: datetime | None = None  # of one whose code this process has not: when another one had it last

    @property
    def name(self) -> str:
        return self.manifest.name

    def parse(self, given: dict[str, Any]) -> BaseModel:
        try:
            return self.arguments.model_validate(given)
        except ValidationError as error:
            raise BadArguments(f"{self.manifest.reference}: {'; '.join(_said(error))}.") from None

    def needs(self, arguments: BaseModel) -> tuple[Permission, ...]:
        """What this very call does. An action that the manifest does not name is a defect of the tool."""
        needed = tuple(self.need(arguments))
        for permission in needed:
            if permission.action not in self.manifest.permissions:
                raise Broken(f"{self.manifest.reference} needs {permission}, which its manifest does not say.")
        return needed


def tool(
    name: str,
    *,
    version: str,
    contract: Contract = "at-most-once",
    permissions: tuple[Action, ...] = (),
    needs: Needs | None = None,
    preview: Preview | None = None,
    danger: Danger = "none",
    timeout: timedelta = timedelta(seconds=30),
    rate: Rate | None = None,
    deprecated: str | None = None,
    tags: tuple[str, ...] = (),
    keeps_references: bool = False,
) -> Callable[[Callable[..., Any]], Tool]:
    """Makes a Tool of a function. Its docstring is the description. Permissions without `needs` are needed by every
    call, on `*`."""

    def made(function: Callable[..., Any]) -> Tool:
        hints = get_type_hints(function, include_extras=True)
        arguments, call_name = _arguments(name, function, hints)
        returned: Any = hints.get("return", inspect.Signature.empty)
        result = TypeAdapter(returned) if returned is not inspect.Signature.empty else None
        if result is None or not function.__doc__:
            raise BadClass(f"the tool {name} needs a docstring and a return annotation: they are its manifest.")
        manifest = ToolManifest(
            name=name,
            version=version,
            description=inspect.cleandoc(function.__doc__),
            input=arguments.model_json_schema(),
            output=result.json_schema(mode="serialization"),
            permissions=permissions,
            danger=danger,
            contract=contract,
            timeout=timeout,
            rate=rate,
            deprecated=deprecated,
            tags=tags,
        )
        every = tuple(Permission(action=action) for action in permissions)
        run = _runner(name, function, call_name, result)
        need = needs or (lambda _: every)
        return Tool(manifest, arguments, run, need, preview, keeps_references=keeps_references)

    return made


def _arguments(name: str, function: Callable[..., Any], hints: dict[str, Any]) -> tuple[type[BaseModel], str | None]:
    fields: dict[str, Any] = {}
    call_name = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise BadClass(f"the parameter `{parameter.name}` of the tool {name} needs a type, and no stars.")
        if hints[parameter.name] is ToolCall:
            call_name = parameter.name
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hints[parameter.name], default)
    return create_model(name, __config__=ConfigDict(extra="forbid", frozen=True), **fields), call_name


def _runner(
    name: str, function: Callable[..., Any], call_name: str | None, result: TypeAdapter[Any]
) -> Callable[[ToolCall, BaseModel], Awaitable[Any]]:
    async def run(call: ToolCall, arguments: BaseModel) -> Any:
        given = {field: getattr(arguments, field) for field in type(arguments).model_fields}
        if call_name is not None:
            given[call_name] = call
        if inspect.iscoroutinefunction(function):
            value = await function(**given)
        else:  # what may compute or read for long does not keep the worker's loop
            value = await asyncio.to_thread(function, **given)
        try:
            return result.dump_python(value, mode="json")
        except PydanticSerializationError as error:
            raise Broken(f"the tool {name} gave what JSON cannot hold: {error}.") from None

    return run


def _said(error: ValidationError) -> list[str]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [f"`{'.'.join(map(str, one['loc']))}`: {_sentence(one)}" for one in found[:20]]


def _sentence(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "there is no such argument"
    return "it is missing" if problem["type"] == "missing" else str(problem["msg"]).removeprefix("Value error, ")
