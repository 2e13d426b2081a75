"""How each kind of fault is made, and undone."""

import contextlib
import signal
import threading
import time

from harness.lab import wait_until

from .schedule import Fault

# What a link is told, and what makes it as it was. Each touches settings of its own, so that faults of different kinds overlap.
LINK = {
    "cut": ("down", "up"),
    "small-only": ("maxlen=600", "maxlen=0"),
    "loss": ("loss=30", "loss=0"),
    "duplicate": ("dup=30", "dup=0"),
    "reorder": ("jitter=20,reorder=1", "jitter=0,reorder=0"),
}
# Of these two the delay is part of the link, so that jitter has something to be taken from.
JITTERED_DELAY = {"lte": (40, 20)}
DELAY = (20, 5)


class Made:
    """A fault that was made: when it really began and was over (time.monotonic()), and what went wrong in making it."""

    def __init__(self, fault: Fault):
        self.fault = fault
        self.kind, self.place, self.hosts = fault.kind, fault.place, fault.hosts
        self.begun = self.over = float("inf")
        self.problem = None
        self.figures = {}

    def facts(self):
        return {"number": self.fault.number, "round": self.fault.round, "kind": self.kind, "place": self.place,
                "detail": self.fault.detail, "at": self.fault.at, "seconds": self.fault.seconds,
                "lasted": round(self.over - self.begun, 2) if self.over < float("inf") else None, **self.figures,
                **({"problem": self.problem} if self.problem else {})}


