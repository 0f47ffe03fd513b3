"""The file that `resprout tool new` writes: a tool that runs as it stands."""

TEMPLATE = """\
# {name}: try it with `resprout tool import {file}`, then `resprout tool call {name} -a text=hello`.
tool: {name}
version: 1.0.0
description: Counts the words of a text.
input:
  type: object
  properties:
    text: {{type: string, description: The text.}}
  required: [text]
  additionalProperties: false
output:
  type: object
  properties:
    words: {{type: integer}}
contract: safe-to-retry        # it may be done again after a crash; else keyed, or at-most-once
sandbox:                       # no network and no files of the machine, unless you say so here
  language: python
  code: |
    import json

    given = json.load(open("arguments.json"))
    print(json.dumps({{"words": len(given["text"].split())}}))
"""
