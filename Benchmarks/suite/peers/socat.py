"""socat: the same two hops without encryption, one process for each connection."""

from __future__ import annotations

from .peer import Peer


class Socat(Peer):
    packages = ("socat=socat",)
    process_per_connection = True

    def _relay(self, host: str, address: str, port: int, target: str) -> None:
        # -b: the size of a read; socat's own default of 8 KiB would be half as fast. -t: how long the other
        # direction may go on after one ended; the default of 0.5 s would cut slow links.
        self.run_end(host, ["socat", "-b", "65536", "-t", "60",
                            f"TCP4-LISTEN:{port},bind={address},fork,reuseaddr,backlog=4096,nodelay",
                            f"TCP4:{target},nodelay"])

    def start_destination(self) -> None:
        self._relay("b", self.addresses.b, self.ports[0], self.target)
        self.wait_listening("b", self.ports[0])

    def start_origin(self) -> None:
        self._relay("a", "127.0.0.1", self.ports[1], f"{self.addresses.b}:{self.ports[0]}")

    @property
    def endpoint(self) -> tuple[str, int]:
        return "127.0.0.1", self.ports[1]
