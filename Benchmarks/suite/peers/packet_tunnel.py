"""Peers that carry packets: a TUN device on either host, and the client's TCP runs from end to end."""

from __future__ import annotations

import itertools

from ..namespaces import SERVER_PORT
from .peer import Peer


class PacketTunnel(Peer):
    """Each has a /30 of its own and devices named after it."""

    tunnels_packets = True
    _numbers = itertools.count(1)

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)     # type: ignore[arg-type]
        self.number = next(self._numbers) % 250
        self.inside_a, self.inside_b = f"10.99.{self.number}.1", f"10.99.{self.number}.2"
        self.device_a, self.device_b = f"dxb{self.number}a", f"dxb{self.number}b"

    def inside(self, host: str) -> str:
        return self.inside_a if host == "a" else self.inside_b

    def device(self, host: str) -> str:
        return self.device_a if host == "a" else self.device_b

    @property
    def endpoint(self) -> tuple[str, int]:
        return self.inside_b, SERVER_PORT
