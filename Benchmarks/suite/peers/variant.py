"""A peer that can be chosen by name: a kind of program, and how it is set up."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .. import kernel
from ..links import Link
from ..namespaces import Network
from .peer import Peer


@dataclasses.dataclass(frozen=True)
class Variant:
    name: str
    title: str
    kind: type[Peer]
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    bbr: bool = False          # its TCP runs between the addresses whose routes ask for the kernel's BBR
    on_request: bool = False   # measured only when it is named

    def unavailable(self, link: Link) -> str | None:
        """Why it cannot be measured on this link, or None. Installs what it needs."""
        if self.bbr and link.loopback:
            return "congestion control says nothing on the loopback device"
        if self.bbr and "bbr" not in kernel.available_congestion_controls():
            return "the kernel has no BBR, and modprobe tcp_bbr did not help"
        if self.kind.tunnels_packets and link.loopback:
            return "both its devices would be on one host, and the kernel would go past them"
        return self.kind.missing()

    def make(self, network: Network, suffix: str = "") -> Peer:
        return self.kind(self.name + suffix, network, self.bbr, dict(self.settings))
