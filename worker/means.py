"""What the sessions of one process share."""

from dataclasses import dataclass, field

from shared.bus import Bus, Registry
from shared.settings import Settings
from worker.metrics import Meters
from worker.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class Means:
    """What a session needs of its process."""

    bus: Bus
    registry: Registry
    settings: Settings
    toolbox: Toolbox
    meters: Meters = field(default_factory=Meters)
