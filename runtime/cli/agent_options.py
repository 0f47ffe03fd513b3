"""What the commands of `resprout agent` take alike."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from ...actors.envelope import PRIORITIES, Priority
from ...actors.errors import Rejected

Address = Annotated[str, typer.Argument(help="The agent: kind/key, as in greeter/ada.")]
MessageType = Annotated[str, typer.Argument(metavar="MESSAGE", help="The message type, as in greeter.greet.")]
Inputs = Annotated[
    list[str] | None, typer.Option("--input", "-i", metavar="K=V", help="One field; V is JSON or plain text.")
]
InputFile = Annotated[Path | None, typer.Option("--input-file", help="All fields, as a JSON object.")]
PriorityName = Annotated[str, typer.Option("--priority", help="low, normal, high or critical.")]
Tenant = Annotated[str, typer.Option("--tenant", help="On whose account the message waits.")]
Capability = Annotated[str | None, typer.Option("--capability", help="Only those that can do this.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="K=V", help="Only those with this label; may be repeated.")
]
Kind = Annotated[str | None, typer.Option("--kind", help="Only agents of this kind.")]
After = Annotated[str | None, typer.Option("--after", help="Begin after this agent (kind/key).")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def one_of_priorities(text: str) -> Priority:
    for known in PRIORITIES:
        if text == known:
            return known
    raise Rejected(f"--priority {text!r} is not one of {', '.join(PRIORITIES)}.")


def message_id(text: str, where: str = "--id ") -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Rejected(
            f"{where}{text!r} is not a message id: it must be a UUID, as in 01890a5d-ac96-774b-bcce-b302099a8057."
        ) from None


def read_labels(pairs: list[str] | None) -> dict[str, str]:
    labels: dict[str, str] = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Rejected(f"--label {pair!r} is not K=V, as in --label team=billing.")
        labels[name] = value
    return labels
