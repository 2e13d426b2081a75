"""Many open connections that idle: memory of each, and latency among them."""

from __future__ import annotations

import json
import subprocess
import time

from harness.lab import Failure, check

from ..links import Link
from ..namespaces import Network
from ..peers import Peer, Variant
from ..tools import tool
from .scenario import Effort, Figure, Scenario

ECHOES = 1000
# Until buffers of the openings are given back.
QUIET_SECONDS = 2.0
WARM_CONNECTIONS = 200
# ssh slows down with each channel that it has; what is open by then is what is measured.
OPENING_SECONDS = 90


class OpenConnections(Scenario):
    name = "open"
    title = "many open connections, each used once and then idle"
    figures = (Figure("opened", "opened", "", "more", 0, False), Figure("origin_bytes_each", "resident memory each, origin", "bytes", digits=0),
               Figure("destination_bytes_each", "destination", "bytes", digits=0),
               Figure("p50_ms", "echo over them, p50", "ms", digits=3), Figure("p99_ms", "p99", "ms", digits=3),
               Figure("open_per_second", "opened one after another", "/s", "more", 0))
    exclusive = True
    most_runs = 3

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        if variant.kind.tunnels_packets:
            return "carries packets, and knows of no connection"
        if variant.kind.process_per_connection:
            return "has a process for each connection: ten thousand of them are not memory to measure but to run out of"
        return super().inapplicable(variant, link)

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        # What a program allocates once, with its first connections, is not memory of each.
        network.load("connections", peer.endpoint, 4, 0.3)
        with Held(network, peer, WARM_CONNECTIONS):
            pass
        time.sleep(QUIET_SECONDS)
        before = peer.resident()
        with Held(network, peer, effort.connections) as held:
            time.sleep(QUIET_SECONDS)
            after = peer.resident()
            said = held.echo(min(ECHOES, held.opened))
            opened, seconds, failure = held.opened, held.seconds, held.failure
        check(opened > 0, f"no connection could be opened: {failure}")
        result: dict[str, object] = {
            "opened": opened, "wanted": effort.connections, "failure": failure, "resident_before": before,
            "resident_after": after, "open_per_second": opened / seconds, "rtt_us": said["rtt_us"],
            **{f"{end}_bytes_each": (after[end] - before[end]) / opened for end in after}}
        if said["rtt_us"]["count"]:
            result.update(p50_ms=said["rtt_us"]["p50"] / 1000, p99_ms=said["rtt_us"]["p99"] / 1000)
        return result


class Held:
    """`load hold` in the background."""

    def __init__(self, network: Network, peer: Peer, count: int) -> None:
        self._log = network.directory / "hold.log"
        self._read = self._log.stat().st_size if self._log.exists() else 0      # of those before
        self._process = network.lab.start(
            "a", [tool("load"), "hold", *peer.endpoint, str(count), str(OPENING_SECONDS)], "load hold", self._log,
            stdin=subprocess.PIPE)

    def _line(self) -> dict:
        """The next line that it prints."""
        deadline = time.monotonic() + 2 * OPENING_SECONDS
        while time.monotonic() < deadline:
            text = self._log.read_bytes()[self._read:]
            if b"\n" in text:
                line = text.split(b"\n", 1)[0]
                self._read += len(line) + 1
                return json.loads(line)
            if not self._process.running():
                break
            time.sleep(0.02)
        raise Failure(f"load hold said nothing ({self._process.ending()})")

    def __enter__(self) -> Held:
        said = self._line()
        self.opened, self.seconds, self.failure = said["opened"], said["seconds"], said["failure"]
        return self

    def echo(self, count: int) -> dict:
        self._process.popen.stdin.write(f"echo {count}\n".encode())
        self._process.popen.stdin.flush()
        return self._line()

    def __exit__(self, *_: object) -> None:
        self._process.popen.stdin.close()
        self._process.stop(10.0)
