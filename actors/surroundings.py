"""What an activation finds around it on its host."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .backlog import Backlog
from .burial import Burial
from .lanes import Lane
from .outlet import Outlet
from .records import Records
from .runners import Runners
from .station import Station
from .store import Held

if TYPE_CHECKING:
    from .activation import Activation
    from .population import Population


@dataclass(frozen=True, slots=True)
class Surroundings:
    station: Station
    runners: Runners
    lanes: list[Lane]
    records: Records
    backlog: Backlog
    burial: Burial
    outlet: Outlet
    population: "Population"
    lose: Callable[[Held], None]
    broke: "Callable[[Activation], None]"

    def lane_of(self, held: Held) -> Lane:
        return self.lanes[held.id % len(self.lanes)]
