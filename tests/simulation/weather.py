"""What goes wrong by itself, call by call and message by message; and a tally of what went wrong.

A fault counts as fired when it was done, and as hit when it met something that could break on it: a kill of a host
that is in a turn, a lost reply of a commit that was made, a lease that ended while its host stood still.
"""

import random
from collections import Counter
from typing import Literal

# before: not done. after: done, the reply is lost. late: taken for lost, and done much later. slow: only late.
Fate = Literal["well", "before", "after", "late", "slow"]

FAULTS = (
    "kill",  # hits a host with agents that work or wait
    "stop",  # hits when the lease ends meanwhile
    "drain",  # hits when it ends
    "outage",  # hits a call
    "cut",  # hits a call
    "call before",  # not done
    "call after",  # hits when something was written, of which the reply is lost
    "call late",  # hits when something was written, which the host took for lost
    "call slow",  # hits when something was written
    "message lost",
    "message delayed",
    "message doubled",
    "outcome lost",  # hits when it was not a refusal
)
ALWAYS_HIT = ("message lost", "message delayed", "message doubled")


class Weather:
    def __init__(self, chance: random.Random, rough: tuple[float, ...]) -> None:
        self.chance = chance
        self.stormy = True
        self.rough = chance.choice(rough)  # how often a call or a message is hit
        self.fired: Counter[str] = Counter()
        self.hit: Counter[str] = Counter()

    def latency(self) -> float:
        return 0.0003 + self.chance.random() ** 4 * 0.03

    def delay(self) -> float:
        return self.chance.uniform(0.02, 0.4) if self.chance.random() < 0.6 else self.chance.uniform(0.4, 3.0)

    def strikes(self, fault: str) -> bool:
        if not self.stormy or self.chance.random() >= self.rough:
            return False
        self.fired[fault] += 1
        self.hit[fault] += fault in ALWAYS_HIT
        return True

    def fate(self) -> Fate:
        if not self.stormy or self.chance.random() >= self.rough:
            return "well"
        draw = self.chance.random()
        if draw < 0.25:
            return "before"
        if draw < 0.55:
            return "after"
        return "late" if draw < 0.8 else "slow"
