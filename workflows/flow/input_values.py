"""The inputs of a run: defaults filled in, values checked, problems told in sentences."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from .model import Flow, Input
from .problem import Findings, written
from .schemas import check_schema, sentences
from .vocabulary import nearest


def inputs_for(flow: Flow, given: Mapping[str, Any]) -> tuple[dict[str, JsonValue], list[str]]:
    """The values of a run's inputs, and what is wrong with those given; without problems the values are complete."""
    problems = [_unknown(name, flow) for name in given if name not in flow.inputs]
    values: dict[str, JsonValue] = {}
    for name, spec in flow.inputs.items():
        if name in given:
            values[name] = _as_number(given[name], spec)
            problems += _misfits(name, spec, values[name])
        elif spec.required:
            problems.append(f"input `{name}` is missing: {wanted(spec)}.")
        else:
            values[name] = _as_number(spec.default, spec)
    return values, problems


def _unknown(name: str, flow: Flow) -> str:
    near = nearest(name, flow.inputs)
    known = ", ".join(flow.inputs) or "none"
    return f"there is no input `{name}`: " + (f"did you mean `{near}`?" if near else f"the inputs are {known}.")


def wanted(spec: Input) -> str:
    if spec.secret:
        return "give a reference, as in secret://name"
    kind = spec.type if isinstance(spec.type, str) else " or ".join(spec.type or ("value",))
    return f"give a {kind}" + (f" ({spec.description.splitlines()[0]})" if spec.description else "")


def _misfits(name: str, spec: Input, value: JsonValue) -> list[str]:
    if spec.secret:
        fits = isinstance(value, str) and value.startswith("secret://") and len(value) > len("secret://")
        # The value itself may be the secret: it must not be repeated in a message.
        return [] if fits else [f"input `{name}` is a secret: give a reference, as in secret://{name}, not the value."]
    return [f"input `{written((name, *path))}`: {said}." for path, said in sentences(value, spec.value_schema)]


def _as_number(value: JsonValue, spec: Input) -> JsonValue:
    """JSON does not tell 2 from 2.0, CEL does: what is declared a number is one."""
    if spec.type == "number" and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)
    return value


def check_inputs(flow: Flow, findings: Findings) -> None:
    """The schemas of the inputs, and whether the defaults fit them."""
    for name, spec in flow.inputs.items():
        place = ("inputs", name)
        if spec.secret:
            _check_secret(name, spec, findings)
            continue
        wrong = list(check_schema(spec.value_schema))
        for path, message, fix in wrong:
            if path and path[-1] in spec.value_schema and message.startswith(f"`{path[-1]}` is no word"):
                findings.on_word((*place, *path), message, fix)
            else:
                findings.add((*place, *path), message, fix)
        if "${{" in str(spec.default) and not wrong:
            findings.add(
                (*place, "default"), "a default cannot hold an expression", "write a value, or compute it in `env`"
            )
        elif not wrong and not spec.required:
            for path, said in sentences(spec.default, spec.value_schema):
                findings.add(
                    (*place, "default", *path), f"the default does not fit: {said}", "change the default or the schema"
                )


def _check_secret(name: str, spec: Input, findings: Findings) -> None:
    for word in spec.model_fields_set | set(spec.model_extra or ()):
        if word not in {"secret", "description", "default", "type", "title"}:
            findings.on_word(("inputs", name, word), f"`{word}` does not go with `secret`", f"take `{word}` out")
    if not spec.required and not (isinstance(spec.default, str) and spec.default.startswith("secret://")):
        message = "the default of a secret must be a reference; a value here would be seen by everybody"
        findings.add(("inputs", name, "default"), message, f"write default: secret://{name}, or leave it out")
