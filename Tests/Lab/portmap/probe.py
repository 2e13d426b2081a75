"""The program under test (Tests/PortMapProbe) on host a, and packets from the internet to it."""

import os
import pathlib
import re
import secrets
import signal
import socket

from harness.lab import ROOT, Failure, check, wait_until

PORT = 7700


def binary():
    """The program under test."""
    named = os.environ.get("DX_PORT_MAP_PROBE")
    places = [pathlib.Path(named)] if named else [
        ROOT / ".build" / kind / "port-map-probe" for kind in ("release", "debug")]
    for place in places:
        if os.access(place, os.X_OK):
            return place.resolve()
    raise SystemExit(f"no program at {places[-1]}: build it (swift build --product port-map-probe) or set DX_PORT_MAP_PROBE")


class Probe:
    """A run of the program. Leaving the `with` block ends it, and fails when it had ended by itself."""

    def __init__(self, run, name="probe", port=PORT):
        self.lab, self.port = run.lab, port
        self.process = self.lab.start("a", [binary(), port], name, run.directory / f"{name}.log")

    def lines(self, *words):
        """What it said, of the lines that begin with `words`."""
        start = " ".join(words)
        return [line for line in self.process.output().splitlines() if line.startswith(start)]

    def wait(self, pattern, seconds=30.0, count=1):
        """Until so many lines match; returns the last of them and the seconds it took."""
        def found():
            lines = [line for line in self.process.output().splitlines() if re.fullmatch(pattern, line)]
            return lines if len(lines) >= count else None
        try:
            lines, seconds = wait_until(found, f"line {pattern!r}", seconds, alive=[self.process])
        except Failure as failure:
            raise Failure(f"{failure}; it said: {self.process.output()!r}") from None
        return lines[count - 1], seconds

    def ask_again(self):
        """SIGHUP: as after a change of the network."""
        os.kill(self._pid(), signal.SIGHUP)

    def stop(self):
        """SIGTERM; it says that it has ended its mappings."""
        check(self.process.running(), f"it ended by itself ({self.process.ending()}): {self.process.output()!r}")
        check(self.process.stop(), "it did not end within 10 s of SIGTERM")
        check(self.process.popen.returncode == 0, f"on SIGTERM: {self.process.ending()}")
        check(self.lines("stopped"), "it did not say that it stopped")

    def _pid(self):
        # `ip netns exec` becomes the program.
        return self.process.pid


class Outside:
    """A host of the internet that sends to a mapped port, and the socket that is mapped."""

    def __init__(self, lab, port=PORT, v6=False):
        self.lab, self.v6 = lab, v6
        self.family = socket.AF_INET6 if v6 else socket.AF_INET
        self.inside = lab.socket("a", self.family, socket.SOCK_DGRAM)
        self.inside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.inside.bind(("::" if v6 else "0.0.0.0", port))
        lab.at_end(self.inside.close)

    def reaches(self, address, port, seconds=2.0):
        """Does a datagram of a new flow to that address come in, and its answer back from there?"""
        with self.lab.socket("m1", self.family, socket.SOCK_DGRAM) as out:
            question, answer = secrets.token_bytes(16), secrets.token_bytes(16)
            out.settimeout(seconds)
            self.inside.settimeout(seconds)
            out.sendto(question, (address, port))
            try:
                while True:
                    got, source = self.inside.recvfrom(2048)
                    if got == question:     # not one of an earlier try
                        break
                self.inside.sendto(answer, source)
                got, source = out.recvfrom(2048)
            except TimeoutError:
                return False
            check(got == answer, "an answer came changed")
            check(source[:2] == (address, port), f"the answer came from {source}")
            return True
