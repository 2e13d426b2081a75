"""Runs tests in cells (a network with its impairments), prints a line for each, keeps what failed."""

import argparse
import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

from .gateway import binary
from .lab import ROOT, Failure, Lab, ensure_packages, unavailable

# name -> (what it is, LAB_LINK). 20 ms each way, 1 % of packets lost each way, and enough
# jitter to change the order of packets that follow one another within 2 ms.
CELLS = {
    "clean": ("MTU 1500, no impairment", None),
    "impaired": ("MTU 1500, 40 ms round trip, 1 % loss each way, 2 ms jitter with reordering",
                 "delay=20,jitter=2,loss=1,reorder=1"),
}
TESTS = []


@dataclasses.dataclass
class Test:
    name: str
    function: object
    topology: str
    cells: tuple
    seconds: float
    link: str | None = None
    settings: dict = dataclasses.field(default_factory=dict)


def test(topology="direct", cells=("clean", "impaired"), seconds=300.0):
    """Register a function `f(run) -> figure` as a test.

    It fails by raising. `seconds` is a limit against hanging, not a measure.
    """
    def register(function):
        TESTS.append(Test(function.__name__, function, topology, cells, seconds))
        return function
    return register


class Run:
    """What one test gets: its network, a directory, free ports, and how hard to try."""

    def __init__(self, lab, cell, directory, full, next_port):
        self.lab, self.cell, self.directory, self.full = lab, cell, directory, full
        self.impaired = cell == "impaired"
        self.runs = None        # how often to repeat what is measured, when the command line says
        self._next_port = next_port
        self.figures = {}

    def port(self):
        """A TCP port that no other test of this network uses (below the ephemeral range)."""
        self._next_port[0] += 1
        return self._next_port[0]

    def size(self, clean, impaired, full=None):
        """Bytes (or a count) that suit the cell; `full` is for --full runs."""
        if self.full and full is not None:
            return full
        return impaired if self.impaired else clean

    def note(self, **figures):
        """Figures for the results file."""
        self.figures.update(figures)


class Deadline(Failure):
    """A test used up its time."""


@contextlib.contextmanager
def time_limit(seconds):
    def expire(*_):
        raise Deadline(f"not finished within {seconds:g} s")
    previous = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def stop_on_signals():
    """SIGINT, SIGTERM and SIGHUP end the run through its `finally` blocks."""
    def interrupted(number, _):
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)


def claim(identity):
    """Only one runner at a time may use a LAB_ID: building a network removes the one before."""
    lock = open(f"/run/lock/dx-lab-{identity}", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"another runner uses the lab '{identity}': wait for it, or set LAB_ID") from None
    return lock


def is_possible(packages):
    """Whether there can be a lab here, with the packages that it needs; if not, that is said as a runner says it."""
    reason = unavailable()
    if reason:
        print(f"skipped: the lab needs root and network namespaces: {reason}")
        print("0 passed, 0 failed, 1 skipped")
        return False
    ensure_packages(*packages)
    return True


