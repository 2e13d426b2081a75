"""What every scenario says about itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ..links import Link
from ..namespaces import Network
from ..peers import Peer, Variant


@dataclasses.dataclass(frozen=True)
class Effort:
    """How long everything takes."""

    runs: int = 5
    seconds: float = 5.0            # of a transfer over an unimpaired link
    goodput_seconds: float = 60.0   # of a transfer over an emulated link
    echo_seconds: float = 20.0
    idle_seconds: float = 120.0
    connections: int = 10_000
    faults: int = 20                # of a kind, one after the other, in each run

    @staticmethod
    def quick() -> Effort:
        return Effort(runs=2, seconds=2.0, goodput_seconds=8.0, echo_seconds=4.0, idle_seconds=35.0, connections=2_000,
                      faults=3)


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number of a scenario. `better` decides nothing; it tells readers and plots which way is good."""

    key: str
    title: str
    unit: str
    better: str = "less"
    digits: int = 2
    compare: bool = True      # a column of ratios beside it


class Scenario:
    """A measurement that is repeated for every peer, in turn.

    An `exclusive` one starts the peer afresh each time, with no other peer running; the others run
    while all peers are up.
    """

    name = ""
    title = ""
    figures: tuple[Figure, ...] = ()
    exclusive = False
    most_runs = 1_000        # fewer where the figure hardly varies and a run is long
    warm_up = False          # once for each peer, not counted
    # Where it says something when no link is asked for.
    default_links: tuple[str, ...] = ("clean",)
    # Whom to measure when nobody is named; empty: everybody.
    default_peers: tuple[str, ...] = ()

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        """Why it says nothing about this peer on this link, or None; empty when that needs no words."""
        return None if variant.kind.carries_tcp else ""

    def settings(self, network: Network) -> Mapping[str, str]:
        """More settings for the peers of an exclusive scenario."""
        return {}

    def kind(self, variant: Variant) -> type[Peer]:
        """The kind of peer that an exclusive scenario starts."""
        return variant.kind

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        """Values of `figures` by key, and whatever else is worth keeping."""
        raise NotImplementedError


def jain(shares: list[float]) -> float:
    """Jain's index of fairness: 1 when all have the same, 1/n when one has all."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


def megabits(moved: Mapping[str, float]) -> float:
    """Mbit/s of a direction that `load stream` printed."""
    return moved["bytes"] * 8 / moved["seconds"] / 1e6 if moved["seconds"] else 0.0
