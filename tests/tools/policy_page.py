"""The page on what each role may do, as it must be: `python tests/tools/policy_page.py > docs/policy-matrix.md`."""

import asyncio
import sys

from resprout.runtime.policy import matrix
from resprout.runtime.policy.rules import load

HEAD = """\
# What each role may do

Decided by the rules that ship, without any grant; what is granted or denied changes it (see
[Permissions](permissions.md)). `resprout policy matrix` prints the same for your rules. What an agent does for
somebody is never more than he may, nor more than it may itself.

"""


async def page() -> str:
    rules = load()
    actions, duties = await matrix.of_actions(rules), await matrix.of_duties(rules)
    tools = await matrix.of_tools(rules, matrix.shipped_tools())
    parts = (
        matrix.as_markdown(actions, "a call that needs"),
        "## Duties\n",
        matrix.as_markdown(duties, "duty"),
        "## Tools\n\nWith all that they may do, to files of the workspace.\n",
        matrix.as_markdown(tools, "tool"),
    )
    return HEAD + "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(page()))
