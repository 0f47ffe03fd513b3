"""Can what the settings say of models be used? By itself it would be found late: by hosts that do not start."""

from ...activities.models.prices import Prices
from ...actors.errors import ConfigError
from ..model_providers import check_default
from ..settings import Settings
from .finding import Finding, failure, ok

NAME = "models"


def check(settings: Settings) -> list[Finding]:
    return [_default(settings), _prices(settings)]


def _default(settings: Settings) -> Finding:
    try:
        check_default(settings.models)
    except ConfigError as error:
        return failure(
            NAME, str(error), "Set `models.default` to a model of a provider that `resprout model list` shows."
        )
    return ok(NAME, f"default: {', '.join(settings.models.default)}")


def _prices(settings: Settings) -> Finding:
    own = settings.models.prices
    try:
        Prices.load(own)
    except ConfigError as error:
        return failure("prices", str(error), "Write it as the page on budgets shows, or leave `models.prices` out.")
    return ok("prices", f"those that ship, and before them {own}" if own is not None else "those that ship")
