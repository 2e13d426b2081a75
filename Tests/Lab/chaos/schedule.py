"""What is broken, when, where and for how long: made from a seed alone, before anything runs."""

import dataclasses
import math
import random

HOSTS = "abcde"
LINKS = ("a", "b", "c", "d", "e", "lte")
# Hosts with one interface, whose address may change.
SINGLE = "cde"
# Hosts whose programs see a clock that can be set (wallclock.c).
CLOCKED = "bd"
# The tunnels that can be filled by targets that do not read (load.py), by name: (origin, destination).
STALLS = {"stall-1": ("c", "d"), "stall-2": ("e", "a"), "stall-3": ("a", "b")}
TARGETS = ("down@b", "up@d", "words@c", "short@a", "ha@b", "ha@d")
# The measure: so many of each kind in so many seconds.
EACH, FULL_SECONDS = 20, 1800
# The part of the time in which faults begin and end; in the rest all is whole, and what must be flat is measured.
BROKEN_PART = 0.75
# Two gateways never are without a way to each other for longer than this, whatever comes together: half the default
# liveness (60 s), after which a gateway ends connections rightly.
LONGEST_BLOCK = 30.0
# How long a gateway that is told to stop may let connections finish (`drain_timeout`), in seconds: part of what `stop` takes.
DRAIN = 5.0
# Blocks that are nearer to each other than this are one: what was sent first after the one may be lost in the other.
BLOCK_GAP = 4.0


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of fault: where it can be, how long it lasts, what must not be broken twice at a time, and what it stops."""

    name: str
    what: str
    places: tuple
    low: float
    high: float
    lock: str               # faults with the same lock at the same place do not overlap
    blocks: bool = False    # nothing, or nothing large, passes to or from that host meanwhile
    details: tuple = ("",)


KINDS = (
    Kind("cut", "a link passes nothing", LINKS, 2, 10, "passing", True),
    Kind("one-way", "a link passes nothing in one direction", LINKS, 2, 10, "passing", True, ("fwd", "rev")),
    Kind("small-only", "a link passes packets of up to 600 bytes", LINKS, 2, 10, "size", True),
    Kind("loss", "a link loses 30 % of the packets each way", LINKS, 4, 15, "loss"),
    Kind("duplicate", "a link delivers 30 % of the packets twice", LINKS, 4, 15, "duplicate"),
    Kind("reorder", "packets are delayed by 0 to 40 ms, each by another time", LINKS, 4, 15, "order"),
    Kind("conflict", "another host has the same address, and traffic goes to the one and the other in turns", tuple(HOSTS), 3, 8,
         "address", True),
    Kind("mtu", "the MTU shrinks: of the interface, or unsaid, of the way", LINKS, 4, 15, "size", False,
         ("interface 1280", "interface 1400", "way 1280", "way 1400")),
    Kind("address", "the only interface gets another address, at once or after a time without any", tuple(SINGLE), 1, 5, "address", True,
         ("at once", "after a time")),
    Kind("clock", "the wall clock jumps, and back again", tuple(CLOCKED), 4, 20, "clock", False,
         ("+30 s", "-30 s", "+3600 s", "-3600 s", "+86400 s", "-86400 s", "+315360000 s")),
    Kind("disk", "no byte can be written where the state is", tuple(HOSTS), 4, 20, "disk"),
    Kind("descriptors", "no file descriptor is left", tuple(HOSTS), 3, 8, "process"),
    Kind("memory", "48 connections through one tunnel are filled, and nobody reads them", tuple(STALLS), 6, 12, "memory"),
    Kind("kill", "kill -9, and a start", tuple(HOSTS), 1, 4, "process", True),
    Kind("stop", "SIGTERM, and a start", tuple(HOSTS), 1, 4, "process", True),
    Kind("suspend", "SIGSTOP, and SIGCONT", tuple(HOSTS), 2, 12, "process", True),
    Kind("target", "a tunnel's target stops, its connections are reset, and it starts again", TARGETS, 1, 5, "target"),
    Kind("matchmaker", "kill -9 of the matchmaker, and a start", ("m",), 1, 5, "matchmaker"),
)
BY_NAME = {kind.name: kind for kind in KINDS}


@dataclasses.dataclass(frozen=True)
class Fault:
    """One fault of the schedule. Times are seconds from the beginning of its round."""

    number: int
    round: int
    kind: str
    place: str
    detail: str
    at: float
    seconds: float

    @property
    def end(self):
        return self.at + self.seconds + (DRAIN if self.kind == "stop" else 0.0)

    @property
    def hosts(self):
        """The hosts whose traffic it touches."""
        if self.kind == "memory":
            return STALLS[self.place]
        if self.kind == "target":
            return (self.place[-1],)
        if self.kind == "conflict":
            return (self.place, self.detail)
        if self.kind == "matchmaker":
            return ()
        return ("a", "b") if self.place == "lte" else (self.place,)

    def __str__(self):
        return f"{self.number:4}  {self.round}  {self.at:7.1f} s  {self.seconds:5.1f} s  {self.kind:11}  {self.place:8}  {self.detail}"


@dataclasses.dataclass(frozen=True)
class Schedule:
    seed: int
    seconds: float
    rounds: int
    window: float           # seconds of a round in which faults are
    faults: tuple

    def of_round(self, number):
        return [fault for fault in self.faults if fault.round == number]

    def text(self):
        lines = [f"schedule of seed {self.seed}: {len(self.faults)} faults in {self.rounds} rounds of {self.window:.0f} s",
                 "   #  round  begins   lasts   kind         place     detail"]
        return "\n".join(lines + [str(fault) for fault in self.faults])


def mortal(number, rounds):
    """The hosts whose gateways may be ended in a round.

    Memory is compared within one process's life: `a` lives through all of it, `c` through the first half, `d` through the second.
    """
    return "bde" if number < rounds / 2 else "bce"


def make(seed, seconds):
    """The schedule of a seed, for a run of about so many seconds (60 or more)."""
    chance = random.Random(seed)
    rounds = 2 if seconds < 600 else round(seconds / 300)
    each = max(1, math.ceil(EACH * seconds / FULL_SECONDS / rounds))
    window = seconds * BROKEN_PART / rounds
    faults = []
    for number in range(rounds):
        mine = []
        # The longest first: they are the hardest to find a place for.
        for kind in sorted(KINDS, key=lambda kind: (not kind.blocks, -kind.high, kind.name)):
            for _ in range(each):
                mine.append(place(chance, kind, number, rounds, window, mine))
        faults += sorted(mine, key=lambda fault: (fault.at, fault.kind))
    numbered = tuple(dataclasses.replace(fault, number=index + 1) for index, fault in enumerate(faults))
    return Schedule(seed, seconds, rounds, window, numbered)


def place(chance, kind, number, rounds, window, others):
    """A fault that goes with the others of its round; raises when a thousand tries find none."""
    places = kind.places
    if kind.name in ("kill", "stop"):
        places = tuple(mortal(number, rounds))
    for _ in range(1000):
        seconds = round(chance.uniform(kind.low, kind.high), 1)
        at = round(chance.uniform(0, window - seconds), 1)
        where = chance.choice(places)
        detail = chance.choice([host for host in HOSTS if host != where]) if kind.name == "conflict" else chance.choice(kind.details)
        fault = Fault(0, number, kind.name, where, detail, at, seconds)
        if all(apart(fault, other) for other in others) and not blocked_too_long(fault, others):
            return fault
    raise ValueError(f"no room for another {kind.name} in a round of {window:.0f} s: fewer faults, or more seconds")


def locks(fault):
    """What it changes alone, as (what, where)."""
    kind = BY_NAME[fault.kind]
    if fault.kind == "conflict":
        return {(kind.lock, fault.place), (kind.lock, fault.detail)}
    return {(kind.lock, fault.place)}


def apart(fault, other):
    """Do two faults change different things, or one after the other?"""
    return not (locks(fault) & locks(other)) or fault.at >= other.end + 1.0 or other.at >= fault.end + 1.0


def blocked_too_long(fault, others):
    """Would two hosts be without a way to each other for too long?"""
    if not BY_NAME[fault.kind].blocks:
        return False
    blocks = [each for each in [*others, fault] if BY_NAME[each.kind].blocks]
    for one in fault.hosts:
        for other in HOSTS:
            spans = sorted((each.at, each.end) for each in blocks if {one, other} & set(each.hosts))
            if one != other and longest(spans) > LONGEST_BLOCK:
                return True
    return False


def longest(spans):
    """The longest of these spans when those that nearly touch are one."""
    most, begin, end = 0.0, None, None
    for at, until in spans:
        if begin is None or at > end + BLOCK_GAP:
            begin, end = at, until
        end = max(end, until)
        most = max(most, end - begin)
    return most
