"""How a run will think: its role, model and tools as they are now, so that what changes later does not change it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from pydantic import JsonValue

from ..actors.brain.messages import Setting
from ..actors.brain.special import PERSON, crew_offers
from ..actors.errors import NotFound, Rejected
from ..actors.models import AnswerForm, ToolOffer
from .contracts import BeginInput, RoleOf
from .tools.tool import Tool
from .tools.toolbox import Toolbox

MAX_TOKENS = 4_096


class Role(Protocol):
    """As a template gives it."""

    @property
    def system(self) -> str: ...
    @property
    def model(self) -> str | None: ...
    @property
    def tools(self) -> tuple[str, ...]: ...
    @property
    def max_tokens(self) -> int | None: ...
    @property
    def temperature(self) -> float | None: ...
    @property
    def max_iterations(self) -> int | None: ...


@dataclass(frozen=True)
class Settled:
    goal: str
    setting: Setting
    tools: dict[str, str]  # what each offered name means, name and version
    max_iterations: int | None = None


@dataclass(frozen=True)
class Settle:
    toolbox: Toolbox
    look: Callable[[str], Awaitable[None]]  # for tools that came since
    role: Callable[[str, Mapping[str, JsonValue]], Role]  # by its name, with its variables; raises Rejected
    model: str  # when nobody names one

    async def __call__(self, request: BeginInput) -> Settled:
        role = self._role(request)
        for member in request.crew_roles:  # a mistake in one is not to be found when work was done already
            self._role_of(member)
        wanted = request.tools if request.tools is not None else (role.tools if role is not None else ())
        tools = first_of_each_name([tool for reference in wanted for tool in await self._tools(reference)])
        special = (*((PERSON,) if request.person else ()), *crew_offers(request.crew))
        limit = request.max_tokens or (role.max_tokens if role is not None else None) or MAX_TOKENS
        setting = Setting(
            model=request.model or (role.model if role is not None else None) or self.model,
            system="\n\n".join(text for text in (role.system if role is not None else "", request.system) if text),
            offers=(*offers_of(tools.values()), *special),
            answer=AnswerForm(shape=request.answer) if request.answer is not None else None,
            max_tokens=limit,
            temperature=request.temperature if request.temperature is not None else role and role.temperature,
        )
        meant = {name: tool.manifest.reference for name, tool in tools.items()}
        return Settled(request.goal, setting, meant, role.max_iterations if role is not None else None)

    def _role_of(self, member: RoleOf) -> None:
        try:
            self._role(member)
        except Rejected as error:
            raise Rejected(f"`{member.who}` of the crew: {error}") from None

    def _role(self, request: BeginInput | RoleOf) -> Role | None:
        if request.role is not None:
            return self.role(request.role, request.variables)
        if request.variables:
            names = ", ".join(request.variables)
            raise Rejected(f"variables ({names}) are those of a role, and none is given: name a `role`.")
        return None

    async def _tools(self, reference: str) -> list[Tool]:
        """A pattern, as in `text.*`, means all that have such a name now."""
        await self.look(reference)
        if "*" not in reference.partition("@")[0]:
            return [self.toolbox.find(reference)]
        found = [tool for tool in self.toolbox.newest() if fnmatchcase(tool.name, reference)]
        if not found:
            raise NotFound(f"no tool has a name like `{reference}`. See `resprout tool list`.")
        return found


def first_of_each_name(tools: Iterable[Tool]) -> dict[str, Tool]:
    """What a name offers is what is called by it: a version that was named before a pattern, and no newer one."""
    by_name: dict[str, Tool] = {}
    for tool in tools:
        by_name.setdefault(tool.name, tool)
    return by_name


def offers_of(tools: Iterable[Tool]) -> tuple[ToolOffer, ...]:
    manifests = (tool.manifest for tool in tools)
    return tuple(ToolOffer(name=one.name, description=one.description, parameters=one.input) for one in manifests)
