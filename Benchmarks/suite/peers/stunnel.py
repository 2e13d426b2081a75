"""stunnel: TCP in TLS 1.3, certificates pinned both ways."""

from __future__ import annotations

from .peer import Peer

COMMON = """foreground = yes
pid =
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
debug = warning
[tunnel]
verifyPeer = yes
sslVersion = TLSv1.3
ciphersuites = TLS_AES_128_GCM_SHA256
"""


class Stunnel(Peer):
    packages = ("stunnel4=stunnel4", "openssl=openssl")

    def prepare(self) -> None:
        pairs = {name: self.certificate(name) for name in ("origin", "destination")}
        wire = f"{self.addresses.b}:{self.ports[0]}"
        ends = {"origin": ("destination", f"client = yes\naccept = 127.0.0.1:{self.ports[1]}\nconnect = {wire}\n"),
                "destination": ("origin", f"accept = {wire}\nconnect = {self.target}\n")}
        for name, (other, lines) in ends.items():
            certificate, key = pairs[name]
            (self.directory / f"{name}.conf").write_text(
                f"{COMMON}{lines}cert = {certificate}\nkey = {key}\nCAfile = {pairs[other][0]}\n")

    def start_destination(self) -> None:
        self.run_end("b", ["stunnel4", self.directory / "destination.conf"])
        self.wait_listening("b", self.ports[0])

    def start_origin(self) -> None:
        self.run_end("a", ["stunnel4", self.directory / "origin.conf"])

    @property
    def endpoint(self) -> tuple[str, int]:
        return "127.0.0.1", self.ports[1]
