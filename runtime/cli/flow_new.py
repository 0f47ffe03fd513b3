"""`resprout flow new`: a commented flow file to begin with."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ...actors.errors import Rejected
from .file_new import write_new

_TOP = """\
# yaml-language-server: $schema=flow.schema.json
# Editors complete and check this file once the schema lies beside it: resprout flow schema -o flow.schema.json
# Check it with `resprout flow validate {name}.flow.yaml`.

flow:
  name: {name}
  version: "0.1"
  description: {description}

"""

_HELLO = """\
# What a run is given: the JSON Schema of each value. Without a default an input is required.
inputs:
  name: {type: string, minLength: 1, default: world, description: who is greeted}

# What a run gives. Without `outputs` it is the output of the last task.
outputs:
  text: ${{ tasks.hello.output.text }}

# The agents: a kind, and which one of that kind (the key).
agents:
  ada: {kind: greeter}

tasks:
  - id: hello
    agent: ada
    ask: greeter.greet
    with: {name: "${{ inputs.name }}"}
"""

_PARALLEL = """\
inputs:
  left: {type: string, default: Ada}
  right: {type: string, default: Grace}

agents:
  ada: {kind: greeter}
  grace: {kind: greeter}

tasks:
  # These run at the same time; the output maps each id to its task's output.
  - id: both
    parallel:
      - {id: first, agent: ada, ask: greeter.greet, with: {name: "${{ inputs.left }}"}}
      - {id: second, agent: grace, ask: greeter.greet, with: {name: "${{ inputs.right }}"}}

  # Runs after both.
  - id: last
    agent: ada
    ask: greeter.greet
    with: {name: "${{ tasks.first.output.text }} ${{ tasks.second.output.text }}"}
"""

_APPROVAL = """\
inputs:
  name: {type: string, default: Ada}

agents:
  ada: {kind: greeter}

tasks:
  # A person decides; when nobody does within two days, the answer is no.
  - id: may_we
    approval:
      who: [ops]
      show: May we greet ${{ inputs.name }}?
      form:
        wording: {type: string, description: a name to use instead}
      timeout: 2d
      default: reject

  - id: greet
    if: ${{ tasks.may_we.output.approved }}
    agent: ada
    ask: greeter.greet
    with: {name: "${{ inputs.name }}"}
"""

_LOOP = """\
inputs:
  names: {type: array, items: {type: string}, default: [Ada, Grace, Barbara]}

agents:
  ada: {kind: greeter}

tasks:
  # Once for each name, three at a time; the output is the list of the rounds' outputs.
  - id: greet_all
    loop:
      over: ${{ inputs.names }}
      as: name
      max: 100
      max_parallel: 3
      do:
        - {id: greet, agent: ada, ask: greeter.greet, with: {name: "${{ loop.name }}"}}

  # Again and again until a condition holds, five times at most.
  - id: insist
    loop:
      until: ${{ tasks.greet_again.output.times >= 5 }}
      max: 5
      do:
        - {id: greet_again, agent: ada, ask: greeter.greet, with: {name: Ada}}
"""

_CONDITION = """\
inputs:
  name: {type: string, default: Ada}
  mood: {type: string, enum: [kind, curt], default: kind}

agents:
  ada: {kind: greeter}

tasks:
  - id: choose
    condition:
      switch: ${{ inputs.mood }}
      cases:
        kind:
          - {id: kindly, agent: ada, ask: greeter.greet, with: {name: "dear ${{ inputs.name }}"}}
        curt:
          - {id: curtly, agent: ada, ask: greeter.greet, with: {name: "${{ inputs.name }}"}}
"""

_SAGA = """\
inputs:
  name: {type: string, default: Ada}

agents:
  ada: {kind: greeter}

tasks:
  # When a later task of the flow fails, what was done is undone, the last task first.
  - id: book
    agent: ada
    ask: greeter.greet
    with: {name: "${{ inputs.name }}"}
    compensate:
      - {id: unbook, agent: ada, ask: greeter.greet, with: {name: "no longer ${{ inputs.name }}"}}

  # What may fail, what is done about it, and what is done in any case.
  - id: pay
    try:
      - {id: charge, agent: ada, ask: greeter.greet, with: {name: money}, timeout: 30s, retry: {attempts: 3}}
    catch:
      - {id: tell, emit: {topic: failures, data: "${{ error.message }}"}}
    finally:
      - {id: note, emit: {topic: payments, data: "${{ tasks.charge.status }}"}}
"""


class Template(StrEnum):
    hello = "hello"
    parallel = "parallel"
    approval = "approval"
    loop = "loop"
    condition = "condition"
    saga = "saga"


TEMPLATES = {
    Template.hello: ("an agent greets somebody", _HELLO),
    Template.parallel: ("two agents at the same time, then one after them", _PARALLEL),
    Template.approval: ("a person decides before something is done", _APPROVAL),
    Template.loop: ("once for each item, and again until a condition holds", _LOOP),
    Template.condition: ("one of several branches", _CONDITION),
    Template.saga: ("what was done is undone when a later task fails", _SAGA),
}


def starter(name: str, template: Template) -> str:
    description, body = TEMPLATES[template]
    return _TOP.replace("{name}", name).replace("{description}", description) + body


def _template(name: str) -> Template:
    from ...workflows.flow.vocabulary import did_you_mean

    if name in list(Template):
        return Template(name)
    hint = did_you_mean(name, list(Template), f"it is one of {', '.join(Template)}.")
    raise Rejected(f"--template {name}: there is no such template; {hint}")


def new(
    name: Annotated[str, typer.Argument(help="The name of the flow, as in research-crew.")],
    template: Annotated[
        str, typer.Option("--template", "-t", help=f"What to begin with: {', '.join(Template)}.")
    ] = Template.hello,
) -> None:
    """Write NAME.flow.yaml, a commented flow to begin with. Never overwrites a file."""
    from ...workflows.flow import read

    text = starter(name, _template(template))
    file = Path(f"{name}.flow.yaml")
    write_new(file, text, read(text, name).problems, f"check it with `resprout flow validate {file}`")
