"""A set of rules, compiled: a question and the grants in, what the rules found out.

regopy keeps texts as they are escaped in JSON. So data and questions are given to it as JSON, written by one function,
never as Python objects: those it reads as if they had been escaped, and a `\\0` would end a path early. What comes out
is read as JSON or refused: nothing that cannot be read is an answer.

An interpreter must not be used by two threads at once; a lock sees to it.
"""

import json
import re
import threading
from collections.abc import Sequence
from typing import Any

from regopy import Interpreter, LogLevel
from regopy.rego_shared import RegoError, rego_output_ok

from ...activities.tools.policy import Question
from ...actors.errors import Broken, ConfigError
from .rules import Rules

DECISION = "resprout/answer/decision"
EXPLAINED = "resprout/answer/explained"


Data = dict[str, Any]


class Engine:
    def __init__(self, rules: Rules) -> None:
        self._lock = threading.Lock()
        self._interpreter = Interpreter()
        self._interpreter.log_level = LogLevel.NONE  # else it writes to our standard error
        try:
            self._interpreter.add_data_json(_json({"resprout": {"facts": rules.facts}}))
            for where, module in rules.modules.items():
                self._interpreter.add_module(where, module)
            self._bundle = self._interpreter.build(None, [DECISION, EXPLAINED])
        except RegoError as error:
            raise ConfigError(f"the rules of policy cannot be read: {_said(error)}.") from None
        if not self._bundle.ok():
            raise ConfigError("the rules of policy cannot be compiled: look at them with `resprout policy check`.")

    def decide(self, question: Question, grants: Sequence[Data], now: float) -> dict[str, Any]:
        return self._ask(DECISION, question, grants, now)

    def explain(self, question: Question, grants: Sequence[Data], now: float) -> dict[str, Any]:
        return self._ask(EXPLAINED, question, grants, now)

    def _ask(self, entry: str, question: Question, grants: Sequence[Data], now: float) -> dict[str, Any]:
        asked = _json({**question.model_dump(mode="json"), "grants": grants, "now": now})
        with self._lock:
            try:
                self._interpreter.set_input_term(asked)
                output = self._interpreter.query_bundle_entrypoint(self._bundle, entry)
                answer = output.results[0].expressions[0] if rego_output_ok(output._impl) else None
            except (RegoError, ValueError, IndexError):
                answer = None
        if not isinstance(answer, dict):
            raise Broken(f"the rules of policy gave no answer about {question.action} {question.tool}.")
        return answer


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _said(error: Exception) -> str:
    """The first of what the parser says, and in which file: `(error 33:FILE|OFFSET|LENGTH (errormsg 12:TEXT)`."""
    where = re.search(r"\(error \d+:([^|)]*)\|(\d+)", str(error))
    what = re.search(r"\(errormsg \d+:([^)]*)\)", str(error))
    text = what[1] if what else str(error).strip().partition("\n")[0][:300]
    return f"{text}, in {where[1]} at character {where[2]}" if where else text
