"""What an activation finds around it on its host.

The invariant: all activations of a host share it, so nothing of one agent is kept in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .backlog import Backlog
from .commits import Commits
from .failing import Failing
from .handling import Handling
from .records import Records
from .runners import Runners
from .station import Station

if TYPE_CHECKING:
    from .activation import Activation


@dataclass(frozen=True, slots=True)
class Surroundings:
    station: Station
    runners: Runners
    records: Records
    backlog: Backlog
    handling: Handling
    commits: Commits
    failing: Failing
    broke: "Callable[[Activation], None]"
