"""One side of a connection: what is sent and what has to come, each byte known by its place; and how it ended, in a word."""

import socket
import struct
import time

from harness.data import PERIOD, Pattern
from harness.lab import Failure

from .ledger import EARLY, HANG, RESET, SILENT, STOPPED, WRONG

# What a connection begins with: which it is, what the target is to do, and how much of it.
HEADER = struct.Struct(">QcQ")
DOWN, UP, ECHO = b"D", b"U", b"E"
RECEIPT = struct.Struct(">Q")
PATTERN = Pattern(6)
BLOCK = 16384


def place(number, up):
    """Where in the pattern the bytes of a connection begin: each direction of each connection somewhere else."""
    return (number * 2 + up) * 7919 * 13 % PERIOD


class Wrong(Failure):
    """Bytes that are not those which must stand there, or more than were sent."""


class Early(Failure):
    """The end came before all bytes had."""


class Stopped(Failure):
    """The program of this side was ended, as far as anybody can tell."""


def patiently(operation, stopped=None):
    """An operation of a socket, again and again until it is done, `stopped` says true, or nothing came of it for too long."""
    since = time.monotonic()
    while True:
        if stopped and stopped():
            raise Stopped("the target was stopped")
        try:
            return operation()
        except socket.timeout:
            if time.monotonic() - since >= HANG:
                raise


def ending_of(problem):
    """What an exception says of how a side ended."""
    if isinstance(problem, Stopped):
        return STOPPED
    if isinstance(problem, Wrong):
        return WRONG
    if isinstance(problem, Early):
        return EARLY
    if isinstance(problem, (socket.timeout, TimeoutError)):
        return SILENT
    return RESET


class Wire:
    """A side's socket: counts, compares, and knows its longest silence."""

    def __init__(self, connection, side, number, client, pace=None, stopped=None):
        self.socket, self.side, self.pace, self.stopped = connection, side, pace, stopped
        self.out, self.into = place(number, client), place(number, not client)
        self.began, self.paced = time.monotonic(), 0
        self.last = self.longest = None

    def moved(self):
        now = time.monotonic()
        if self.last is not None and (self.longest is None or now - self.last > self.longest):
            self.longest = now - self.last
        self.last = now

    def send(self, count, stop=None):
        """Send so many bytes of the pattern, or until `stop` says so; at the pace (bytes a second) that was given."""
        while count > 0 and not (stop and stop()):
            part = PATTERN.at(self.out + self.side.sent, min(BLOCK, count))
            sent = patiently(lambda: self.socket.send(part), self.stopped)      # noqa: B023
            self.side.sent += sent
            count -= sent
            self.moved()
            if self.pace:
                self.paced += sent
                time.sleep(max(0.0, min(1.0, self.began + self.paced / self.pace - time.monotonic())))

    def receive(self, most=BLOCK):
        """Receive something and compare it; the number of bytes, 0 at the end."""
        part = patiently(lambda: self.socket.recv(most), self.stopped)
        if part != PATTERN.at(self.into + self.side.received, len(part)):
            raise Wrong(f"between {self.side.received} and {self.side.received + len(part)}")
        self.side.received += len(part)
        if part:
            self.moved()
        return len(part)

    def receive_exactly(self, count):
        while count > 0:
            got = self.receive(min(BLOCK, count))
            if not got:
                raise Early(f"{count} bytes are missing")
            count -= got

    def receive_end(self):
        if self.receive():
            raise Wrong("more came than was sent")

    def finish(self):
        self.socket.shutdown(socket.SHUT_WR)


def read_exactly(connection, count, stopped=None):
    """Bytes that are no pattern: a header, a receipt."""
    got = b""
    while len(got) < count:
        missing = count - len(got)
        part = patiently(lambda: connection.recv(missing), stopped)     # noqa: B023
        if not part:
            raise Early(f"{len(got)} of {count} bytes of a header or receipt")
        got += part
    return got
