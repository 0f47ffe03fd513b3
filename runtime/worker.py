"""`resprout worker`: runs our workflows and activities for one Temporal task queue, until SIGTERM.

On SIGTERM it stops polling, lets activities in flight finish for a while, and leaves the rest to be tried again.
"""

import asyncio
import signal
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from ..activities.ask_agent import AskAgent
from ..activities.attempt import HEARTBEAT, none_left_behind
from ..activities.route_task import RouteTask
from ..activities.run_sandbox import RunSandbox
from ..activities.sandbox.sandboxes import Sandboxes
from ..actors.logger import get_logger
from ..workflows import kinds, search_attributes
from . import temporal
from .agent_modules import import_agents
from .budget_retention import BudgetRetention
from .calls import caller
from .notify import STATE_FIELD, notify
from .payload_retention import PayloadRetention
from .registry_reader import RegistryReader
from .sandboxes import sandboxes, workspaces
from .settings import Settings
from .telemetry import serve_metrics
from .tools import Tools, tools
from .veiled_errors import VeiledErrors

log = get_logger("resprout.worker")

PULSE_SECONDS = 2.0
# A killed worker's workflows wait this long before another worker may have them (stock: 10 s).
STICKY_WAIT = timedelta(seconds=1)
GRACE = timedelta(seconds=10)


async def run(settings: Settings, metrics_port: int = 0) -> None:
    import_agents(settings.agents)  # whose messages the activities send
    client = await temporal.client_of(settings)
    await temporal.register_search_attributes(client, search_attributes.ALL)
    halt = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, halt.set)
    metrics = serve_metrics(metrics_port)
    async with (
        sandboxes(settings, recorded=True, warm=settings.sandbox.warm) as boxes,
        workspaces(settings),  # which removes those whose time is over
        tools(settings, boxes, client) as hands,
        none_left_behind(),
        make(client, settings, boxes, hands),
    ):
        log.info("worker ready", task_queue=settings.temporal.task_queue, metrics=metrics.url)
        notify(READY=1, **{STATE_FIELD: {"metrics": metrics.url}})
        payloads = PayloadRetention(client, settings)
        clearing = [asyncio.create_task(work) for work in (payloads.run(), BudgetRetention(payloads).run())]
        await _pulse(halt)
        for task in clearing:
            task.cancel()
        boxes.leave()
        log.info("draining worker")
        notify(STOPPING=1)


def make(client: Client, settings: Settings, sandboxes: Sandboxes, hands: Tools) -> Worker:
    return Worker(
        client,
        task_queue=settings.temporal.task_queue,
        workflows=kinds.ALL,
        activities=[
            AskAgent(caller(settings)).ask,
            RouteTask(RegistryReader(settings.postgres)).route,
            RunSandbox(sandboxes).run,
            hands.call.call,
            hands.call.resolve,
            hands.approve.ask,
            hands.approve.answer,
            hands.approve.expire,
            hands.budget.open,
            hands.think.begin,
            hands.think.decide,
            hands.think.compact,
            hands.think.leave,
        ],
        interceptors=[VeiledErrors()],
        workflow_runner=workflow_runner(),
        # Bad input fails the run at once with its reason, instead of failing the task for ever.
        workflow_failure_exception_types=[Exception],
        sticky_queue_schedule_to_start_timeout=STICKY_WAIT,
        graceful_shutdown_timeout=GRACE,
        # Else heartbeats are held back for four fifths of the time in which one must come.
        max_heartbeat_throttle_interval=HEARTBEAT,
    )


def workflow_runner() -> SandboxedWorkflowRunner:
    """Our own modules and those below hold no state that a replay could see differently.

    Re-importing them for every run costs a third of the throughput.
    """
    same_for_all = ("resprout", "pydantic", "opentelemetry", "cel", "jsonschema", "ruamel")
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*same_for_all))


async def _pulse(halt: asyncio.Event) -> None:
    while not halt.is_set():
        notify(WATCHDOG=1)
        try:
            await asyncio.wait_for(halt.wait(), PULSE_SECONDS)
        except TimeoutError:
            continue