class Breaker:
    """Makes the faults of a round, each from a thread of its own."""

    def __init__(self, world):
        self.world, self.lab = world, world.lab
        self.made = []

    def note_fall(self, host, seconds):
        """A gateway that ended by itself, which is a failure, also ends what it carried: that is one failure and not a hundred."""
        made = Made(Fault(0, -1, "kill", host, "by itself", 0.0, seconds))
        made.begun, made.over = time.monotonic() - seconds, time.monotonic()
        self.made.append(made)

    def run_round(self, faults, say):
        """Until all of them are over."""
        start = time.monotonic()
        threads = []
        for fault in faults:
            made = Made(fault)
            self.made.append(made)
            threads.append(threading.Thread(target=self._make, args=(made, start, say), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _make(self, made, start, say):
        time.sleep(max(0.0, start + made.fault.at - time.monotonic()))
        name = made.kind.replace("-", "_")
        block = getattr(self, f"_{name}", None)
        made.begun = time.monotonic()
        say(f"{made.kind} {made.place} {made.fault.detail}".rstrip() + f" for {made.fault.seconds} s")
        try:
            with block(made) if block else self._link(made, *LINK[made.kind]):
                time.sleep(made.fault.seconds)
        except Exception as problem:        # a mistake in one fault must not leave the run without its end
            made.problem = f"{type(problem).__name__}: {problem}"
            say(f"{made.kind} {made.place} could not be made: {made.problem}")
        made.over = time.monotonic()

    # ---- links

    @contextlib.contextmanager
    def _link(self, made, breaking, mending):
        self.lab.link_command(made.place, breaking)
        try:
            yield
        finally:
            self.lab.link_command(made.place, mending)

    def _one_way(self, made):
        way = made.fault.detail
        return self._link(made, f"{way} down", f"{way} up")

    def _reorder(self, made):
        slow, usual = JITTERED_DELAY.get(made.place, DELAY)
        breaking, mending = LINK["reorder"]
        return self._link(made, f"delay={slow},{breaking}", f"delay={usual},{mending}")

    def _mtu(self, made):
        where, size = made.fault.detail.split()
        if where == "way":
            # Nobody says so: larger packets do not arrive.
            return self._link(made, f"maxlen={size}", "maxlen=0")
        return self._interface_mtu(made, size)

    @contextlib.contextmanager
    def _interface_mtu(self, made, size):
        host, device = ("a", "lte0") if made.place == "lte" else (made.place, "eth0")
        self.lab.run(host, ["ip", "link", "set", device, "mtu", size])
        try:
            yield
        finally:
            self.lab.run(host, ["ip", "link", "set", device, "mtu", 1500])

    # ---- addresses

    @contextlib.contextmanager
    def _conflict(self, made):
        """Another host has the address as well; the network leads to the one and the other, in turns of a second."""
        host, other = made.hosts
        address = self.world.address[host]
        over = threading.Event()

        def lead_to(whom):
            self.lab.run("inet", ["ip", "route", "replace", f"{address}/32", "dev", f"p-{whom}"])

        def take_turns():
            whom = other
            while not over.is_set():
                lead_to(whom)
                whom = host if whom == other else other
                over.wait(1.0)
        self.lab.run(other, ["ip", "addr", "add", f"{address}/32", "dev", "eth0"])
        turns = threading.Thread(target=take_turns, daemon=True)
        turns.start()
        try:
            yield
        finally:
            over.set()
            turns.join()
            lead_to(host)
            self.lab.run(other, ["ip", "addr", "del", f"{address}/32", "dev", "eth0"])

    @contextlib.contextmanager
    def _address(self, made):
        host, world = made.place, self.world
        old = world.address[host]
        new = world.other_address(host)
        adding, removing = world.settle_address(host, old, new)
        if made.fault.detail == "at once":
            self.lab.run(host, ["ip", "-batch", "-"], input="\n".join(adding + removing) + "\n")
            world.address[host] = new
            yield
        else:
            self.lab.run(host, ["ip", "-batch", "-"], input="\n".join(removing) + "\n")
            try:
                yield
            finally:
                self.lab.run(host, ["ip", "-batch", "-"], input="\n".join(adding) + "\n")
                world.address[host] = new
        self.lab.run("inet", ["ip", "route", "del", f"{old}/32", "dev", f"p-{host}"])

    # ---- hosts

    @contextlib.contextmanager
    def _clock(self, made):
        self.world.set_clock(made.place, float(made.fault.detail.split()[0]))
        try:
            yield
        finally:
            self.world.set_clock(made.place, 0)

    @contextlib.contextmanager
    def _disk(self, made):
        disk = self.world.disks[made.place]
        try:
            disk.fill()
            yield
        finally:
            disk.make_room()

    @contextlib.contextmanager
    def _descriptors(self, made):
        process = self.world.running[made.place]
        before = self.world.limit_descriptors(made.place)
        # One that is closed meanwhile may be had again, and no other.
        free = process.lowest_free_descriptor()
        made.figures["descriptors"] = free
        self.world.limit_descriptors(made.place, (free, before[1]))
        try:
            yield
        finally:
            # It may have ended by itself, which the watch tells.
            with contextlib.suppress(ProcessLookupError):
                self.world.limit_descriptors(made.place, before)

    @contextlib.contextmanager
    def _memory(self, made):
        flow = self.world.stalls[made.place]
        targets = [target for name, target in self.world.targets.items() if name.startswith(f"{made.place}@")]
        for target in targets:
            target.reading.clear()
        flow.fill()
        over = threading.Event()
        watcher = threading.Thread(target=self._watch_memory, args=(made, over), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            for target in targets:
                target.reading.set()
            flow.let_go()
            watcher.join(90.0)

    def _watch_memory(self, made, over):
        """How much of its ceiling the fuller of the two gateways used, at most: asked while nobody reads."""
        while not over.wait(1.0):
            for host in made.hosts:
                status = self.world.status(host)
                if status:
                    part = status["memory"]["used_bytes"] / status["memory"]["limit_bytes"]
                    made.figures["ceiling_used"] = round(max(part, made.figures.get("ceiling_used", 0.0)), 3)

    # ---- programs

    @contextlib.contextmanager
    def _kill(self, made):
        with self.world.changing[made.place]:
            self.world.kill(made.place)
            yield
            self.world.start(made.place, waits=False)

    @contextlib.contextmanager
    def _stop(self, made):
        with self.world.changing[made.place]:
            self.world.stop(made.place)
            yield
            self.world.start(made.place, waits=False)

    @contextlib.contextmanager
    def _suspend(self, made):
        self.world.signal(made.place, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.world.signal(made.place, signal.SIGCONT)

    @contextlib.contextmanager
    def _target(self, made):
        target = self.world.targets[made.place]
        target.stop()
        yield
        # The port is free when the last connection of before has ended.
        wait_until(lambda: self._started(target), f"the target {made.place} listens again", 60.0)

    @staticmethod
    def _started(target):
        with contextlib.suppress(OSError):
            target.start()
            return True
        return False

    @contextlib.contextmanager
    def _matchmaker(self, made):
        self.world.kill_matchmaker()
        yield
        self.world.start_matchmaker()
