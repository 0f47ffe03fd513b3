"""From settings to the services of a stack: what is configured elsewhere is not started here.

Everything that a user got wrong is found here, before the first process starts.
"""

from dataclasses import dataclass, field

from pydantic import BaseModel

from ...actors.errors import NotRunning, StackError
from ...memory.database import check, redacted
from ...memory.migrate import migrate
from .. import ray_link
from ..doctor.kernel import missing_features
from ..settings import Key, Settings
from ..temporal import connect as connect_temporal
from . import state
from .environment import environment
from .paths import StackPaths
from .ports import PortLeases
from .service import Service
from .services.ours import OurService
from .services.postgres import PostgresService
from .services.ray_head import RayService
from .services.temporal import TemporalService


@dataclass
class Plan:
    paths: StackPaths
    services: list[Service] = field(default_factory=list)
    external: dict[str, str] = field(default_factory=dict)  # name → redacted endpoint
    found: dict[Key, str] = field(default_factory=dict)  # settings that lead to the servers of this stack
    ports: dict[str, int] = field(default_factory=dict)
    leases: PortLeases = field(default_factory=PortLeases)


async def make(settings: Settings, paths: StackPaths) -> Plan:
    for finding in missing_features():
        if finding.level == "failure":
            raise StackError(f"{finding.found}. {finding.remedy or ''}".strip())
    plan = Plan(paths)
    try:
        await _servers(plan, settings)
        _ours(plan, settings)
    except BaseException:
        plan.leases.release()
        raise
    return plan


async def _servers(plan: Plan, settings: Settings) -> None:
    before = state.last(plan.paths)
    last = before.ports if before else {}

    def port(key: Key, usual: int, host: str = "127.0.0.1") -> int:
        name = ".".join(key)
        section: BaseModel = getattr(settings, key[0])
        taken = plan.leases.take(name, asked=getattr(section, key[1]), usual=usual, last=last.get(name), host=host)
        plan.ports[name] = taken
        return taken

    await _check_external(plan, settings)
    if settings.postgres.dsn is None:
        postgres = PostgresService(plan.paths)
        plan.services.append(postgres)
        plan.found["postgres", "dsn"] = postgres.dsn
    if settings.temporal.address is None:
        temporal = TemporalService(
            plan.paths,
            settings.temporal,
            port(("temporal", "port"), 7233),
            port(("temporal", "ui_port"), 8233),
        )
        plan.services.append(temporal)
        plan.found["temporal", "address"] = f"127.0.0.1:{temporal.port}"
        plan.found["temporal", "ui_url"] = temporal.ui_url
    if settings.ray.address is None:
        ray = RayService(plan.paths, port(("ray", "port"), 6379))
        plan.services.append(ray)
        plan.found["ray", "address"] = ray.address
        plan.found["ray", "auth_token"] = ray.token
    plan.found["gateway", "port"] = str(port(("gateway", "port"), 8080, settings.gateway.host))


async def _check_external(plan: Plan, settings: Settings) -> None:
    """A stack on a server that is not there would only restart itself for ever."""
    if settings.postgres.dsn is not None:
        dsn = settings.postgres.dsn.get_secret_value()
        plan.external["postgres"] = redacted(dsn)
        try:
            await check(dsn)
        except NotRunning as error:
            raise StackError(str(error)) from None
        await migrate(dsn)
    if settings.temporal.address is not None:
        plan.external["temporal"] = settings.temporal.address
        try:
            await connect_temporal(settings.temporal)
        except NotRunning as error:
            raise StackError(str(error)) from None
    if settings.ray.address is not None:
        plan.external["ray"] = settings.ray.address
        try:
            await ray_link.reachable(settings.ray.address)
        except NotRunning as error:
            raise StackError(str(error)) from None
    if settings.qdrant.url is not None:
        plan.external["qdrant"] = settings.qdrant.url


def _ours(plan: Plan, settings: Settings) -> None:
    env = environment(settings, plan.found)
    if settings.ray.address is None:
        env |= ray_link.environment(plan.found["ray", "auth_token"], loopback=True)
    local = {service.name for service in plan.services}

    def after(*names: str) -> tuple[str, ...]:
        return tuple(name for name in names if name in local or name == "hosts")

    gateway = f"http://{settings.gateway.host}:{plan.found['gateway', 'port']}"
    plan.services += [
        OurService(plan.paths, "hosts", ["join"], after=after("postgres", "ray"), env=env),
        OurService(plan.paths, "worker", ["worker"], after=after("postgres", "temporal", "ray"), env=env),
        OurService(plan.paths, "gateway", ["gateway"], after=after("postgres"), env=env, endpoint=gateway),
    ]
