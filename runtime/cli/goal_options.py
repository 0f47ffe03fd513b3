"""What an agent is given with its goal, when it begins and when it goes on."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...actors.errors import ConfigError
from .inputs import read_pairs
from .schema_file import schema_in

Variables = Annotated[
    list[str] | None, typer.Option("--variable", metavar="K=V", help="A variable of the role; repeatable.")
]
System = Annotated[str | None, typer.Option("--system", help="What it is told of itself, behind what its role says.")]
Model = Annotated[str | None, typer.Option("--model", "-m", help="As in local or openai/gpt-5.")]
Tools = Annotated[
    list[str] | None, typer.Option("--tool", "-t", help="What it may use, as in text.count or text.*; repeatable.")
]
NoTools = Annotated[bool, typer.Option("--no-tools", help="It may use none, also where its role has some.")]
Facts = Annotated[
    list[str] | None, typer.Option("--with", metavar="K=V", help="A fact given with the goal; repeatable.")
]
AnswerFile = Annotated[
    Path | None, typer.Option("--answer", metavar="FILE", help="JSON Schema of the answer. Default: a text.")
]
Iterations = Annotated[
    int | None,
    typer.Option("--max-iterations", min=1, max=10_000, help="Decisions that it has; else its role's, or 30."),
]
Tokens = Annotated[int | None, typer.Option("--max-tokens", min=1, help="Of one thing that the model says.")]
Spending = Annotated[
    list[str] | None,
    typer.Option(
        "--budget", metavar="K=V", help="What it may spend: cost=0.5, tokens=…, calls=…, time=10m; repeatable."
    ),
]
Person = Annotated[
    bool | None, typer.Option("--person/--no-person", help="It may ask a person, who answers in the inbox.")
]


def given_words(
    *,
    variables: list[str] | None,
    tools: list[str] | None,
    no_tools: bool,
    facts: list[str] | None,
    answer: Path | None,
    budget: list[str] | None,
    **words: Any,
) -> dict[str, Any]:
    """Those that were said."""
    said = {
        **words,
        "variables": read_pairs(variables, "--variable", "tone=dry") if variables else None,
        "tools": _tools(tools or [], no_tools),
        "with_": read_pairs(facts, "--with", "city=Bern") if facts else None,
        "answer": schema_in(answer, "--answer") if answer is not None else None,
        "limits": read_pairs(budget, "--budget", "cost=0.50") if budget else None,
    }
    return {word: value for word, value in said.items() if value is not None}


def _tools(named: list[str], none: bool) -> tuple[str, ...] | None:
    """None: those of its role."""
    if named and none:
        raise ConfigError(f"--no-tools and --tool {named[0]} contradict each other: leave one of them out.")
    return tuple(named) if named or none else None
