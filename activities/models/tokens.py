"""A guess at tokens where nobody counts them: before a call for limits, after it for a provider that does not say."""

from ...actors.models import FromModel, ModelRequest, Usage

CHARACTERS = 4  # of one token, about, in English; in other languages and in JSON there are fewer


def guessed_input(request: ModelRequest) -> int:
    return len(request.model_dump_json(include={"system", "messages", "tools", "answer"})) // CHARACTERS + 1


def guessed_usage(request: ModelRequest, message: FromModel) -> Usage:
    """Not nothing: limits that count nothing are none."""
    said = len(message.text) + sum(len(use.model_dump_json()) for use in message.uses)
    return Usage(input_tokens=guessed_input(request), output_tokens=said // CHARACTERS + 1)
