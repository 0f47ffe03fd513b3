"""Reaching agents on hosts over Ray: finds the host, tries again with the same message id until the deadline.

Which host answers is a matter of speed, not of correctness: the store refuses a second writer. So a caller may
use an old list of hosts; when a host does not answer, it looks again.
"""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.propagate import inject

from ..actors.envelope import ENVELOPES, OUTCOMES, Envelope, Failed, Replied
from ..actors.errors import BY_NAME, Broken, DatabaseLost, DeadlinePassed, NotRunning, Unavailable
from .host import HOST_PREFIX

log = structlog.get_logger("resprout.calls")
tracer = trace.get_tracer("resprout.calls")

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0


class RayAgents:
    def __init__(self) -> None:
        self.hosts: dict[str, Any] = {}

    async def ask(self, envelope: Envelope) -> Replied:
        assert envelope.deadline is not None
        pause = FIRST_PAUSE_SECONDS
        while True:
            left = (envelope.deadline - datetime.now(UTC)).total_seconds()
            if left <= 0:
                raise DeadlinePassed(
                    f"{envelope.recipient} did not answer `{envelope.type}` in time. "
                    "Ask again with the same id to learn whether it was handled."
                )
            outcome = await self._attempt(envelope, left)
            if outcome is not None and not _passes(outcome):
                return _settle(outcome)
            self.hosts.clear()
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _attempt(self, envelope: Envelope, timeout: float) -> Replied | Failed | None:
        """One Ray call. None when no host gave an answer; whether the message was handled is then unknown."""
        from ray.exceptions import RayError

        with tracer.start_as_current_span("ray.deliver", attributes={"resprout.agent": envelope.recipient}) as span:
            carrier: dict[str, str] = {}
            inject(carrier)
            sent = envelope.model_copy(update={"trace": carrier or envelope.trace})
            try:
                host = await self._host_of(envelope.recipient)
                answer: bytes = await asyncio.wait_for(host.deliver.remote(ENVELOPES.dump_json([sent])), timeout)
            except (RayError, TimeoutError, ValueError, NotRunning) as error:
                span.set_status(trace.StatusCode.ERROR, type(error).__name__)
                log.warning("host did not answer", agent=envelope.recipient, error=type(error).__name__)
                return None
            return OUTCOMES.validate_json(answer)[0]

    async def _host_of(self, agent: str) -> Any:
        if not self.hosts:
            self.hosts = await asyncio.to_thread(_find_hosts)
        if not self.hosts:
            raise NotRunning("the Ray cluster has no hosts. Say `resprout join` on one of its nodes.")
        # Rendezvous hashing: when a host comes or goes, only its agents move.
        name = max(self.hosts, key=lambda host: hashlib.blake2b(f"{host} {agent}".encode(), digest_size=8).digest())
        return self.hosts[name]


def _find_hosts() -> dict[str, Any]:
    import ray

    names = [name for name in ray.util.list_named_actors() if name.startswith(HOST_PREFIX)]
    return {name: ray.get_actor(name) for name in names}


def _passes(outcome: Replied | Failed) -> bool:
    """Whether the same message, sent again, may fare better: nothing was done, or its id will tell."""
    return isinstance(outcome, Failed) and issubclass(BY_NAME.get(outcome.error, Broken), (Unavailable, DatabaseLost))


def _settle(outcome: Replied | Failed) -> Replied:
    if isinstance(outcome, Failed):
        raise BY_NAME.get(outcome.error, Broken)(outcome.text)
    return outcome
