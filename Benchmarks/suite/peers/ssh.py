"""`ssh -L`: OpenSSH's port forwarding."""

from __future__ import annotations

import shutil

from apps.programs import ssh_options, start_sshd

from ..namespaces import SERVER_PORT
from .peer import Peer


class SSH(Peer):
    packages = ("sshd=openssh-server", "ssh=openssh-client")

    def prepare(self) -> None:
        for name in ("host", "user"):
            self.lab.run("a", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / name])
        shutil.copy(self.directory / "user.pub", self.directory / "authorized")

    def start_destination(self) -> None:
        self.ends["destination"].append(
            start_sshd(self.lab, "b", self.ports[0], self.directory, self.addresses.b))

    def start_origin(self) -> None:
        self.run_end("a", [
            "ssh", *ssh_options(self.directory), "-N", "-c", self.settings["cipher"], "-o", "ExitOnForwardFailure=yes",
            "-L", f"127.0.0.1:{self.ports[1]}:127.0.0.1:{SERVER_PORT}", "-p", self.ports[0], f"root@{self.addresses.b}"])

    @property
    def endpoint(self) -> tuple[str, int]:
        return "127.0.0.1", self.ports[1]
