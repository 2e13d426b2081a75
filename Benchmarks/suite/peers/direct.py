"""Nothing between client and server: what the link itself gives."""

from __future__ import annotations

from ..namespaces import SERVER_PORT
from .peer import Peer


class Direct(Peer):
    """TCP straight to the load server."""

    has_ends = False

    @property
    def endpoint(self) -> tuple[str, int]:
        return self.addresses.b, SERVER_PORT


class PlainUDP(Direct):
    """A UDP echo straight to the load server, where latency is measured."""

    carries_tcp = False
