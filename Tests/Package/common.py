"""What the tests of packages and images share: a network of nothing but loopback, and a gateway that the packaged one joins."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "Tests/Lab"))

from harness.data import Pattern, Server, echo  # noqa: E402
from harness.lab import Failure, Lab, Process, check, wait_until  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get("DX_BIN", ROOT / ".build/release/dxgateway")).resolve()
MATCHD = PROGRAM.with_name("dxmatchd")
STATE = "/var/lib/dx/gateway"
BYTES = 4 << 20
# What a small device has room for: of a program, of an image as it is loaded, and once it is unpacked, with the libraries that the
# program loads.
LARGEST = 60_000_000
LARGEST_UNPACKED = 70_000_000


class Loopback(Lab):
    """A network namespace with nothing in it but its loopback."""

    def __init__(self, identity):
        super().__init__(identity, None)

    def namespace(self, host):
        return f"dx-{self.identity}-{host}"

    def up(self):
        for command in (["netns", "add", self.namespace("a")], ["-n", self.namespace("a"), "link", "set", "lo", "up"]):
            subprocess.run(["ip", *command], check=True)

    def start(self, host, argv, name, log, **options):
        # Not by `ip netns exec`, which puts another /sys there, without control groups.
        process = Process(name, ["nsenter", f"--net=/run/netns/{self.namespace(host)}", *argv], log, **options)
        self.processes.append(process)
        return process

    def down(self):
        self.stop_all()
        subprocess.run(["ip", "netns", "del", self.namespace("a")], check=False)


def call(argv, ok=True, seconds=300.0):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=seconds)
    if ok:
        check(done.returncode == 0, f"{' '.join(map(str, argv[-6:]))} exited with {done.returncode}: "
                                    f"{(done.stderr or done.stdout).strip()[-800:]}")
    return done


class Connection:
    """An open connection whose other end sends everything back."""

    def __init__(self, connection):
        self.connection, self.pattern, self.offset = connection, Pattern(2), 0

    def exchange(self):
        self.pattern.send(self.connection, 65536, self.offset)
        self.pattern.receive(self.connection, 65536, self.offset)
        self.offset += 65536


class Hub:
    """The gateway that the packaged one joins: outside of the roots, with a state of its own."""

    def __init__(self, lab, directory):
        self.lab, self.state, settings = lab, directory / "hq", directory / "hq.yaml"
        settings.write_text('listen: "127.0.0.1:0"\n')
        call([PROGRAM, "init", "--group", "plant", "--name", "hq", "--state", self.state])
        self.process = lab.start("a", [PROGRAM, "run", "--state", self.state, "--config", settings], "hq", directory / "hq.log")
        wait_until(lambda: call([PROGRAM, "status", "--state", self.state], False).returncode == 0, "hq runs", 60.0,
                   alive=[self.process])

    def ask(self, *arguments):
        return json.loads(call([PROGRAM, *arguments, "--state", self.state, "--json"]).stdout)

    def token(self, name):
        return self.ask("invite", "--name", name)["invitations"][0]["token"] + "\n"

    def members(self):
        return {member["name"]: member["gateway"] for member in self.ask("member", "list")["members"]}

    def wait_member(self, name):
        return wait_until(lambda: self.members().get(name), f"{name} has joined", 60.0)[0]

    @contextlib.contextmanager
    def connected(self, name):
        """A connection through the tunnel of `exchange`, made once, that goes on for as long as it is wanted."""
        # One that has just been started may not listen yet.
        self.exchange(name)
        with Server(self.lab, "a", 8000, echo), self.lab.connect("a", self.port(name), seconds=60.0) as connection:
            open_one = Connection(connection)
            open_one.exchange()
            yield open_one

    @staticmethod
    def port(name):
        return 20000 + sum(name.encode())

    def exchange(self, name):
        """A tunnel from the packaged gateway to hq, made once; bytes there and back, compared."""
        port = self.port(name)
        with Server(self.lab, "a", 8000, echo):
            if f"from-{name}" not in {tunnel["definition"]["name"] for tunnel in self.ask("tunnel", "list")["tunnels"]}:
                self.ask("tunnel", "add", f"from-{name}", "--origin", f"{name}@127.0.0.1:{port}", "--destination",
                         "hq@127.0.0.1:8000")

            def carried():
                # A gateway that has just started listens before its destination has answered.
                try:
                    with self.lab.connect("a", port, seconds=60.0) as connection:
                        pattern = Pattern(1)
                        for offset in range(0, BYTES, 65536):
                            pattern.send(connection, 65536, offset)
                            pattern.receive(connection, 65536, offset)
                        return True
                except (ConnectionError, Failure) as problem:
                    if "wrong bytes" in str(problem):
                        raise
                    return False
            wait_until(carried, f"{name}'s tunnel carries {BYTES} bytes", 60.0)
