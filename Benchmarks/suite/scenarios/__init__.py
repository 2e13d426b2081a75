"""What is measured."""

from __future__ import annotations

from ..links import CLEAN
from .allocations import Allocations
from .connections import ConnectionRate
from .echo import EchoIdle, EchoUnderBulk
from .failover import AddressChanged, Drained, GatewayKilled, PathCut, TargetStopped
from .fairness import Fairness
from .goodput import Goodput
from .idle import IdleMemory, IdleTraffic
from .open_connections import OpenConnections
from .pairs import TwoPairs
from .scenario import Effort, Figure, Scenario
from .startup import StartUp
from .throughput import Throughput

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in (
    Throughput("stream", 1, "down", CLEAN),
    Throughput("stream-up", 1, "up"),
    Throughput("streams-10", 10, "down"),
    Throughput("streams-100", 100, "down", CLEAN),
    Throughput("streams-1000", 1000, "down"),
    Throughput("duplex", 1, "both", CLEAN),
    Goodput(),
    EchoIdle(),
    EchoUnderBulk(),
    ConnectionRate(),
    OpenConnections(),
    StartUp(),
    IdleMemory(),
    IdleTraffic(),
    TwoPairs(),
    Fairness(),
    Allocations(),
    PathCut(),
    AddressChanged(),
    GatewayKilled(),
    TargetStopped(),
    Drained(),
)}
# One word for several.
FAMILIES = {"failover": [name for name in SCENARIOS if name.startswith("failover-")]}

__all__ = ["FAMILIES", "SCENARIOS", "Effort", "Figure", "Scenario"]
