"""The program under test: two dxgateway processes with one tunnel."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

from harness.gateway import binary, command, make_identity, make_veil

from .peer import Peer

TUNNEL = "bench"
NAMES = {"a": "edge-1", "b": "cloud-1"}
# What the 10,000 open connections need; everything else is the program's default.
MOST_CONNECTIONS = 65_536


class GatewayPair(Peer):
    """Settings: `congestion` of the peer entry; `multipath`, and `roams`, which binds it to all addresses and tells of each that
    host b has, for what is interactive; `preload`, a library, and `preload_file`, for what it writes."""

    @classmethod
    def missing(cls) -> str | None:
        try:
            program = binary()
        except SystemExit as error:
            return str(error)
        result = subprocess.run([program, "--version"], capture_output=True, text=True)
        return None if result.returncode == 0 else f"{program} does not run: {result.stderr.strip()}"

    def prepare(self) -> None:
        make_veil(self.directory / "group.key")
        keys = {host: self.directory / f"{name}.key" for host, name in NAMES.items()}
        identities = {host: make_identity(key) for host, key in keys.items()}
        # On one host both ends must differ; elsewhere it does no harm.
        port = {"a": self.ports[0], "b": self.ports[1]}
        outside = {"a": self.addresses.a, "b": self.addresses.b}
        roams = "roams" in self.settings
        of_b = self.network.all_of_b if roams else [self.addresses.b]
        for host, other in (("a", "b"), ("b", "a")):
            peer: dict[str, object] = {
                "name": NAMES[other], "id": identities[other],
                "addresses": [f"{each}:{port[other]}" for each in of_b] if host == "a" else []}
            if "congestion" in self.settings:
                peer["congestion"] = self.settings["congestion"]
            self.config(host).write_text(json.dumps({        # JSON is YAML
                "name": NAMES[host], "identity": keys[host].name, "veil": "group.key",
                "listen": f"{'' if roams else outside[host]}:{port[host]}", "control": f"{host}.sock", "peers": [peer],
                "limits": {"connections": MOST_CONNECTIONS},
                **({"multipath": self.settings["multipath"]} if "multipath" in self.settings else {}),
                "tunnels": [{
                    "name": TUNNEL, "max_connections": MOST_CONNECTIONS,
                    **({"class": "interactive"} if roams else {}),
                    "origins": [{"gateway": NAMES["a"], "listen": f"127.0.0.1:{self.ports[2]}"}],
                    "destinations": [{"gateway": NAMES["b"], "target": self.target}]}]}, indent=1))
        command("config", "validate", self.config("a"))

    def config(self, host: str) -> pathlib.Path:
        return self.directory / f"{NAMES[host]}.yaml"

    def _run(self, host: str) -> None:
        environment = {}
        if "preload" in self.settings:
            environment = {"LD_PRELOAD": self.settings["preload"],
                           "DX_ALLOC_FILE": f"{self.settings['preload_file']}-{host}"}
        self.run_end(host, [binary(), "run", "--config", self.config(host), *os.environ.get("DX_RUN_OPTIONS", "").split()],
                     environment=environment)

    def start_destination(self) -> None:
        self._run("b")
        self.wait_bound("b", self.ports[1])

    def start_origin(self) -> None:
        self._run("a")

    @property
    def endpoint(self) -> tuple[str, int]:
        return "127.0.0.1", self.ports[2]

    def status(self, host: str) -> dict:
        """What `dxgateway status --json` says of the gateway on `host`."""
        return json.loads(command("status", "--json", "--control", self.directory / f"{host}.sock").stdout)

    def packets(self, host: str) -> int:
        """Packets that the gateway on `host` sent and received so far."""
        return sum(peer["counters"].get(key, 0) for peer in self.status(host)["peers"]
                   for key in ("packets_sent", "packets_received"))
