"""What every peer of the suite can do: be started, be reached, be weighed, be stopped."""

from __future__ import annotations

import pathlib
import socket
import time
from collections.abc import Sequence

from harness.lab import Process, check, wait_until

from .. import cpu
from ..namespaces import SERVER_PORT, Network
from ..packages import install

HELLO = b"e" + bytes(7) + b"are you there?"     # struct request of load.h, and something to send back


class Peer:
    """One way from host a to the load server on host b.

    Both ends run as root without CAP_NET_ADMIN, so that no program can exceed the socket buffers that
    the kernel's settings allow; those that make a TUN device keep it (`tunnels_packets`).
    """

    packages: tuple[str, ...] = ()     # as for scripts/packages
    tunnels_packets = False
    carries_tcp = True
    process_per_connection = False
    has_ends = True                    # programs of its own on the two hosts

    def __init__(self, name: str, network: Network, bbr: bool = False, settings: dict[str, str] | None = None) -> None:
        self.name, self.network, self.settings = name, network, settings or {}
        self.lab = network.lab
        self.addresses = network.addresses(bbr)
        self.ports = network.ports()
        self.directory = network.directory / name
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.ends: dict[str, list[Process]] = {"origin": [], "destination": []}
        self.prepared = False
        self.start_seconds = 0.0       # of the last start

    # ---- what each kind of peer says

    @classmethod
    def missing(cls) -> str | None:
        """Why its program cannot run on this machine, or None; installs Debian packages."""
        return install(cls.packages)

    def prepare(self) -> None:
        """Keys and configuration files."""

    def start_destination(self) -> None:
        """Start the end on host b, until it can be called."""

    def start_origin(self) -> None:
        """Start the end on host a; need not wait until it is ready."""

    @property
    def endpoint(self) -> tuple[str, int]:
        """Where a client on host a connects to reach the load server."""
        raise NotImplementedError

    # ---- what they share

    @property
    def target(self) -> str:
        """The load server, seen from host b."""
        return f"127.0.0.1:{SERVER_PORT}"

    def run_end(self, host: str, argv: Sequence[object], environment: dict[str, str] | None = None) -> Process:
        """Start a program that belongs to this peer."""
        end = "origin" if host == "a" else "destination"
        if not self.tunnels_packets:
            argv = ["setpriv", "--bounding-set=-net_admin", *argv]
        log = self.directory / f"{end}-{len(self.ends[end])}.log"
        process = self.lab.start(host, [str(word) for word in argv], f"{self.name} {end}", log, environment=environment)
        self.ends[end].append(process)
        return process

    def start(self) -> None:
        """Start both ends. `start_seconds` is from the origin's start to the first byte that came back."""
        if not self.prepared:
            self.prepare()
            self.prepared = True
        self.start_destination()
        begun = time.monotonic()
        self.start_origin()
        self.wait_working()
        self.start_seconds = time.monotonic() - begun

    def wait_working(self, seconds: float = 45.0) -> None:
        # One try may take some round trips; a lost handshake packet is worth a second try.
        patience = max(0.25, 8 * self.network.link.round_trip_ms / 1000)

        def works() -> bool:
            try:
                with self.lab.connect("a", self.endpoint[1], self.endpoint[0], patience) as connection:
                    connection.sendall(HELLO)
                    return connection.recv(1) == HELLO[8:9]
            except (OSError, socket.timeout):
                return False
        wait_until(works, f"{self.name} carries a byte", seconds, alive=self.processes)

    def wait_listening(self, host: str, port: int) -> None:
        wait_until(lambda: self.lab.listening(host, port), f"{self.name} listens on {port}", alive=self.processes)

    def wait_bound(self, host: str, port: int) -> None:
        wait_until(lambda: self.lab.udp_bound(host, port), f"{self.name} is bound to {port}", alive=self.processes)

    @property
    def processes(self) -> list[Process]:
        return [process for processes in self.ends.values() for process in processes]

    def groups(self) -> dict[str, list[int]]:
        """Root process ids of each end."""
        return {end: [process.pid for process in processes] for end, processes in self.ends.items() if processes}

    def resident(self) -> dict[str, int]:
        """Resident bytes of each end."""
        return {end: cpu.resident_bytes(pid for root in roots for pid in cpu.descendants(root))
                for end, roots in self.groups().items()}

    def check_alive(self) -> None:
        for process in self.processes:
            check(process.running(), f"{process.name} ended by itself: {process.ending()}: {self.last_words()}")

    def last_words(self) -> str:
        """The ends of its logs, for messages."""
        lines = [line for log in sorted(self.directory.glob("*.log"))
                 for line in log.read_text(errors="replace").strip().splitlines()[-2:]]
        return " / ".join(lines)[-300:]

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop(5.0)
        self.ends = {"origin": [], "destination": []}

    def certificate(self, name: str) -> tuple[pathlib.Path, pathlib.Path]:
        """(certificate, key): self-signed, P-256."""
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        self.lab.run("a", ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-keyout", key, "-out", certificate, "-days", "30", "-subj", f"/CN={name}",
                           "-addext", f"subjectAltName=DNS:{name}"])
        return certificate, key
