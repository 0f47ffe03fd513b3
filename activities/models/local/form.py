"""What the local model may say, as one grammar, and what it means.

Where tools are offered it must write `{"tool": NAME, "arguments": {…}}` or `{"answer": …}`: it is too small to hold to
that by itself, so the grammar holds it. One use in one reply: a small model that may go on repeats itself.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from ....actors.models import AnswerForm, BadPrompt, FromModel, FromUser, ModelRequest, Stop, ToolOffer, ToolUse
from .schema import Reduction, Schema

ANSWER = '{"answer":'
# It begins to repeat itself, and a grammar lets it do so for ever.
FREE = {"type": "string", "maxLength": 2_000}
# Compact, as it is read below: with spaces where it likes, a small model writes spaces for ever.
COMPACT = {"whitespace_flexible": False}
# Whole characters of a JSON string; half of an escape, or of a pair of them, waits for the rest.
CHARACTERS = re.compile(
    r"""(?:[^"\\]|\\["\\/bfnrt]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"""
    r"""|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*"""
)

# How anything begins that is JSON, as far as one sees it.
BEGINS = re.compile(r"""[\[{"\-\d]|t(?:$|r)|f(?:$|a)|n(?:$|u)""")


@dataclass(frozen=True)
class Form:
    tools: tuple[ToolOffer, ...]
    answer: AnswerForm | None
    is_required: bool  # to use a tool
    goes_round: bool = False  # it has used a tool twice alike, and would do it for ever: it may only answer

    @classmethod
    def of(cls, request: ModelRequest) -> "Form":
        tools = request.tools if request.choice != "none" else ()
        if request.choice == "required" and not tools:
            raise BadPrompt("a tool is required, but none is offered. Offer one, or leave `choice` at auto.")
        is_required = request.choice == "required"
        return cls(tools, request.answer, is_required, not is_required and _goes_round(request))

    @property
    def is_wrapped(self) -> bool:
        return bool(self.tools)

    def grammar(self) -> str | None:
        schema = self._wrapped() if self.tools else self._bare()
        if schema is None:
            return None
        return "%llguidance {}\nstart: %json " + json.dumps({"x-guidance": COMPACT, **schema})

    def _bare(self) -> Schema | None:
        if self.answer is None:
            return None
        return {"$defs": {"answer": _answer(self.answer)}, "$ref": "#/$defs/answer"}

    def _wrapped(self) -> Schema:
        parts: Schema = {}
        ways = []
        for number, tool in enumerate(self.tools if not self.goes_round else ()):
            part = f"tool{number}"
            parts[part] = Reduction(f"the tool {tool.name}", f"#/$defs/{part}").whole(_arguments(tool))
            ways.append(_closed({"tool": {"const": tool.name}, "arguments": {"$ref": f"#/$defs/{part}"}}))
        if not self.is_required:
            parts["answer"] = _answer(self.answer) if self.answer else FREE
            ways.append(_closed({"answer": {"$ref": "#/$defs/answer"}}))
        return {"$defs": parts, "anyOf": ways}

    def read(self, said: str, request: ModelRequest, *, is_cut: bool) -> tuple[FromModel, Stop]:
        """What it said, and why it stopped. What was cut off is text: half a use of a tool is none."""
        said = _sound(said)
        if is_cut:
            return FromModel(text=_sound(_shown(self, said)) or said), "length"
        if not self.is_wrapped:
            if self.answer is not None:
                _parsed(said, self)
            return FromModel(text=said), "end"
        written = _parsed(said, self)
        if "tool" not in written:
            return FromModel(text=_sound(_shown(self, said))), "end"
        use = ToolUse(id=_id(request, said), name=written["tool"], arguments=written["arguments"])
        return FromModel(uses=(use,)), "tools"

    def refused(self) -> BadPrompt:
        of = f"one of the tools {', '.join(tool.name for tool in self.tools)}" if self.tools else "the answer"
        return BadPrompt(
            f"the local model's grammar does not take the JSON Schema of {of}: nothing can satisfy it, or it is too "
            "large. Simplify it; the log of the model server says what is wrong."
        )


class Heard:
    """The answer inside of what comes bit by bit, for who watches. A use of a tool is not shown."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.opening = ANSWER if form.answer else f'{ANSWER}"'
        self.said = ""
        self.rest: str | None = None  # of the answer, once it has begun: what came and was not yet shown
        self.is_over = False

    def more(self, bit: str) -> str:
        self.said += bit
        # Not at the end only: without a grammar to hold it, it may talk for minutes.
        if self.said and (self.form.answer or self.form.is_wrapped) and not BEGINS.match(self.said):
            raise self.form.refused()
        if not self.form.is_wrapped:
            return bit
        if self.rest is not None:
            self.rest += bit
        elif self.said.startswith(self.opening):
            self.rest = self.said[len(self.opening) :]
        else:
            return ""
        return self._value(self.rest) if self.form.answer else self._text(self.rest)

    def _value(self, rest: str) -> str:
        """All but the last character, which may be the brace around it all."""
        self.rest = rest[-1:]
        return rest[:-1]

    def _text(self, rest: str) -> str:
        whole = CHARACTERS.match(rest)
        if self.is_over or whole is None:
            return ""
        self.rest = rest[whole.end() :]
        self.is_over = self.rest.startswith('"')
        return str(json.loads(f'"{whole[0]}"', strict=False))


def _shown(form: Form, said: str) -> str:
    return Heard(form).more(said) if said else ""


def _parsed(said: str, form: Form) -> Any:
    """It stopped by itself, so what it wrote is whole, unless there was no grammar to hold it."""
    try:
        written = json.loads(said)
    except ValueError:
        raise form.refused() from None
    if form.is_wrapped and not (isinstance(written, dict) and ("answer" in written or "tool" in written)):
        raise form.refused()
    return written


def _goes_round(request: ModelRequest) -> bool:
    """Whether its last use, since somebody last spoke to it, is one that it has made before."""
    made: list[tuple[str, str]] = []
    for message in request.messages:
        match message:
            case FromUser():
                made = []
            case FromModel(uses=uses):
                made += [(use.name, json.dumps(use.arguments, sort_keys=True)) for use in uses]
    return bool(made) and made[-1] in made[:-1]


def _arguments(tool: ToolOffer) -> Schema:
    return {**tool.parameters, "type": "object"}


def _answer(form: AnswerForm) -> Schema:
    return Reduction(f"the answer `{form.name}`", "#/$defs/answer").whole(form.shape)


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _id(request: ModelRequest, said: str) -> str:
    """The same when it says the same to the same: a call that is made again after a crash has the same id. Another one
    in another place of a conversation: nobody takes one use for another."""
    asked = json.dumps([message.model_dump(mode="json") for message in request.messages], sort_keys=True)
    return "use-" + hashlib.sha256(f"{asked}\n{said}".encode()).hexdigest()[:20]


def _sound(text: str) -> str:
    """Without halves of characters, which a grammar allows and nobody can store."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
