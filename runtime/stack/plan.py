"""From settings to the services of a stack: what is configured elsewhere is not started here.

Everything that a user got wrong is found here, before the first process starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from ...activities.models.prices import Prices
from ...actors.errors import ConfigError, StackError
from ...memory.database import check, redacted
from ...memory.migrate import migrate
from .. import ray_link
from ..agent_modules import import_agents
from ..doctor.kernel import missing_features
from ..identity import user_name
from ..local_model import serving_of
from ..model_providers import check_default
from ..setting_keys import Key
from ..settings import Settings, TemporalSettings
from ..temporal import connect as connect_temporal
from . import state
from .environment import environment
from .find import leading
from .paths import StackPaths
from .ports import PortLeases
from .service import Service, Unwell
from .services.external import ExternalService
from .services.model_server import ModelServerService
from .services.ours import OurService
from .services.postgres import PostgresService
from .services.ray_head import RayService
from .services.temporal import TemporalService
from .services.worker import WorkerService

PORT_OF_MODEL: Key = ("models", "local", "port")


@dataclass
class Plan:
    paths: StackPaths
    services: list[Service] = field(default_factory=list)
    found: dict[Key, str] = field(default_factory=dict)  # settings that lead to the servers started here
    leading: dict[Key, str] = field(default_factory=dict)  # to these and to those of others
    ports: dict[str, int] = field(default_factory=dict)
    leases: PortLeases = field(default_factory=PortLeases)


async def make(settings: Settings, paths: StackPaths) -> Plan:
    for finding in missing_features():
        if finding.level == "failure":
            raise StackError(f"{finding.found}. {finding.remedy or ''}".strip())
    import_agents(settings.agents)
    check_default(settings.models)
    Prices.load(settings.models.prices)
    _refuse_tls_without_address(settings.temporal)
    plan = Plan(paths)
    try:
        await _servers(plan, settings)
        _ours(plan, settings)
        plan.leading = {**leading(settings), **plan.found}
    except BaseException:
        plan.leases.release()
        raise
    return plan


def _refuse_tls_without_address(temporal: TemporalSettings) -> None:
    """The embedded server neither speaks TLS nor knows API keys: no client with these settings could talk to it."""
    if temporal.address is None:
        for name in ("tls", "tls_ca", "tls_cert", "tls_key", "api_key"):
            if getattr(temporal, name):
                raise ConfigError(
                    f"`temporal.{name}` is for a server of yours, but `temporal.address` is not set. "
                    f"Set it, or leave `temporal.{name}` out."
                )


async def _servers(plan: Plan, settings: Settings) -> None:
    before = state.last(plan.paths)
    last = before.ports if before else {}

    def port(key: Key, usual: int, host: str = "127.0.0.1") -> int:
        name = ".".join(key)
        asked: Any = settings
        for part in key:
            asked = getattr(asked, part)
        taken = plan.leases.take(name, asked=asked, usual=usual, last=last.get(name), host=host)
        plan.ports[name] = taken
        return taken

    await _external(plan, settings)
    if settings.postgres.dsn is None:
        postgres = PostgresService(plan.paths, pooled=settings.hosts.count * settings.postgres.pool_size)
        plan.services.append(postgres)
        plan.found["postgres", "dsn"] = postgres.dsn
        plan.found["policy", "owner"] = settings.policy.owner or user_name()  # whoever starts it answers for it
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
        plan.found["ray", "loopback"] = "true"
    if (model_server := serving_of(settings.models.local)) is not None:
        service = ModelServerService(plan.paths, replace(model_server, port=port(PORT_OF_MODEL, model_server.port)))
        plan.services.append(service)
        plan.found["models", "local", "url"] = service.url
    plan.found["gateway", "port"] = str(port(("gateway", "port"), 8080, settings.gateway.host))


async def _external(plan: Plan, settings: Settings) -> None:
    """Servers that are there already. They must answer now: a stack without them would restart itself for ever."""
    postgres, temporal, ray = settings.postgres.dsn, settings.temporal.address, settings.ray.address
    if postgres is not None:
        dsn = postgres.get_secret_value()
        plan.services.append(ExternalService(plan.paths, "postgres", redacted(dsn), lambda: check(dsn)))
    if temporal is not None:
        plan.services.append(
            ExternalService(plan.paths, "temporal", temporal, lambda: connect_temporal(settings.temporal))
        )
    if ray is not None:
        plan.services.append(ExternalService(plan.paths, "ray", ray, lambda: ray_link.reachable(ray)))
    for service in plan.services:
        try:
            await service.probe()
        except Unwell as error:
            raise StackError(str(error)) from None
    if postgres is not None:
        await migrate(postgres.get_secret_value())


def _ours(plan: Plan, settings: Settings) -> None:
    env = environment(settings, plan.found)
    host = f"[{settings.gateway.host}]" if ":" in settings.gateway.host else settings.gateway.host
    gateway = f"http://{host}:{plan.found['gateway', 'port']}"
    plan.services += [
        OurService(plan.paths, "hosts", ["join"], after=_under_hosts(plan), env=env),
        _worker(plan, settings, env),
        OurService(plan.paths, "gateway", ["gateway"], after=("postgres",), env=env, endpoint=gateway),
    ]


def _under_hosts(plan: Plan) -> tuple[str, ...]:
    """The model server among them: it is there for agents until the last of them has ended."""
    stands_on = ("postgres", "ray", ModelServerService.name)
    return tuple(service.name for service in plan.services if service.name in stands_on)


def _worker(plan: Plan, settings: Settings, env: Mapping[str, str]) -> OurService:
    """Where the record of runs is others', too, they come back to the runs of this worker: it leaves them alone."""
    after = ("postgres", "temporal")
    if settings.postgres.dsn is not None:
        return OurService(plan.paths, "worker", ["worker"], after=after, env=env)
    own = settings.postgres.model_copy(update={"dsn": SecretStr(plan.found["postgres", "dsn"])})
    return WorkerService(plan.paths, settings.model_copy(update={"postgres": own}), after=after, env=env)
