"""Answers what policy is asked, by the rules and the grants, and remembers the answers while they hold.

The invariant: an answer is remembered by everything that it depends on. That is the rules and grants (all answers are
forgotten when the grants change, or the first of them ends) and the question; of a call, our own rules do not look at
the run and the arguments, so those are left out of what it is remembered by unless there are own rules. With own rules,
which may go by the time, an answer is remembered within its second only.

What another process takes away counts within a second; what it grants at once, since nobody is refused, or made to
wait for an approval, by what was so before he asked. When Postgres cannot be asked, nothing is decided.

The rules are asked in a thread of their own: a question takes a millisecond, or some more where many grants speak of
it, and the event loop must not wait for that.
"""

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from ...activities.tools.policy import Decision, Question
from ...memory.grants import Grant
from .engine import Engine
from .granted import Data, as_data, that_may_matter
from .rules import Rules
from .sentences import grounds, sentences

REMEMBERED = 20_000
SEEN_WITHIN = 1.0  # seconds until what another process revokes counts here

ASIDE = ThreadPoolExecutor(1, "policy")  # more would wait for each other: an engine answers one at a time


Asks = Callable[[Question, Sequence[Data], float], dict[str, Any]]


class ReadsGrants(Protocol):
    async def generation(self) -> int: ...
    async def in_force(self) -> list[Grant]: ...


class FixedGrants:
    """Grants that stand in no database: of tests, and of cases."""

    def __init__(self, grants: Sequence[Grant] = ()) -> None:
        self.grants = list(grants)

    async def generation(self) -> int:
        return 1

    async def in_force(self) -> list[Grant]:
        return self.grants


class Policy:
    def __init__(self, rules: Rules, grants: ReadsGrants, clock: Callable[[], float] = time.time) -> None:
        self.rules = rules
        self._grants = grants
        self._clock = clock  # seconds since the epoch
        self._generation: int | None = None
        self._looked_at = self._forgotten_at = float("-inf")  # by the monotonic clock
        self._looking = asyncio.Lock()
        self._engine = Engine(rules)
        self._granted: list[Data] = []
        self._ends = float("inf")  # when the first of the grants is over
        self._digest = ""
        self._answers: OrderedDict[str, Decision] = OrderedDict()

    async def decide(self, question: Question) -> Decision:
        asked_at = time.monotonic()
        await self._see(asked_at - SEEN_WITHIN)
        generation, decision = self._generation, await self._answer(question)
        if decision.verdict != "allow":
            await self._see(asked_at)
            if self._generation != generation:
                decision = await self._answer(question)
        return decision

    async def _answer(self, question: Question) -> Decision:
        key = self._key(question)
        if (known := self._answers.get(key)) is not None:
            self._answers.move_to_end(key)
            return known
        # Of these grants: others may be taken while the rules are asked.
        answers, digest, granted = self._answers, self._digest, self._granted
        answer = await self._asked(self._engine.decide, question)
        decision = self._decided(answer, question, digest, granted)
        answers[key] = decision
        if len(answers) > REMEMBERED:
            answers.popitem(last=False)
        return decision

    async def explain(self, question: Question) -> tuple[Decision, dict[str, Any]]:
        """The decision, and what each grant and role said."""
        await self._see(time.monotonic())
        digest, granted = self._digest, self._granted
        explained = await self._asked(self._engine.explain, question)
        return self._decided(explained["decision"], question, digest, granted), explained

    def forget(self) -> None:
        """After own writes: the grants are read again before the next answer."""
        self._forgotten_at = time.monotonic()

    async def _asked(self, ask: Asks, question: Question) -> dict[str, Any]:
        granted = list(that_may_matter(self._granted, question))
        asked = question if self.rules.own else question.model_copy(update={"run": None, "arguments": {}})
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(ASIDE, ask, asked, granted, self._clock())

    def _decided(self, answer: dict[str, Any], question: Question, digest: str, granted: Sequence[Data]) -> Decision:
        if (hidden := _hidden(question)) is not None:
            return Decision("deny", (hidden,), policy=digest, grounds=("rules",))
        verdict = answer["verdict"]
        expires = float(answer["expires_seconds"]) if verdict == "approve" else None
        reasons = sentences(answer, question, self.rules, granted)
        return Decision(verdict, reasons, expires_seconds=expires, policy=digest, grounds=grounds(answer))

    def _key(self, question: Question) -> str:
        if self.rules.own:  # they may go by the time, too
            return f"{int(self._clock())} {question.model_dump_json()}"
        if question.action != "tool.call":
            return question.model_dump_json()
        return question.model_dump_json(exclude={"run", "arguments"})

    async def _see(self, since: float) -> None:
        """Goes by grants that were looked at since then, by the monotonic clock."""

        def is_late() -> bool:
            return self._looked_at < max(since, self._forgotten_at) or self._clock() >= self._ends

        if is_late():
            async with self._looking:
                if is_late():
                    await self._look()

    async def _look(self) -> None:
        asked_at = time.monotonic()
        generation = await self._grants.generation()
        if generation != self._generation or self._clock() >= self._ends:
            self._take(await self._grants.in_force())
            self._generation = generation
        self._looked_at = asked_at

    def _take(self, grants: Sequence[Grant]) -> None:
        now = self._clock()
        kept = [one for one in grants if one.expires_at is None or one.expires_at.timestamp() > now]
        self._granted = [as_data(one) for one in kept]
        self._ends = min((one.expires_at.timestamp() for one in kept if one.expires_at), default=float("inf"))
        self._digest = _digest(self.rules, self._granted)
        self._answers = OrderedDict()


def _hidden(question: Question) -> str | None:
    """What a person would not see, and the end of a path for some programs, is refused whatever the rules say: the
    engine keeps texts as they are escaped, and would not find it."""
    texts = {*question.chain, question.tenant, question.tool, *(need.on for need in question.permissions)}
    unseen = next((text for text in sorted(texts) if not text.isprintable()), None)
    return f"{unseen!a} is not written plainly: leave out what cannot be seen." if unseen is not None else None


def _digest(rules: Rules, granted: Sequence[Data]) -> str:
    text = json.dumps([rules.digest, granted], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
