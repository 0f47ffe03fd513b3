"""A request as a conversation that a very small model can follow: few words, and its own in the form it writes them."""

import json
from typing import Any, assert_never

from ....actors.models import FromModel, FromTool, FromUser, ModelRequest, Spoken, ToolOffer
from .form import Form

# Without a system message, the template of SmolLM2 puts in one that makes it answer worse.
NO_SYSTEM = "You are a helpful assistant."
LONGEST_DESCRIPTION = 200


def conversation(request: ModelRequest, form: Form) -> list[dict[str, str]]:
    system = [request.system or NO_SYSTEM]
    if form.tools:
        system.append("You can use these tools:\n" + "\n".join(_offer(tool) for tool in form.tools))
        system.append(_how(form))
    if form.answer is not None:
        system.append(f"The answer is JSON of this form: {_shape(form.answer.shape)}")
    spoken = [_said(message, request, form) for message in request.messages]
    return [{"role": "system", "content": "\n\n".join(system)}, *spoken]


def _how(form: Form) -> str:
    use = 'To use a tool, write {"tool": its name, "arguments": {...}}.'
    return use if form.is_required else f'{use} To answer, write {{"answer": ...}}.'


def _said(message: Spoken, request: ModelRequest, form: Form) -> dict[str, str]:
    match message:
        case FromUser():
            return {"role": "user", "content": message.text}
        case FromTool():
            what = "failed" if message.failed else "says"
            return {"role": "user", "content": f"The tool {_name(message.use, request)} {what}: {message.text}"}
        case FromModel():
            return {"role": "assistant", "content": "\n".join(_written(message, form))}
        case _:
            assert_never(message)


def _written(message: FromModel, form: Form) -> list[str]:
    uses = [_compact({"tool": use.name, "arguments": use.arguments}) for use in message.uses]
    if not message.text:
        return uses
    if form.is_wrapped and form.answer is None and not uses:
        return [_compact({"answer": message.text})]
    return [message.text, *uses]


def _name(use: str, request: ModelRequest) -> str:
    made = (made for message in request.messages if isinstance(message, FromModel) for made in message.uses)
    return next((each.name for each in made if each.id == use), use)


def _offer(tool: ToolOffer) -> str:
    description = " ".join(tool.description.split())[:LONGEST_DESCRIPTION]
    return f"- {tool.name}({_names(tool.parameters)}): {description}"


def _names(schema: dict[str, Any]) -> str:
    needed = schema.get("required", ())
    listed = schema.get("properties") or {}
    return ", ".join(f"{name}{'' if name in needed else '?'}: {_shape(part)}" for name, part in listed.items())


def _shape(schema: Any) -> str:
    """In the fewest tokens: a schema as it stands takes more of the window than the conversation."""
    if not isinstance(schema, dict):
        return "any"
    if "const" in schema:
        return _compact(schema["const"])
    if isinstance(values := schema.get("enum"), list):
        return "|".join(_compact(value) for value in values)
    if isinstance(ways := schema.get("anyOf") or schema.get("oneOf"), list):
        return "|".join(_shape(way) for way in ways)
    if "properties" in schema:
        return "{" + _names(schema) + "}"
    if "items" in schema:
        return f"[{_shape(schema['items'])}]"
    if isinstance(reference := schema.get("$ref"), str):
        return reference.rpartition("/")[2] or "any"
    kind = schema.get("type", "any")
    return "|".join(kind) if isinstance(kind, list) else str(kind)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
