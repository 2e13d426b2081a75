"""wireguard-go: WireGuard in user space, as Debian has it."""

from __future__ import annotations

import pathlib

from harness.lab import wait_until

from .packet_tunnel import PacketTunnel


class WireGuardGo(PacketTunnel):
    packages = ("wireguard-go=wireguard-go", "wg=wireguard-tools")

    def prepare(self) -> None:
        self.public = {}
        for host in "ab":
            key = self.lab.run(host, ["wg", "genkey"]).stdout
            (self.directory / f"{host}.key").write_text(key)
            self.public[host] = self.lab.run(host, ["wg", "pubkey"], input=key).stdout.strip()

    def _start(self, host: str) -> None:
        other = "b" if host == "a" else "a"
        device, mtu = self.device(host), min(self.network.link.mtu, 9000) - 80
        control = pathlib.Path(f"/var/run/wireguard/{device}.sock")
        self.run_end(host, ["wireguard-go", "-f", device], environment={"LOG_LEVEL": "error"})
        wait_until(control.exists, f"{self.name} has its control socket", alive=self.processes)
        port = {"a": self.ports[0], "b": self.ports[1]}
        outside = {"a": self.addresses.a, "b": self.addresses.b}
        self.lab.run(host, ["wg", "set", device, "private-key", self.directory / f"{host}.key", "listen-port", port[host],
                            "peer", self.public[other], "allowed-ips", f"{self.inside(other)}/32",
                            "endpoint", f"{outside[other]}:{port[other]}"])
        self.lab.run(host, ["ip", "address", "add", f"{self.inside(host)}/30", "dev", device])
        self.lab.run(host, ["ip", "link", "set", device, "up", "mtu", mtu])

    def start_destination(self) -> None:
        self._start("b")

    def start_origin(self) -> None:
        self._start("a")
