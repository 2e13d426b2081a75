"""What is measured of the gateways' processes while all goes on, and in the quiet after each round."""

import threading
import time

from harness.lab import Failure, wait_until

# How often processes are looked at.
INTERVAL = 1.0
# How long after the last connection ended things may still be held: UDP flows for 5 s (their idle timeout), channels that died for
# liveness, a damped retry beside it. A slow machine gets twice that.
SETTLES_WITHIN = 180.0
# In a quiet as many samples are taken, and the least counts: who asks a gateway for its status is a descriptor, too.
SAMPLES = 5

# A gateway that has a matchmaker measures how long its NAT remembers a binding, for up to an hour (docs/matchmaking.md §8), from a socket
# that is there or not; each UDP socket has two descriptors.
MEASURING = 2

# A gateway gives back what bursts left behind when that is 4 MiB and more.
GIVES_BACK = 4 << 20

# How much more memory of its own (RssAnon) a process may hold in a later quiet than in the first one of its life that followed a
# whole round. All that is counted for tunnels is given back by then (`memory.used_bytes` is 0); what the allocator
# keeps of it is a part of the most that the round before has needed, which was up to 12 MB more than in quiet. Two thirds
# of that are left for pieces that lie elsewhere this time. A leak of 1 KiB for each of a round's thousands of connections,
# or of 100 KiB for each fault, is more than that within the six rounds of the whole run.
MAY_GROW = 8 << 20


class Watch:
    """Looks at all gateways from a thread of its own; starts again what ended by itself, so that the run goes on."""

    def __init__(self, world, breaker, say):
        self.world, self.breaker, self.say = world, breaker, say
        self.falls = []         # sentences
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self._told = set()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(10.0)
        self._look_for_fallen(restart=False)

    def _run(self):
        while not self.over.wait(INTERVAL):
            for life in list(self.world.lives):
                if life.lives:
                    try:
                        life.most_memory = max(life.most_memory, life.memory()[0])
                    except (OSError, Failure):
                        pass            # it was ended just now
            self._look_for_fallen()

    def _look_for_fallen(self, restart=True):
        for life in self.world.fallen():
            if id(life) in self._told:
                continue
            self._told.add(id(life))
            tail = "\n".join(f"       {line[:300]}" for line in life.process.output().splitlines()[-30:])
            self.falls.append(f"the gateway on {life.host} ended by itself: {life.process.ending()}\n{tail}")
            self.say(self.falls[-1])
            if restart and self.world.running[life.host] is life.process and self.world.changing[life.host].acquire(blocking=False):
                try:
                    self.world.start(life.host, waits=False)
                finally:
                    self.world.changing[life.host].release()
            self.breaker.note_fall(life.host, 2 * INTERVAL)

    # ---- the quiet

    def wait_idle(self):
        """Until no gateway holds a connection or a byte of one; a sentence of what is left otherwise."""
        left = {}

        def idle():
            left.clear()
            for host in self.world.running:
                status = self.world.status(host)
                if status is None:
                    left[host] = "no answer"
                    continue
                held = {each["name"]: each["open_connections"] for each in status["tunnels"] if each["open_connections"]}
                # One stream with each peer is the group's own.
                streams = {peer["name"]: peer["open_streams"] for peer in status["peers"] if peer["open_streams"] > 1}
                if held or streams or status["memory"]["used_bytes"]:
                    left[host] = f"connections {held}, streams {streams}, {status['memory']['used_bytes']} bytes"
            return not left
        try:
            return wait_until(idle, "nothing is held", SETTLES_WITHIN)[1], None
        except Failure:
            return SETTLES_WITHIN, f"still held {SETTLES_WITHIN:.0f} s after the last connection ended: {left}"

    def measure(self, number):
        """Notes memory and descriptors of each process in a quiet; of descriptors that are more than in its first quiet, a sentence each."""
        leaks, patience = [], time.monotonic() + SETTLES_WITHIN
        for life in [each for each in self.world.lives if each.lives]:
            reference = life.quiet[0]["descriptors"] if life.quiet else None
            counts = self._fewest(life, reference, patience)
            anonymous, resident = self._least_memory(life, patience)
            life.quiet.append({"round": number, "anonymous": anonymous, "resident": resident, "descriptors": counts})
            if reference is not None and sum(counts.values()) > allowed(reference):
                more = {kind: count - reference.get(kind, 0) for kind, count in counts.items() if count > reference.get(kind, 0)}
                leaks.append(f"the gateway on {life.host} holds {sum(counts.values())} descriptors after round {number}, "
                             f"{sum(reference.values())} in its first quiet: more of {more}; {self._sockets(life)}")
        return leaks

    def _least_memory(self, life, patience):
        """What a process holds when it has given back what bursts left, which it does from time to time (some 10 s)."""
        whole = [each for each in life.quiet if each["round"] > 0]
        least = life.memory()
        while whole and least[0] > whole[0]["anonymous"] + GIVES_BACK and time.monotonic() < patience:
            time.sleep(0.5)
            least = min(least, life.memory())
        return least

    def _sockets(self, life):
        """What its sockets are bound to, for people."""
        said = self.world.lab.run(life.host, ["ss", "-Hnap"], ok=False).stdout
        mine = [line.split() for line in said.splitlines() if f"pid={life.process.pid}," in line]
        return ", ".join(f"{row[0]} {row[4]}" for row in mine)

    def _fewest(self, life, reference, patience):
        """The smallest of some counts; more patience when that is more than it was."""
        counts = []

        def few():
            counts.append(life.descriptors())
            best = min(counts, key=lambda each: sum(each.values()))
            return len(counts) >= SAMPLES and (reference is None or sum(best.values()) <= allowed(reference))
        while not few() and (len(counts) < SAMPLES or time.monotonic() < patience):
            time.sleep(0.5)
        return min(counts, key=lambda each: sum(each.values()))


def allowed(reference):
    """How many descriptors a process may have that had these in its first quiet."""
    return sum(reference.values()) + MEASURING


def growth(life):
    """(bytes that a process grew by, quiets that it lived through after its first whole round), or None where there is nothing to compare.

    A process that began before a round has seen a whole one at the end of it. One that began in a round is compared from the next on.
    """
    quiets = [each for each in life.quiet if each["round"] > 0]
    if life.quiet and life.quiet[0]["round"] > 0:
        quiets = quiets[1:]
    if len(quiets) < 2:
        return None
    return quiets[-1]["anonymous"] - quiets[0]["anonymous"], len(quiets)
