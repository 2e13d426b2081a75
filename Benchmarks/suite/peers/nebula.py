"""Nebula, as Debian has it; host b is the lighthouse."""

from __future__ import annotations

import json

from .packet_tunnel import PacketTunnel

ANY = [{"port": "any", "proto": "any", "host": "any"}]


class Nebula(PacketTunnel):
    packages = ("nebula=nebula", "nebula-cert=nebula")

    def prepare(self) -> None:
        authority = [self.directory / name for name in ("ca.crt", "ca.key")]
        self.lab.run("a", ["nebula-cert", "ca", "-name", "bench", "-out-crt", authority[0], "-out-key", authority[1]])
        port = {"a": self.ports[0], "b": self.ports[1]}
        for host in "ab":
            certificate, key = self.directory / f"{host}.crt", self.directory / f"{host}.key"
            self.lab.run(host, ["nebula-cert", "sign", "-ca-crt", authority[0], "-ca-key", authority[1], "-name", host,
                                "-ip", f"{self.inside(host)}/30", "-out-crt", certificate, "-out-key", key])
            # JSON is YAML. 60 bytes and an IPv4 and UDP header are what Nebula adds to a packet; its own
            # default of 1300 is for unknown paths.
            (self.directory / f"{host}.yaml").write_text(json.dumps({
                "pki": {"ca": str(authority[0]), "cert": str(certificate), "key": str(key)},
                "static_host_map": {self.inside_b: [f"{self.addresses.b}:{port['b']}"]} if host == "a" else {},
                "lighthouse": {"am_lighthouse": host == "b", "hosts": [] if host == "b" else [self.inside_b]},
                "listen": {"host": "0.0.0.0", "port": port[host]},
                "tun": {"dev": self.device(host), "mtu": min(self.network.link.mtu, 9000) - 88},
                "logging": {"level": "error"},
                "firewall": {"inbound": ANY, "outbound": ANY}}, indent=1))

    def start_destination(self) -> None:
        self.run_end("b", ["nebula", "-config", self.directory / "b.yaml"])
        self.wait_bound("b", self.ports[1])

    def start_origin(self) -> None:
        self.run_end("a", ["nebula", "-config", self.directory / "a.yaml"])
