"""From the start of the origin's program to the first byte through it."""

from __future__ import annotations

from ..links import Link
from ..namespaces import Network
from ..peers import Peer, Variant
from .scenario import Effort, Figure, Scenario


class StartUp(Scenario):
    name = "startup"
    title = "from the start of the origin's program (the destination's runs) to the first echoed byte"
    figures = (Figure("ms", "start to first byte", "ms", digits=0),)
    exclusive = True
    default_links = ("clean", "wifi")

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        return super().inapplicable(variant, link) if variant.kind.has_ends else ""

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        return {"ms": peer.start_seconds * 1000}
