"""Two gateways as destinations of one tunnel, with a load server each, and one as its origin."""

from __future__ import annotations

import json
import signal

from harness.gateway import binary, command, make_identity, make_veil
from harness.lab import Process, check, wait_until

from ..tools import tool
from .gateway import TUNNEL, GatewayPair

DESTINATIONS = ("cloud-1", "cloud-2")


class GatewayTrio(GatewayPair):
    """`edge-1` on host a; `cloud-1` and `cloud-2` on host b, used in this order. What failed is used again at once."""

    def prepare(self) -> None:
        make_veil(self.directory / "group.key")
        self.gateways: dict[str, Process] = {}
        self.targets: dict[str, Process] = {}
        names = ("edge-1", *DESTINATIONS)
        identities = {name: make_identity(self.directory / f"{name}.key") for name in names}
        port = dict(zip(names, self.ports))
        host = {"edge-1": self.addresses.a, **{name: self.addresses.b for name in DESTINATIONS}}
        tunnel = {
            "name": TUNNEL, "failback": "100ms", "health": {"check": "tcp", "interval": "1s"},
            "origins": [{"gateway": "edge-1", "listen": f"127.0.0.1:{self.ports[3]}"}],
            "destinations": [{"gateway": name, "target": f"127.0.0.1:{self.target_port(name)}"} for name in DESTINATIONS]}
        for name in names:
            peers = [{"name": other, "id": identities[other],
                      "addresses": [f"{host[other]}:{port[other]}"] if name == "edge-1" else []}
                     for other in names if other != name]
            (self.directory / f"{name}.yaml").write_text(json.dumps({
                "name": name, "identity": f"{name}.key", "veil": "group.key", "listen": f"{host[name]}:{port[name]}",
                "control": f"{name}.sock", "peers": peers, "tunnels": [tunnel], "limits": {"drain_timeout": "2m"}}, indent=1))

    def target_port(self, name: str) -> int:
        return self.ports[4 + DESTINATIONS.index(name)]

    def _run(self, name: str) -> None:
        self.gateways[name] = self.run_end("a" if name == "edge-1" else "b",
                                           [binary(), "run", "--config", self.directory / f"{name}.yaml"])

    def start_target(self, name: str) -> None:
        port = self.target_port(name)
        self.targets[name] = self.run_end("b", [tool("load"), "serve", "127.0.0.1", port])
        self.wait_listening("b", port)

    def start_destination(self) -> None:
        for name in DESTINATIONS:
            self.start_target(name)
            self._run(name)

    def start_origin(self) -> None:
        self._run("edge-1")

    @property
    def endpoint(self) -> tuple[str, int]:
        return "127.0.0.1", self.ports[3]

    # ---- faults

    def states(self) -> list[str]:
        """What becomes of new connections at each destination, as the origin says."""
        said = command("status", "--json", "--control", self.directory / "edge-1.sock").stdout
        return [each["state"] for each in json.loads(said)["tunnels"][0].get("destinations", [])]

    def wait_ready(self) -> None:
        wait_until(lambda: self.states() == ["ready", "ready"], "both destinations are ready", 120.0)

    def _forget(self, process: Process) -> None:
        self.ends["destination"].remove(process)

    def kill(self) -> None:
        """The first destination's gateway dies."""
        self.gateways["cloud-1"].kill9()
        self._forget(self.gateways["cloud-1"])

    def revive(self) -> None:
        self._run("cloud-1")

    def kill_target(self) -> None:
        """The first destination's target dies."""
        self.targets["cloud-1"].kill9()
        self._forget(self.targets["cloud-1"])

    def begin_drain(self) -> None:
        """The first destination's gateway is told to stop."""
        process = self.gateways["cloud-1"]
        process.expected_dead = True
        process.popen.send_signal(signal.SIGTERM)

    def end_drain(self) -> None:
        """Until it has ended; its connections must have."""
        process = self.gateways["cloud-1"]
        check(process.wait(60.0) == 0, f"the drained gateway: {process.ending()}")
        self._forget(process)
