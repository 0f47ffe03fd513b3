"""What the brains of a host think with: the models of the settings, paid for by the ledger of budgets.

What is being said is kept in memory while it is said, for those who watch; nothing hangs by it.
"""

from contextlib import aclosing

from ..activities.models.prices import LOCAL, Prices
from ..activities.models.settling import Settling
from ..activities.models.streams import closable
from ..actors.brain import Saying, Thought
from ..actors.models import Model, ModelLost, ModelReply, ModelRequest
from ..memory.database import Database
from ..memory.model_calls import ModelCalls
from .paid_models import paid_by
from .settings import Settings

USUAL_WINDOW = 128_000  # of a model about which nobody says more
LONGEST_SPEECH = 4_000  # characters of what is being said that are kept for who watches
NOTHING = Saying(text="", end=0)


class Minds:
    def __init__(self, model: Model, ledger: Settling, prices: Prices, local_window: int) -> None:
        self._model = model
        self._ledger = ledger
        self._prices = prices
        self._local_window = local_window
        self._speeches: dict[str, Saying] = {}  # by the agent to which something is being said

    async def think(self, request: ModelRequest) -> Thought:
        listener = (request.account.agent if request.account is not None else None) or ""
        try:
            reply = await self._heard(request, listener)
        finally:
            self._speeches.pop(listener, None)
        price = self._prices.of(reply.model) if reply.counted else None
        return Thought(reply=reply, cost_nanos=price.cost(reply.usage) if price is not None else None)

    async def _heard(self, request: ModelRequest, listener: str) -> ModelReply:
        reply = None
        async with aclosing(closable(self._model.stream(request))) as stream:
            async for said in stream:  # to its end: then it is written down what it cost
                if isinstance(said, ModelReply):
                    reply = said
                    continue
                before = NOTHING if said.anew else self._speeches.get(listener, NOTHING)
                text = (before.text + said.text)[-LONGEST_SPEECH:]
                self._speeches[listener] = Saying(text=text, end=before.end + len(said.text))
        if reply is None:
            raise ModelLost(f"{request.model} ended without a reply.")
        return reply

    async def settled(self) -> None:
        await self._ledger.settled()

    def speech(self, agent: str) -> Saying | None:
        return self._speeches.get(agent)

    def window(self, model: str) -> int:
        """Of a chain, what fits into each."""
        return min(self._window(name.strip()) for name in model.split(","))

    def _window(self, name: str) -> int:
        if name.partition("/")[0] == LOCAL:
            return self._local_window
        price = self._prices.of(name)
        return price.window if price is not None and price.window is not None else USUAL_WINDOW


def mind_of(settings: Settings, database: Database) -> Minds:
    """For as long as this process lives: connections to providers are opened when they are first needed."""
    prices = Prices.load(settings.models.prices)
    ledger = Settling(ModelCalls(database.opened))
    models = paid_by(ledger, settings.models, prices)
    return Minds(models, ledger, prices, settings.models.local.window)
