"""What a host shows to Prometheus of its agents."""

from prometheus_client import Gauge

from ..actors.delivery import Delivery
from .telemetry.metrics import REGISTRY


def export(delivery: Delivery) -> None:
    gauges = {
        "resprout_agents_active": ("Agents in memory.", lambda: len(delivery.population.active)),
        "resprout_shards_held": ("Shards leased to this host.", lambda: len(delivery.holdings)),
        "resprout_mailbox_messages": ("Told messages that wait in memory.", lambda: delivery.backlog.mail),
        "resprout_turns_running": ("Handlers that are at work.", lambda: len(delivery.handling.running)),
        "resprout_turns": ("Turns taken since this host began.", lambda: delivery.commits.turns),
    }
    for name, (help_text, value) in gauges.items():
        Gauge(name, help_text, registry=REGISTRY).set_function(value)
