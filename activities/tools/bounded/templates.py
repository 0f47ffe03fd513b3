"""Templates of Jinja, in its sandbox: no attribute that begins with `_`, nothing that changes what is given."""

from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .process import Refused


def render(template: str, values: dict[str, Any], most: int) -> str:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    pieces: list[str] = []
    room = most
    try:
        for piece in environment.from_string(template).generate(**values):
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                raise Refused(f"the template writes more than {most:,} characters: let it write less.")
    except TemplateSyntaxError as error:
        raise Refused(f"`template` is no Jinja template, line {error.lineno}: {error.message}.") from None
    except SecurityError as error:
        raise Refused(f"the template asks for what templates may not: {error}.") from None
    except TemplateError as error:
        raise Refused(f"the template cannot be filled: {error}; give it in `values`.") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Refused(f"the template cannot be filled: {error} ({type(error).__name__}).") from None
    return "".join(pieces)
