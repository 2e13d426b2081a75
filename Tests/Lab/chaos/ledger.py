"""The book of all connections: what each end sent, got and saw as its end, and whether what was broken explains that."""

import dataclasses
import threading
import time

# How a side of a connection ended. `whole`: all bytes came, each right, and then the other's end, nothing behind it.
WHOLE, RESET, REFUSED, EARLY, WRONG, SILENT, STOPPED = "whole", "reset", "refused", "early end", "wrong bytes", "silence", "stopped"

# An open connection of a dead gateway ends within `liveness` (60 s) of its last sign of life; half as much again for slow machines.
ENDS_WITHIN = 90.0
# After a fault the channels are made anew: so long new connections may be refused for it. A damped retry waits up to some 20 s.
RECOVERS_WITHIN = 60.0
# Nothing that these faults do may keep an open connection silent for longer (schedule.LONGEST_BLOCK and a damped retry are
# within liveness): what is silent for twice as long as liveness hangs.
HANG = 120.0
# Clocks of threads that note a thing that just happened.
NOTICE = 1.0

# What may end a connection that was open: its gateways or its target were ended.
ENDS_OPEN = {"kill", "stop", "target"}
# Where a host's address belongs to another host as well, that one says truly that no gateway listens there (ICMP), and nothing tells it
# from the host of a gateway that died (docs/ha.md §5): open connections of the host whose address it is may end.
MISTAKEN_FOR_DEAD = "conflict"

# What may refuse a new one.
REFUSES = ENDS_OPEN | {"cut", "one-way", "small-only", "conflict", "address", "suspend", "descriptors", "memory"}


@dataclasses.dataclass
class Side:
    """One end of a connection, as its program saw it. Times are of time.monotonic()."""

    host: str
    started: float = 0.0
    ended: float = 0.0
    how: str = ""
    note: str = ""
    sent: int = 0
    received: int = 0

    def finish(self, how, note=""):
        self.how, self.note, self.ended = how, note, time.monotonic()


class Connection:
    """A connection through a tunnel: the client's side, and the target's when it got there."""

    def __init__(self, number, flow, client):
        self.number, self.flow, self.client, self.target = number, flow, client, None

    @property
    def over(self):
        return bool(self.client.how) and (self.target is None or bool(self.target.how))

    def words(self):
        def side(each):
            if each is None:
                return "never there"
            return (f"{each.how or 'open'} on {each.host} after {(each.ended or time.monotonic()) - each.started:.1f} s, sent {each.sent}, "
                    f"received {each.received}{f' ({each.note})' if each.note else ''}")
        return f"connection {self.number} of {self.flow.name}: client {side(self.client)}; target {side(self.target)}"


class Ledger:
    """All connections of a run."""

    def __init__(self):
        self._lock = threading.Lock()
        self.connections = []
        self.problems = []          # what is wrong whatever was broken
        self.datagrams = {}         # flow name -> counts

    def open(self, flow):
        with self._lock:
            connection = Connection(len(self.connections), flow, Side(flow.origin, time.monotonic()))
            self.connections.append(connection)
        return connection

    def arrive(self, number, host):
        """A target got a connection's first bytes. No byte of a client reaches two targets."""
        with self._lock:
            connection = self.connections[number] if number < len(self.connections) else None
            if connection is None or connection.target is not None:
                self.problems.append(f"connection {number} came to a target on {host}"
                                     + (f" and to one on {connection.target.host}" if connection else ", and nobody had opened it"))
                return None
            connection.target = Side(host, time.monotonic())
        return connection

    def unfinished(self):
        with self._lock:
            return [each for each in self.connections if not each.over]

    def judge(self, made):
        """What is wrong with each connection, as sentences, when the faults `made` are what was broken; and how many ended how."""
        wrong, endings = [], {}
        for connection in list(self.connections):
            verdict = self._judge(connection, made)
            if verdict:
                wrong.append(f"{connection.words()}: {verdict}")
            name = ending(connection)
            endings.setdefault(connection.flow.name, {}).setdefault(name, 0)
            endings[connection.flow.name][name] += 1
        return wrong, endings

    @staticmethod
    def _judge(connection, made):
        if not connection.over:
            return "it did not end"
        for side in (connection.client, connection.target):
            if side is not None and side.how in (WRONG, SILENT):
                return side.how
        short = shortfall(connection)
        for side, other in ((connection.client, connection.target), (connection.target, connection.client)):
            if side is None or side.how == STOPPED:
                continue
            # An end in good order after a part of what a client sent, who did not end: to the target that is a lie.
            cut_off = side is connection.target and side.how == WHOLE and other.how != WHOLE and side.received < other.sent
            how = EARLY if cut_off else side.how
            if how == WHOLE and not short:
                continue
            if not explained(connection, side, how, made, short):
                return "nothing that was broken explains it" + (f": {short}" if short else "")
        return None


def shortfall(connection):
    """What a side that saw a whole connection lacks of what the other one sent, in words."""
    client, target = connection.client, connection.target
    if target is None:
        return "the client's was whole and no target had it" if client.how == WHOLE else ""
    pairs = ((target, client, "target"), (client, target, "client"))
    for side, other, name in pairs:
        if side.how == WHOLE and other.how == WHOLE and side.received != other.sent:
            return f"the {name} got {side.received} of {other.sent} bytes"
        if side.received > other.sent:
            return f"the {name} got {side.received} bytes of which only {other.sent} were sent"
    return ""


def ending(connection):
    """One word for the table."""
    if not connection.over:
        return "open"
    client, target = connection.client, connection.target
    if client.how == WHOLE and target is not None and target.how == WHOLE:
        return WHOLE
    if target is None:
        return REFUSED
    return next(how for how in (WRONG, SILENT, RESET, EARLY, STOPPED, REFUSED, WHOLE) if how in (client.how, target.how))


def explained(connection, side, how, made, short):
    """Does one of the faults explain how this side ended?"""
    if short:
        return False
    if how == EARLY:
        # The kernel ends the connections of a killed program in good order when nothing in them waits to be read.
        # Who does not read sees it later.
        return any(each.kind == "kill" and side.host in each.hosts and touches(each, side, ENDS_WITHIN)
                   and side.started <= each.over + NOTICE for each in made)
    hosts = {connection.flow.origin, *([connection.target.host] if connection.target else connection.flow.destinations)}
    for each in made:
        # A target that stopped ends and refuses what would come out there, and nothing else.
        if not hosts & set(each.hosts) or (each.kind == "target" and each.place not in {f"{connection.flow.name}@{host}" for host in hosts}):
            continue
        if connection.target is None:
            if each.kind in REFUSES and touches(each, side, RECOVERS_WITHIN):
                return True
        elif each.kind in ENDS_OPEN or (each.kind == MISTAKEN_FOR_DEAD and each.place in hosts):
            # What reached its target when all was back runs through what is there now.
            if touches(each, side, ENDS_WITHIN) and connection.target.started <= each.over + NOTICE:
                return True
    return False


def touches(fault, side, after):
    """Did the side end after the fault began, and not too long after it was over?"""
    return fault.begun - NOTICE <= side.ended <= fault.over + after
