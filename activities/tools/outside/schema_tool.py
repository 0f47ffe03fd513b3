"""Makes a Tool of a manifest whose arguments JSON Schema describes, instead of a function's signature."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any, ClassVar

from pydantic import BaseModel, JsonValue, RootModel, ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

from ....actors.errors import Broken
from ..manifest import Permission, ToolManifest
from ..tool import Tool, ToolCall
from .json_schema import BadSchema, JsonSchema, Problem

Given = dict[str, Any]
Runs = Callable[[ToolCall, Given], Awaitable[Any]]
NeedsOf = Callable[[Given], Sequence[Permission]]


class SchemaArguments(RootModel[dict[str, JsonValue]]):
    """Arguments that were held against their schema."""

    schema_of: ClassVar[Callable[[], JsonSchema]]  # when it is first needed: an API has hundreds of tools

    @classmethod
    def model_validate(cls, obj: Any, **how: Any) -> "SchemaArguments":
        problems = cls.schema_of().problems(obj)
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, [_detail(one) for one in problems])
        return super().model_validate(obj, **how)


def schema_tool(
    manifest: ToolManifest, run: Runs, *, source: str, needs: NeedsOf | None = None, checks_output: bool = True
) -> Tool:
    """Of schemas that `refuse_bad_schemas` found good. Permissions without `needs` are needed by every call, on `*`."""
    arguments = create_model(manifest.name, __base__=SchemaArguments)
    arguments.schema_of = cache(lambda: JsonSchema(manifest.input, f"{manifest.name}'s arguments"))
    output_of = cache(lambda: JsonSchema(manifest.output, f"{manifest.name}'s result"))
    every = tuple(Permission(action=action) for action in manifest.permissions)

    async def run_given(call: ToolCall, parsed: BaseModel) -> Any:
        result = await run(call, _given(parsed))
        if manifest.output and checks_output:
            _refuse_unfit(manifest, output_of(), result)
        return result

    def need(parsed: BaseModel) -> Sequence[Permission]:
        return needs(_given(parsed)) if needs is not None else every

    return Tool(manifest, arguments, run_given, need, source=source)


def _given(parsed: BaseModel) -> Given:
    assert isinstance(parsed, SchemaArguments)
    return dict(parsed.root)


def refuse_bad_schemas(manifest: ToolManifest) -> None:
    """Raises BadSchema. At import, once: it takes long."""
    if manifest.input.get("type") != "object":
        raise BadSchema(f'the schema of {manifest.name} must say "type": "object" at its top.')
    JsonSchema(manifest.input, f"{manifest.name}'s arguments")
    JsonSchema(manifest.output, f"{manifest.name}'s result")


def _refuse_unfit(manifest: ToolManifest, output: JsonSchema, result: Any) -> None:
    problems = output.problems(result)
    if problems:
        said = "; ".join(f"`{'.'.join(map(str, one.path))}`: {one.said}" for one in problems[:3])
        raise Broken(f"{manifest.reference} gave what does not fit its own schema: {said}.")


def _detail(problem: Problem) -> InitErrorDetails:
    return InitErrorDetails(
        type=PydanticCustomError("schema", problem.said),
        loc=problem.path or ("arguments",),
        input=None,
    )
