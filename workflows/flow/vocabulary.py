"""Words that people try, and what they are called here."""

from collections.abc import Iterable

from ...actors.words import did_you_mean, nearest

__all__ = ["did_you_mean", "instead", "nearest"]

# From other workflow languages, and from habit.
_CALLED = {
    "action": "`tool: <name>`",
    "after": "`needs: [<id>]`",
    "approve": "`approval:`",
    "args": "`with:`",
    "arguments": "`with:`",
    "attempts": "`retry: {attempts: 3}`",
    "call": "`ask: <message type>`",
    "concurrency": "`max` in `parallel`, `max_parallel` in `loop`",
    "delay": "`wait: {duration: 5m}`",
    "depends": "`needs: [<id>]`",
    "depends_on": "`needs: [<id>]`",
    "each": "`loop: {over: …, do: [...]}`",
    "for": "`loop: {over: …, do: [...]}`",
    "for_each": "`loop: {over: …, do: [...]}`",
    "foreach": "`loop: {over: …, do: [...]}`",
    "human": "`approval:`",
    "image": "`sandbox: {image: …}`",
    "jobs": "`tasks:`",
    "message": "`ask: <message type>`",
    "on_error": "`try`, `catch`; or `on_error` inside `parallel:`",
    "on_failure": "`try`, `catch`",
    "parameters": "`with:` on a task, `inputs:` at the top",
    "params": "`with:` on a task, `inputs:` at the top",
    "prompt": "`goal: <text>`",
    "publish": "`emit: {topic: …}`",
    "repeat": "`loop: {until: …, max: …, do: [...]}`",
    "retries": "`retry: {attempts: 3}`",
    "script": "`sandbox: {run: …}`",
    "shell": "`sandbox: {language: shell, code: …}`",
    "sleep": "`wait: {duration: 5m}`",
    "steps": "`tasks:` at the top, `sequential:` inside",
    "subflow": "`flow: <path>`",
    "switch": "`condition: {switch: …, cases: …}`",
    "until": "`loop: {until: …, max: …, do: [...]}`",
    "uses": "`tool: <name>`",
    "variables": "`env:`",
    "vars": "`env:`",
    "when": "`if: ${{ … }}`",
    "while": "`loop: {while: …, max: …, do: [...]}`",
    "workflow": "`flow:`",
}


def instead(word: str, known: Iterable[str]) -> str | None:
    """What to write instead of a word that is not known here."""
    if near := nearest(word, known):
        return f"did you mean `{near}`?"
    return f"here it is written {_CALLED[word.lower()]}" if word.lower() in _CALLED else None
