"""The agent of kind `brain`.

The conversation is in its journal, entry by entry, so that a turn costs what it adds. In memory is only what the model
is shown: the goal, a summary of what is long past, and all since then.

One run has the conversation at a time. Another one is told which, and waits.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from ..agent import Agent, ephemeral, on
from ..errors import Broken, Rejected
from ..models import Account, FromModel, FromTool, FromUser, ModelRequest, PromptTooLong, Spoken
from .compacting import divided, rendered, request_for, summary_in
from .entries import Entry, Said, Set, Summary, entry_in, line_of
from .messages import (
    Begin,
    Begun,
    Compact,
    Compacted,
    Decide,
    Heard,
    Leave,
    Line,
    Lines,
    Look,
    Move,
    Setting,
)
from .mind import Mind
from .moves import move_of, said_by
from .room import Room, fitted, refuse_cramped, room_of
from .transcript import BYTES_PER_TOKEN, Spoke, Transcript

GO_ON = "Go on with what was not finished."
INTERRUPTED = "The run that asked for it ended before it was told what came of it. It may have been done."
LOOK_BYTES = 700_000  # of one page of the conversation
LONGEST_THOUGHT = 3_600.0  # seconds
TO_WRITE_DOWN = 5.0


class NotYours(Rejected):
    """The conversation belongs to another run, tenant or role, or to no run."""


class Brain(Agent, kind="brain", turn_timeout=timedelta(hours=1)):
    mind: ClassVar[Mind | None] = None  # of this host

    tenant: str | None = None  # who began the conversation: nobody else goes on in it or reads it
    role: str | None = None
    run: str | None = None
    entries: int = 0
    set_at: int = 0
    goal_at: int = 0
    summary_at: int = 0
    window_from: int = 1  # what came before is shown by its summary alone
    tokens: int = 0  # as the model counted the conversation up to `counted_to`
    counted_to: int = 0
    heard_with: str = ""  # the last decision: what was told with it stands here
    answer_from: int = 0  # where an answer begins that was cut off and goes on
    setting: Setting | None = ephemeral(default=None)
    goal: str = ephemeral(default="")
    summary: Summary | None = ephemeral(default=None)
    transcript: Transcript = ephemeral(default_factory=Transcript)

    @on
    async def begin(self, message: Begin) -> Begun:
        self._refuse_others()
        self._refuse_other_role(message.role)
        if self.run not in (None, message.run, message.instead_of):
            return Begun(taken_by=self.run)
        if self.run == message.run:
            return Begun()
        refuse_cramped(message.setting, self._room(message.setting))
        if self.entries:
            await self._remember()
        for use in self.transcript.unanswered():  # of a run that was ended: no provider takes a use without an answer
            self._say(FromTool(use=use, text=INTERRUPTED, failed=True))
        self.tenant, self.role = self.envelope.tenant, message.role
        self.run, self.setting, self.goal = message.run, message.setting, message.goal or GO_ON
        self._enter(Set(entry="setting", run=message.run, at=_now(), setting=message.setting))
        self.set_at = self.entries
        self._say(FromUser(text=self.goal))
        self.goal_at, self.answer_from = self.entries, 0
        self.tokens = self.counted_to = 0  # another model, another system: counted anew
        return Begun()

    @on
    async def decide(self, message: Decide) -> Move:
        setting = await self._of_run(message.run)
        for heard in message.heard:
            self._say(_spoken(heard))
            self.answer_from = 0  # what it says now is about this
        self.heard_with = message.step
        for use in self.transcript.unanswered():
            self._say(FromTool(use=use, text=INTERRUPTED, failed=True))
        room = self._room(setting)
        spoken = fitted(self.transcript, room.tokens)
        can_be_shorter = divided(spoken, room.tokens) is not None
        if can_be_shorter and room.is_full(self._estimated(spoken, room)):
            return Move(kind="compact", why=f"{len(self.transcript)} messages come near the end of the window")
        request = ModelRequest(
            model=setting.model,
            system=setting.system,
            messages=tuple(self._shown(spoken)),
            tools=setting.offers,
            answer=setting.answer,
            max_tokens=room.said,
            temperature=setting.temperature,
            timeout_seconds=self._seconds_left(),
            conversation=str(self.address),
            account=self._account(message),
        )
        try:
            thought = await self._mind.think(request)
        except PromptTooLong as error:
            if not can_be_shorter:
                raise
            return Move(kind="compact", why=str(error)[:500])
        said, before = said_by(thought.reply), await self._said_of_the_answer()
        self._say(said)
        if thought.reply.counted:
            self.tokens, self.counted_to = thought.reply.usage.tokens, self.entries
        move, answers = move_of(said, thought, setting, before)
        self.answer_from = (self.answer_from or self.entries) if move.kind == "more" else 0
        for answer in answers:
            self._say(answer)
        return move

    @on
    async def compact(self, message: Compact) -> Compacted:
        setting = await self._of_run(message.run)
        room = self._room(setting).tokens
        parts = divided(fitted(self.transcript, room), room)
        if parts is None:
            return Compacted(first=0, last=0)
        old, window_from = parts
        first = self.summary.first if self.summary is not None else old[0].number
        text = rendered(self.summary.text if self.summary is not None else "", old)
        request = request_for(setting.model, text, self._mind.window(setting.model), str(self.address))
        request = request.model_copy(
            update={"account": self._account(message), "timeout_seconds": self._seconds_left()}
        )
        thought = await self._mind.think(request)
        self.summary = Summary(
            entry="summary",
            at=_now(),
            run=message.run,
            model=thought.reply.model,
            text=summary_in(said_by(thought.reply), thought.reply),
            first=first,
            last=old[-1].number,
        )
        self._enter(self.summary)
        self.summary_at, self.window_from = self.entries, window_from
        self.transcript = self.transcript.since(window_from)
        self.tokens = self.counted_to = 0
        usage, cost = thought.reply.usage, thought.cost_nanos
        return Compacted(first=first, last=old[-1].number, usage=usage, cost_nanos=cost)

    @on
    async def leave(self, message: Leave) -> None:
        if self.run != message.run:
            return
        await self._mind.settled()  # who sees that the run is over sees what it cost
        again = message.again if message.step != self.heard_with else ()
        if again or message.heard:
            await self._remember()
        for heard in (*again, *message.heard):
            self._say(_spoken(heard))
        self.run = None

    @on
    async def look(self, message: Look) -> Lines:
        self._refuse_others()
        lines: list[Line] = []
        size = 0
        for number, text in enumerate(
            await self.read_journal(message.first, message.first + message.most - 1), message.first
        ):
            size += len(text.encode())
            if size > LOOK_BYTES and lines:
                break
            lines.append(line_of(number, entry_in(text)))
        return Lines(run=self.run, entries=self.entries, lines=tuple(lines))

    # What is remembered.

    def _refuse_others(self) -> None:
        tenant = self.envelope.tenant
        if self.tenant not in (None, tenant):
            raise NotYours(
                f"the conversation {self.address} belongs to another tenant than {tenant!r}: name another key, or, if "
                "it is yours, the tenant that began it (`--tenant`)."
            )

    def _refuse_other_role(self, role: str | None) -> None:
        """The key `researcher.rita` without a role is the address of `rita` with the role `researcher`, too."""
        if self.tenant is not None and role != self.role:
            raise NotYours(
                f"the conversation {self.address} is one of {_named(self.role)}, and this run has {_named(role)}: name "
                "another key for it."
            )

    async def _of_run(self, run: str) -> Setting:
        self._refuse_others()
        if self.run != run:
            whose = f"the run {self.run}" if self.run is not None else "no run"
            raise NotYours(f"the conversation {self.address} belongs to {whose} now, not to {run}: begin first.")
        await self._remember()
        assert self.setting is not None
        return self.setting

    async def _remember(self) -> None:
        """Reads what the model is shown, when this agent has come into memory since."""
        if self.setting is not None:
            return
        setting, goal = await self._entry(self.set_at), await self._entry(self.goal_at)
        assert isinstance(setting, Set)
        assert isinstance(goal, Said)
        self.setting, self.goal = setting.setting, goal.said.text
        if self.summary_at:
            summary = await self._entry(self.summary_at)
            assert isinstance(summary, Summary)
            self.summary = summary
        transcript = Transcript()
        stored = await self.read_journal(self.window_from, self.entries)
        for number, text in enumerate(stored, self.window_from):
            entry = entry_in(text)
            if isinstance(entry, Said):
                transcript = transcript.said(number, entry.said)
        self.transcript = transcript

    async def _said_of_the_answer(self) -> list[str]:
        """From the journal: a summary may have taken its place in memory."""
        if not self.answer_from:
            return []
        stored = await self.read_journal(self.answer_from, self.entries)
        entries = (entry_in(text) for text in stored)
        return [one.said.text for one in entries if isinstance(one, Said) and isinstance(one.said, FromModel)]

    async def _entry(self, number: int) -> Entry:
        stored = await self.read_journal(number, number)
        if not stored:
            raise Broken(f"the journal of {self.address} has no entry {number}.")
        return entry_in(stored[0])

    def _say(self, said: Spoken) -> None:
        assert self.run is not None or isinstance(said, FromTool)
        self._enter(Said(entry="said", at=_now(), run=self.run or "", said=said))
        self.transcript = self.transcript.said(self.entries, said)

    def _enter(self, entry: Entry) -> None:
        self.entries += 1
        self.write_journal(self.entries, entry)

    # What is thought with.

    @property
    def _mind(self) -> Mind:
        if Brain.mind is None:
            raise Broken("this host has no models to think with. That is a defect of whoever started it.")
        return Brain.mind

    def _account(self, message: Decide | Compact) -> Account:
        run = message.run.rpartition("@")[0] or message.run  # as people call it, not one of its histories
        return Account(
            run=run, agent=str(self.address), tenant=message.tenant, budget=message.budget, step=message.step
        )

    def _seconds_left(self) -> float:
        """For the model: what is left of the turn, less the time to write down what it said."""
        left = (self.deadline - _now()).total_seconds() if self.deadline is not None else LONGEST_THOUGHT
        return min(max(left - TO_WRITE_DOWN, 1.0), LONGEST_THOUGHT)

    def _shown(self, spoken: Sequence[Spoke]) -> list[Spoken]:
        if self.summary is None:
            return [spoke.said for spoke in spoken]
        goal = f"{self.goal}\n\n" if self.goal_at < self.window_from else ""
        before = FromUser(text=f"{goal}What was done and found before, in short:\n{self.summary.text}")
        return [before, *(spoke.said for spoke in spoken)]

    def _room(self, setting: Setting) -> Room:
        return room_of(setting, self._mind.window(setting.model))

    def _estimated(self, spoken: Sequence[Spoke], room: Room) -> int:
        """How many tokens a request has now."""
        new = sum(spoke.size for spoke in spoken if spoke.number > self.counted_to)
        if self.counted_to:
            return self.tokens + new // BYTES_PER_TOKEN
        new += len(self.summary.text.encode()) if self.summary is not None else 0
        return room.fixed + new // BYTES_PER_TOKEN


def _named(role: str | None) -> str:
    return f"the role `{role}`" if role is not None else "no role"


def _spoken(heard: Heard) -> Spoken:
    if heard.use is None:
        return FromUser(text=heard.text)
    return FromTool(use=heard.use, text=heard.text, failed=heard.failed)


def _now() -> datetime:
    return datetime.now(UTC)
