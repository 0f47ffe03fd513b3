"""Models whose every call is paid for: it stands in the ledger of budgets before it is made, and ends there.

The invariant: whoever asks models where there is a Postgres asks these. What went past the ledger would be in no budget
of a tenant, and on no record.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..activities.models.metered import MeteredModel
from ..activities.models.prices import Prices
from ..activities.models.settling import Settling
from ..actors.errors import NotRunning
from ..actors.models import Model
from ..memory.database import Database
from ..memory.model_calls import ModelCalls
from .model_settings import ModelsSettings
from .models import Models
from .settings import Settings


def paid_by(ledger: Settling, settings: ModelsSettings, prices: Prices) -> Models:
    def paid(model: Model) -> Model:
        return MeteredModel(model, ledger, prices)

    return Models(settings, around=paid)


@asynccontextmanager
async def paid_models(settings: Settings) -> AsyncIterator[Models]:
    """For a while, with a connection of their own. What was asked is written down before it ends."""
    if settings.postgres.dsn is None:
        raise NotRunning("no Postgres is configured here to count calls of models in: set `postgres.dsn`.")
    dsn, prices = settings.postgres.dsn.get_secret_value(), Prices.load(settings.models.prices)
    async with await Database.open(dsn, pool_size=1, application_name="resprout models", resets=False) as database:
        ledger = Settling(ModelCalls(database.opened))
        try:
            async with paid_by(ledger, settings.models, prices) as models:
                yield models
        finally:
            await ledger.settled()