class Runner:
    """Runs the chosen tests, cell by cell, each topology's network built once per cell."""

    def __init__(self, identity, results, full=False, keep=False):
        self.identity = os.environ.get("LAB_ID", identity)
        self.results = pathlib.Path(results)
        self.full, self.keep = full, keep
        self.runs = None
        self.passed, self.failed = [], []
        self._next_port = [10000]
        self._lock = claim(self.identity)

    def run_cell(self, cell, tests):
        print(f"== {cell}: {CELLS[cell][0]}", flush=True)
        for topology in dict.fromkeys(each.topology for each in tests):
            chosen = [each for each in tests if each.topology == topology]
            directory = pathlib.Path(tempfile.mkdtemp(prefix="dxlab-"))
            directory.chmod(0o711)   # programs that give up root must find their own directory
            try:
                with Lab(self.identity, topology, CELLS[cell][1]) as lab:
                    for each in chosen:
                        self._run_test(lab, cell, each, directory / each.name)
            finally:
                shutil.rmtree(directory, ignore_errors=True)

    def run_alone(self, cell, each):
        """One test in a network of its own."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix="dxlab-"))
        directory.chmod(0o711)
        try:
            with Lab(self.identity, each.topology, each.link, settings=each.settings) as lab:
                self._run_test(lab, cell, each, directory / each.name)
        except Failure as failure:          # there was no network
            print(f"FAIL {cell}/{each.name}: {failure}", flush=True)
            self.failed.append({"name": f"{cell}/{each.name}", "why": str(failure), "logs": ""})
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _run_test(self, lab, cell, each, directory):
        directory.mkdir(mode=0o711)
        run = Run(lab, cell, directory, self.full, self._next_port)
        run.runs = self.runs
        name = f"{cell}/{each.name}"
        shutil.rmtree(self.results / f"{cell}-{each.name}", ignore_errors=True)   # of a run before
        start = time.monotonic()
        problem = figure = None
        try:
            with time_limit(each.seconds * (10 if self.full else 1)):
                figure = each.function(run)
        except Failure as failure:
            problem = str(failure)
            trace = traceback.format_exc()
        except Exception as error:      # a mistake in one test must not end the others
            problem = f"{type(error).__name__}: {error}"
            trace = traceback.format_exc()
        finally:
            lab.stop_all()
        seconds = time.monotonic() - start
        if problem is None:
            print(f"PASS {name}: {figure} [{seconds:.1f} s]", flush=True)
            self.passed.append({"name": name, "figure": figure, "seconds": round(seconds, 2), **run.figures})
        else:
            (directory / "failure.txt").write_text(trace)
            kept = self._keep(cell, each, directory)
            print(f"FAIL {name}: {problem} (logs: {kept})", flush=True)
            self.failed.append({"name": name, "why": problem, "logs": str(kept)})
        if problem is None and self.keep:
            self._keep(cell, each, directory)
        shutil.rmtree(directory, ignore_errors=True)

    def _keep(self, cell, each, directory):
        """Logs, configurations and small files of a test; not what it transferred, nor sockets."""
        kept = self.results / f"{cell}-{each.name}"
        shutil.rmtree(kept, ignore_errors=True)

        def leave_out(folder, names):
            paths = [pathlib.Path(folder) / name for name in names]
            return [path.name for path in paths if path.is_symlink() or not (path.is_dir() or path.is_file())
                    or (path.is_file() and path.stat().st_size > 20 << 20) or path.name == "pgdata"]
        shutil.copytree(directory, kept, ignore=leave_out)
        return kept

    def finish(self, what):
        self.results.mkdir(parents=True, exist_ok=True)
        summary = {"schema": 1, "passed": self.passed, "failed": self.failed}
        (self.results / f"{what}.json").write_text(json.dumps(summary, indent=2) + "\n")
        for failure in self.failed:
            print(f"     failed: {failure['name']}: {failure['why']}")
        print(f"{len(self.passed)} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def main(identity, packages, description, program=None):
    """The command line of a runner whose tests are registered; `program` finds what is tested (dxgateway)."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", nargs="?", default="clean", choices=[*CELLS, "all"])
    parser.add_argument("tests", nargs="*", metavar="TEST", help="names (or beginnings of names); all when none is given")
    parser.add_argument("--full", action="store_true", help="whole sizes everywhere (1 GB over the impaired link too)")
    parser.add_argument("--runs", type=int, help="how often to repeat what is measured over many runs")
    parser.add_argument("--keep", action="store_true", help="keep the logs of tests that pass, too")
    parser.add_argument("--list", action="store_true", help="name the tests and end")
    parser.add_argument("--results", default=ROOT / "results/lab", help="where logs and figures go (%(default)s)")
    options = parser.parse_args()
    if options.list:
        for each in TESTS:
            print(f"{each.name:28} {','.join(each.cells):15} {each.topology:7} {(each.function.__doc__ or '').splitlines()[0]}")
        return 0
    unknown = [name for name in options.tests if not any(each.name.startswith(name) for each in TESTS)]
    if unknown:
        parser.error(f"no such test: {' '.join(unknown)} (--list names them)")
    if not is_possible(packages):
        return 0
    (program or binary)()
    stop_on_signals()
    runner = Runner(identity, options.results, options.full, options.keep)
    runner.runs = options.runs
    try:
        for cell in CELLS if options.cell == "all" else [options.cell]:
            chosen = [each for each in TESTS if cell in each.cells
                      and (not options.tests or any(each.name.startswith(name) for name in options.tests))]
            runner.run_cell(cell, chosen)
    except KeyboardInterrupt as stopped:
        print(f"stopped by {stopped}; the networks are removed", file=sys.stderr)
        return 130
    return runner.finish(f"{identity}-{options.cell}")
