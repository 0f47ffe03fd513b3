"""What an expression refers to, and which tasks may be referred to from where."""

import pytest
from flows.reading import reading
from resprout.workflows.flow.references import references

FOUND = [
    ("inputs.topic", ["inputs.topic"]),
    ("tasks.a.output.list[0].x", ["tasks.a.output.list[0].x"]),
    ("tasks['a'].output['b c']", ["tasks.a.output.b c"]),
    ("inputs.list[loop.index].x", ["inputs.list", "loop.index"]),
    ("inputs.text.size() > 3", ["inputs.text"]),
    ("'tasks.a' + inputs.x // tasks.b", ["inputs.x"]),
    ("[1].map(inputs, inputs + env.X)", ["env.X"]),
    ("inputs.l.map(x, x.y.filter(z, z == x && z != run.id))", ["inputs.l", "run.id"]),
    ("{'inputs': inputs.a, env.B: 1}", ["inputs.a", "env.B"]),
    ("has(tasks.a.output.x) ? 1 : tasks.b.status", ["tasks.a.output.x", "tasks.b.status"]),
    ("math.greatest(inputs.a, 1)", ["inputs.a"]),
    ("x.inputs.y", ["x.inputs.y"]),
    ('r"\\d" + """tasks.a""" + inputs.b', ["inputs.b"]),
    ("true && null == false", []),
]


@pytest.mark.parametrize(("source", "found"), FOUND, ids=lambda value: str(value)[:50])
def test_references_are_paths_from_a_root(source: str, found: list[str]) -> None:
    assert [str(reference) for reference in references(source)] == found


def ask(name: str, refers: str = "", needs: str = "") -> str:
    given = f", with: {{x: '${{{{ {refers} }}}}'}}" if refers else ""
    return f"{{id: {name}, agent: greeter/x, ask: a.b{given}{f', needs: {needs}' if needs else ''}}}"


A = ask("a")
LOOP = f"loop: {{over: [1], do: [{A}]}}"
ALLOWED = {
    "the task before": f"  - {A}\n  - {ask('b', 'tasks.a.output')}\n",
    "one further before": f"  - {A}\n  - {ask('m')}\n  - {ask('b', 'tasks.a.status')}\n",
    "needed by what is needed": f"  - parallel: [{A}, {ask('m', needs='[a]')}, {ask('b', 'tasks.a.output', '[m]')}]\n",
    "inside a sequence": f"  - sequential: [{A}]\n  - {ask('b', 'tasks.a.output')}\n",
    "inside parallel": f"  - parallel: [{A}]\n  - {ask('b', 'tasks.a.output')}\n",
    "inside a branch": (
        f"  - condition: {{if: '${{{{ inputs.limit > 1 }}}}', then: [{A}]}}\n  - {ask('b', 'tasks.a.output')}\n"
    ),
    "inside try": f"  - {{try: [{A}], finally: [{ask('f')}]}}\n  - {ask('b', 'tasks.a.output')}\n",
    "try from catch": f"  - {{try: [{A}], catch: [{ask('b', 'tasks.a.error')}]}}\n",
    "try and catch from finally": (
        f"  - {{try: [{A}], catch: [{ask('c')}], finally: [{ask('b', '[tasks.a.status, tasks.c.status]')}]}}\n"
    ),
    "before the block around": f"  - {A}\n  - sequential: [{ask('m')}, {{parallel: [{ask('b', 'tasks.a.output')}]}}]\n",
    "the body from until": f"  - loop: {{until: '${{{{ tasks.a.output.ok }}}}', max: 3, do: [{A}]}}\n",
    "the round before": f"  - loop: {{while: '${{{{ loop.previous == null }}}}', max: 3, do: [{A}]}}\n",
    "the same round": f"  - loop: {{over: [1], do: [{A}, {ask('b', 'tasks.a.output')}]}}\n",
    "the item of an outer loop": (
        "  - loop: {over: [1], as: x, do: [{loop: {over: [2], as: y, do: ["
        + ask("b", "[loop.x, loop.y, loop.index]")
        + "]}}]}\n"
    ),
    "what is undone": (f"  - {{id: a, agent: greeter/x, ask: a.b, compensate: [{ask('undo', 'tasks.a.output')}]}}\n"),
    "itself, when saved": "  - {id: a, agent: greeter/x, ask: a.b, save: {to: n, value: '${{ tasks.a.output }}'}}\n",
}
REFUSED = {
    "itself": (f"  - {ask('a', 'tasks.a.output')}\n", "refers to itself"),
    "a later one": (f"  - {ask('b', 'tasks.a.output')}\n  - {A}\n", "runs after `b`"),
    "a sibling in parallel": (f"  - parallel: [{A}, {ask('b', 'tasks.a.output')}]\n", "add `needs: [a]` to `b`"),
    "another branch": (
        f"  - condition: {{if: '${{{{ inputs.limit > 1 }}}}', then: [{A}], else: [{ask('b', 'tasks.a.output')}]}}\n",
        "another branch",
    ),
    "inside a loop": (
        f"  - loop: {{over: [1], do: [{A}]}}\n  - {ask('b', 'tasks.a.output')}\n",
        "use `tasks.loop_1.output`",
    ),
    "the body from while": (
        f"  - loop: {{while: '${{{{ tasks.a.output.ok }}}}', max: 3, do: [{A}]}}\n",
        "use `loop.previous`",
    ),
    "the block around": (f"  - {{id: s, sequential: [{ask('b', 'tasks.s.output')}]}}\n", "inside `s`"),
    "catch from try": (f"  - {{try: [{ask('b', 'tasks.a.output')}], catch: [{A}]}}\n", "another branch"),
    "what its own needs leave out": (
        f"  - {A}\n  - {ask('m')}\n  - {ask('b', 'tasks.m.output', '[a]')}\n",
        "add `m` to the `needs` of `b`",
    ),
    "what undoes": (
        f"  - {{id: m, agent: greeter/x, ask: a.b, compensate: [{A}]}}\n  - {ask('b', 'tasks.a.output')}\n",
        "only when `m` is undone",
    ),
    "the item after its loop": (
        f"  - loop: {{over: [1], do: [{A}]}}\n  - {ask('b', 'loop.item')}\n",
        "only inside a loop",
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_task_may_refer_to(name: str) -> None:
    assert reading(ALLOWED[name]).problems == ()


@pytest.mark.parametrize("name", REFUSED)
def test_a_task_may_not_refer_to(name: str) -> None:
    tasks, says = REFUSED[name]

    (problem,) = reading(tasks).errors

    assert says in f"{problem.message}: {problem.fix}"
