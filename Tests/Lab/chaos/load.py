"""What goes through the tunnels: connections of several kinds, one after the other."""

import contextlib
import random
import select
import socket
import threading
import time

from harness.lab import Failure

from .ledger import HANG, REFUSED, WHOLE
from .wire import BLOCK, DOWN, ECHO, HEADER, PATTERN, RECEIPT, UP, Wire, Wrong, ending_of, read_exactly

# After a refusal a client tries again so much later.
AGAIN = 0.3
# What one connection of a stalled tunnel sends at most while nobody reads.
STALLED_BYTES = 1 << 20
STALLED_COUNT = 48
# Between two datagrams, which nothing holds back, two words, and two short connections.
PAUSE = 0.05


class Flow:
    """Connections through one tunnel, one after the other, from a thread."""

    def __init__(self, lab, ledger, name, origin, port, destinations, seed):
        self.lab, self.ledger, self.name = lab, ledger, name
        self.origin, self.port, self.destinations = origin, port, destinations
        self.chance = random.Random(f"{seed}/{name}")
        self.stopping = threading.Event()
        self.whole_at = 0.0         # when a connection last ended whole
        self.began_whole = 0.0      # when the one began that did
        self.moved_at = 0.0
        self.longest = 0.0          # the longest silence of an open connection
        self.bytes = 0

    def start(self):
        self.stopping.clear()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while not self.stopping.is_set():
            if not self.connect():
                self.stopping.wait(AGAIN)

    def connect(self):
        """One connection to its end; True when it was whole."""
        connection = self.ledger.open(self)
        side, wire = connection.client, None
        try:
            with self.lab.connect(self.origin, self.port, seconds=HANG) as made:
                wire = Wire(made, side, connection.number, True, self.pace())
                self.talk(made, wire, connection)
            side.finish(WHOLE)
            self.whole_at, self.began_whole = side.ended, side.started
            return True
        except (OSError, Failure) as problem:
            refused = isinstance(problem, ConnectionRefusedError) and wire is None
            side.finish(REFUSED if refused else ending_of(problem), str(problem))
            return False
        finally:
            if wire is not None:
                self.longest = max(self.longest, wire.longest or 0.0)
                self.bytes += side.sent + side.received

    def pace(self):
        return None

    def talk(self, made, wire, connection):
        raise NotImplementedError

    def begin(self, made, connection, what, count=0):
        made.sendall(HEADER.pack(connection.number, what, count))


class Down(Flow):
    """Bulk bytes from the target."""

    def talk(self, made, wire, connection):
        count = self.chance.randint(200_000, 3_000_000)
        self.begin(made, connection, DOWN, count)
        wire.receive_exactly(count)
        wire.receive_end()


class Up(Flow):
    """Bulk bytes to the target, which says how many it got."""

    def pace(self):
        return 400_000

    def talk(self, made, wire, connection):
        self.begin(made, connection, UP)
        wire.send(self.chance.randint(200_000, 3_000_000))
        self.settle(made, wire, connection)

    def settle(self, made, wire, connection):
        wire.finish()
        got, = RECEIPT.unpack(read_exactly(made, RECEIPT.size))
        # The target saw an end in good order, and its word of that came through: what is less is missing, what is more was doubled.
        if got != wire.side.sent:
            raise Wrong(f"the target got {got} of {wire.side.sent} bytes")
        if made.recv(1):
            raise Wrong("something came after the receipt")


class Words(Flow):
    """One connection for as long as it lives: a word, its echo, a little later the next one."""

    def talk(self, made, wire, connection):
        self.begin(made, connection, ECHO)
        while not self.stopping.is_set():
            wire.send(16)
            wire.receive_exactly(16)
            self.moved_at = time.monotonic()
            self.stopping.wait(PAUSE)
        wire.finish()
        wire.receive_end()


class Short(Flow):
    """Connections again and again: some bytes, their echo, the end."""

    def talk(self, made, wire, connection):
        self.begin(made, connection, ECHO)
        for _ in range(self.chance.randint(1, 4)):
            count = self.chance.randint(1, 4000)
            wire.send(count)
            wire.receive_exactly(count)
        wire.finish()
        wire.receive_end()
        self.stopping.wait(PAUSE)


class Stall(Up):
    """Connections that a fault opens: all at once, filled while nobody reads, and whole in the end."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.release = threading.Event()
        self.threads = []

    def start(self):
        """They begin with the fault."""
        self.stopping.clear()

    def fill(self):
        self.release.clear()
        self.threads = [threading.Thread(target=self.connect, daemon=True) for _ in range(STALLED_COUNT)]
        for thread in self.threads:
            thread.start()

    def let_go(self):
        self.release.set()
        for thread in self.threads:
            thread.join(HANG)

    def pace(self):
        return None

    def talk(self, made, wire, connection):
        self.begin(made, connection, UP)
        while wire.side.sent < STALLED_BYTES and not self.release.is_set():
            # Half a second without room is what this is for.
            if select.select([], [made], [], 0.5)[1]:
                made.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    wire.send(BLOCK)
                made.settimeout(HANG)
        self.release.wait(HANG)
        self.settle(made, wire, connection)


class Datagrams:
    """Questions through a UDP tunnel, each with a number and bytes that belong to it, and their answers."""

    def __init__(self, lab, ledger, name, origin, port, destination, target_port):
        self.lab, self.name, self.origin, self.port = lab, name, origin, port
        self.destinations, self.target_port = (destination,), target_port
        self.stopping = threading.Event()
        self.counts = ledger.datagrams[name] = {"sent": 0, "at_target": 0, "answered": 0, "repeated": 0, "wrong": 0}
        self.answered_at, self.threads = 0.0, []
        self._seen = set()

    @staticmethod
    def text(number):
        return number.to_bytes(8, "big") + bytes(PATTERN.at(number * 7919, 40 + number * 37 % 1900))

    def start(self):
        self.stopping.clear()
        self.threads = [threading.Thread(target=part, daemon=True) for part in (self._serve, self._ask)]
        for thread in self.threads:
            thread.start()

    def _serve(self):
        with self.lab.socket(self.destinations[0], kind=socket.SOCK_DGRAM) as target:
            target.bind(("127.0.0.1", self.target_port))
            target.settimeout(0.2)
            while not self.stopping.is_set():
                with contextlib.suppress(OSError):
                    data, source = target.recvfrom(65536)
                    self.counts["at_target"] += 1
                    self._check(data)
                    target.sendto(data, source)

    def _ask(self):
        with self.lab.socket(self.origin, kind=socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", self.port))
            client.settimeout(PAUSE)
            while not self.stopping.is_set():
                # A closed port says so; the next one may pass.
                try:
                    client.send(self.text(self.counts["sent"]))
                    self.counts["sent"] += 1
                    while True:
                        self._answer(client.recv(65536))
                except socket.timeout:
                    continue
                except OSError:
                    self.stopping.wait(PAUSE)

    def _answer(self, data):
        if self._check(data):
            number = int.from_bytes(data[:8], "big")
            self.counts["repeated" if number in self._seen else "answered"] += 1
            self._seen.add(number)
            self.answered_at = time.monotonic()

    def _check(self, data):
        number = int.from_bytes(data[:8], "big")
        good = len(data) >= 8 and number <= self.counts["sent"] and data == self.text(number)
        self.counts["wrong"] += not good
        return good

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(5.0)
