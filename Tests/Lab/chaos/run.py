"""The run: warm-up, then rounds of faults with a quiet after each, then the verdicts."""

import contextlib
import time

from harness.lab import Failure, wait_until

from . import report
from .faults import Breaker
from .ledger import HANG, Ledger
from .load import Datagrams
from .schedule import HOSTS
from .watch import Watch
from .world import World

# Load without faults, before the first measure.
WARM_UP = 10.0
# When all faults of a round are over everything has to work again within this: a damped retry takes up to some 20 s, and what a
# silent peer held is given up after liveness (60 s). Slow machines get twice that.
WORKS_AGAIN_WITHIN = 180.0


class Chaos:
    """One run, and what came of it. `say` prints a line of progress."""

    def __init__(self, lab, directory, schedule):
        self.lab, self.schedule = lab, schedule
        self.begun = time.monotonic()
        self.ledger = Ledger()
        self.world = World(lab, directory / "fleet", schedule.seed)
        self.breaker = Breaker(self.world)
        self.watch = Watch(self.world, self.breaker, self.say)
        self.stuck, self.held, self.leaks, self.hanging = [], [], [], []
        self.recoveries = []        # seconds from the end of a round's faults until all worked

    def say(self, text):
        print(f"{time.monotonic() - self.begun:7.1f}  {text}", flush=True)

    def go(self):
        """All of it; the verdicts as (name, problem or None, figure)."""
        self.world.make_load(self.ledger)
        self.world.wait_connected(WORKS_AGAIN_WITHIN)
        self.say("the group is there, and all tunnels are open")
        with self.watch:
            self._start_load()
            time.sleep(WARM_UP)
            self._works_again(0)
            self._quiet(0)
            for number in range(self.schedule.rounds):
                self._start_load()
                self.breaker.run_round(self.schedule.of_round(number), self.say)
                self._works_again(number + 1)
                self._quiet(number + 1)
            self._end()
        return report.verdicts(self)

    def _flows(self):
        return [*self.world.flows, self.world.datagrams]

    def _start_load(self):
        for flow in self._flows():
            flow.start()

    def _works_again(self, number):
        """No fault is there: each flow has to bring something that was begun only now."""
        over = time.monotonic()

        def waiting():
            late = []
            for flow in self._flows():
                if isinstance(flow, Datagrams):
                    fine = flow.answered_at > over
                elif flow.name == "words":
                    fine = flow.moved_at > over
                else:
                    fine = flow.began_whole > over
                if not fine:
                    late.append(flow.name)
            return late
        try:
            took = wait_until(lambda: not waiting(), "all flows go on", WORKS_AGAIN_WITHIN)[1]
            took = max(took, self.world.wait_connected(WORKS_AGAIN_WITHIN))
            self.recoveries.append(round(took, 2))
            self.say(f"all faults of round {number} are over; everything works after {took:.1f} s" if number
                     else "everything works before any fault")
        except Failure as failure:
            self.stuck.append(f"after round {number}: {failure}; waiting: {waiting()}; {self._states()}")
            self.say(self.stuck[-1])

    def _states(self):
        found = {}
        for host in HOSTS:
            status = self.world.status(host)
            found[host] = "no answer" if status is None else {
                "peers": {peer["name"]: peer["state"] for peer in status["peers"]},
                "tunnels": {each["name"]: each["state"] for each in status["tunnels"]}, "problems": status.get("problems")}
        return found

    def _quiet(self, number):
        """All connections end whole, nothing is held, and what is left is measured."""
        for flow in self._flows():
            flow.stopping.set()
        self.world.datagrams.stop()
        with contextlib.suppress(Failure):
            wait_until(lambda: not self.ledger.unfinished(), "all connections end", HANG + 30.0)
        for connection in self.ledger.unfinished():
            self.hanging.append(f"after round {number}: {connection.words()}")
            self.say(f"hangs: {self.hanging[-1]}")
        took, held = self.watch.wait_idle()
        if held:
            self.held.append(f"after round {number}: {held}")
            self.say(self.held[-1])
        leaks = self.watch.measure(number)
        self.leaks += leaks
        memory = ", ".join(f"{life.host} {life.quiet[-1]['anonymous'] / 1e6:.1f}" for life in self.world.lives if life.lives)
        self.say(f"quiet {number}: nothing held after {took:.1f} s; MB of memory: {memory}; {len(self.ledger.connections)} connections so far")
        for leak in leaks:
            self.say(leak)

    def _end(self):
        """All gateways are told to stop, and do so in order. The matchmaker still lives."""
        self.world.kill_matchmaker()
        for target in self.world.targets.values():
            target.stop()
        for host in HOSTS:
            with self.world.changing[host]:
                self.world.stop(host)
