"""The store of the delivery core, in Postgres."""

from .database import Database
from .leases import Leases
from .mailboxes import Mailboxes
from .pools import Pools
from .reminders import Reminders
from .retention import Retention
from .rooms import Shards
from .turns import Turns


class PostgresStore(Leases, Pools, Turns, Mailboxes, Reminders, Retention):
    """All that `actors.store.Store` asks for; one for each host."""

    def __init__(self, database: Database) -> None:
        self.pool = database.pool
        self.shards = Shards()
