"""Flows for tests, from a few words."""

from typing import Any

from resprout.workflows.flow import Flow, Reading, check, read

TOP = """\
flow: {name: crew}
inputs:
  topic: {type: string, default: ray}
  limit: {type: integer, default: 3}
  urls: {type: array, items: {type: string}, default: []}
tasks:
"""


def reading(tasks: str) -> Reading:
    return read(TOP + tasks, "crew.flow.yaml")


def flow(tasks: str) -> Flow:
    read_flow = reading(tasks)
    assert read_flow.flow is not None, "\n".join(map(str, read_flow.problems))
    return read_flow.flow


def checked(document: dict[str, Any]) -> Flow:
    result = check(document)
    assert result.flow is not None, "\n".join(map(str, result.problems))
    return result.flow
