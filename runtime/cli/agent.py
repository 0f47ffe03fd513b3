"""`resprout agent …`: give them goals (agent_run), talk to them (agent_messages), look at them (agent_rows), mend them
(dead_letters), find them (agent_registry)."""

import typer

from . import agent_messages, agent_registry, agent_rows, agent_run, dead_letters


def register(app: typer.Typer) -> None:
    agent = typer.Typer(no_args_is_help=True, help="Talk to agents, look at them, mend them.")
    for part in (agent_run, agent_messages, agent_rows, dead_letters, agent_registry):
        part.register(agent)
    app.add_typer(agent, name="agent")
