"""OpenVPN over UDP, point to point, certificates pinned by their fingerprints."""

from __future__ import annotations

from .packet_tunnel import PacketTunnel


class OpenVPN(PacketTunnel):
    packages = ("openvpn=openvpn", "openssl=openssl")

    def prepare(self) -> None:
        self.pairs = {host: self.certificate(host) for host in "ab"}
        self.fingerprint = {
            host: self.lab.run(host, ["openssl", "x509", "-in", pair[0], "-noout", "-fingerprint", "-sha256"])
            .stdout.strip().split("=", 1)[1] for host, pair in self.pairs.items()}

    def _start(self, host: str) -> None:
        other = "b" if host == "a" else "a"
        certificate, key = self.pairs[host]
        words = ["openvpn", "--dev", self.device(host), "--dev-type", "tun", "--proto", "udp4", "--disable-dco",
                 "--ifconfig", self.inside(host), self.inside(other), "--data-ciphers", "AES-128-GCM", "--cert", certificate,
                 "--key", key, "--peer-fingerprint", self.fingerprint[other], "--dh", "none", "--verb", "1",
                 "--keepalive", "10", "60"]
        if self.network.link.mtu > 1500:
            words += ["--tun-mtu", min(self.network.link.mtu, 9000) - 100]
        if host == "b":
            words += ["--tls-server", "--local", self.addresses.b, "--lport", self.ports[0]]
        else:
            words += ["--tls-client", "--remote", self.addresses.b, "--rport", self.ports[0], "--lport", self.ports[1]]
        self.run_end(host, words)

    def start_destination(self) -> None:
        self._start("b")
        self.wait_bound("b", self.ports[0])

    def start_origin(self) -> None:
        self._start("a")
