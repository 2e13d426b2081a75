"""The command line of run-nat: chooses cells, runs several networks at a time, prints what became of them."""

import argparse
import functools
import json
import multiprocessing
import os
import pathlib
import sys
import time

from harness import runner
from harness.gateway import binary, matchmaker_binary
from harness.lab import ROOT

from . import plan
from .members import Group
from .plan import CELLS, PARTS
from .table import write_table


def parse(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="*", metavar="CELL", help="names, or beginnings of names, or parts; all when none is given")
    parser.add_argument("--full", action="store_true", help="100 MB in each cell, every try, every event in every network")
    parser.add_argument("--keep", action="store_true", help="keep the logs of cells that pass, too")
    parser.add_argument("--list", action="store_true", help="name the cells and end")
    parser.add_argument("--jobs", type=int, default=3 * (os.cpu_count() or 1),
                        help="networks at a time, but where time is measured (%(default)s)")
    parser.add_argument("--tries", type=int, metavar="N", help="cold starts in each cell of the matrix (1; 10 with --full)")
    parser.add_argument("--runs", type=int, metavar="N", help="how often a timed cell measures, instead of its own number")
    parser.add_argument("--table", type=pathlib.Path, metavar="FILE", help="write what was found as the table of docs/nat-traversal.md")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "results/lab", help="where logs and figures go (%(default)s)")
    return parser, parser.parse_args()


def chosen(parser, options):
    """The cells to run, in their order."""
    def wanted(each, names):
        # A kind of network begins the names of many others: `cone-cone` is itself, `cone-` all of its row.
        return any(name == each.part or name == each.name or each.name.startswith(name) for name in names)
    unknown = [name for name in options.cells if not any(wanted(each, [name]) for each in CELLS)]
    if unknown:
        parser.error(f"no such cell: {' '.join(unknown)} (--list names them)")
    exact = {each.name for each in CELLS} & set(options.cells)
    names = [name for name in options.cells if name not in exact]
    return [each for each in CELLS
            if (each.name in exact or wanted(each, names) or not options.cells)
            and (options.full or not each.only_full or each.name in exact)]


def work(number, identity, group, options, queue, answers):
    """A worker: takes cells until there are none, in networks of its own LAB_ID."""
    runner.stop_on_signals()
    os.environ["LAB_ID"] = f"{identity}{number}"
    mine = runner.Runner(identity, options.results, options.full, options.keep)
    try:
        while (index := queue.get()) is not None:
            each = CELLS[index]
            test = runner.Test(each.name, functools.partial(run_cell, each, group), each.topology, each.cells,
                               plan.patience(each.seconds), each.link, each.settings)
            mine.run_alone(each.part, test)
    except KeyboardInterrupt:
        pass
    finally:
        answers.put((mine.passed, mine.failed))


def run_cell(each, group, run):
    return each.function(run, group)


def run_parallel(cells, jobs, identity, group, options):
    """Runs cells, so many at a time; returns (passed, failed)."""
    context = multiprocessing.get_context("fork")
    queue, answers = context.Queue(), context.Queue()
    for each in cells:
        queue.put(CELLS.index(each))
    jobs = max(1, min(jobs, len(cells)))
    for _ in range(jobs):
        queue.put(None)
    workers = [context.Process(target=work, args=(number, identity, group, options, queue, answers))
               for number in range(jobs)]
    passed, failed = [], []
    try:
        for worker in workers:
            worker.start()
        for _ in workers:
            some, others = answers.get()
            passed += some
            failed += others
        for worker in workers:
            worker.join()
    except BaseException:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
        for worker in workers:
            worker.join(60)
        raise
    return passed, failed


def judge_guesses(passed, failed):
    """Of a hundred introductions that had to guess a port 95 must have done it at once; fewer tell nothing."""
    runs = [count for each in passed for count in each.get("guesses", ())]
    if not runs:
        return
    at_once = sum(count == 1 for count in runs)
    figure = f"{at_once} of {len(runs)} ports guessed in the first introduction, the others in up to {max(runs)}"
    name = "matrix/guessed-at-once"
    if len(runs) >= 100 and at_once < 0.95 * len(runs):
        failed.append({"name": name, "why": figure, "logs": ""})
        print(f"FAIL {name}: {figure}")
    else:
        passed.append({"name": name, "figure": figure})
        print(f"PASS {name}: {figure}")


def finish(options, passed, failed, seconds):
    judge_guesses(passed, failed)
    options.results.mkdir(parents=True, exist_ok=True)
    summary = {"schema": 1, "full": options.full, "passed": passed, "failed": failed, "seconds": round(seconds, 1)}
    (options.results / "nat.json").write_text(json.dumps(summary, indent=2) + "\n")
    if options.table:
        write_table(options.table, passed, failed)
    for failure in failed:
        print(f"     failed: {failure['name']}: {failure['why']}")
    print(f"{len(passed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed or not passed else 0


def main(description):
    parser, options = parse(description)
    cells = chosen(parser, options)
    plan.TRIES, plan.RUNS = options.tries, options.runs
    if options.list:
        for each in cells:
            print(f"{each.part + '/' + each.name:44} {each.description.splitlines()[0]}{' (only with --full)' if each.only_full else ''}")
        return 0
    from . import PACKAGES
    if not runner.is_possible(PACKAGES):
        return 0
    binary(), matchmaker_binary()
    runner.stop_on_signals()
    identity = os.environ.get("LAB_ID", "nat")
    lock = runner.claim(identity)
    began = time.monotonic()
    group, passed, failed = None, [], []
    try:
        group = Group(identity)
        for part, (what, is_timed) in PARTS.items():
            some = [each for each in cells if each.part == part]
            if not some:
                continue
            print(f"== {part}: {what}", flush=True)
            for done, results in zip((passed, failed), run_parallel(some, 1 if is_timed else options.jobs, identity, group, options)):
                done += results
    except KeyboardInterrupt as stopped:
        print(f"stopped by {stopped}; the networks are removed", file=sys.stderr)
        return 130
    finally:
        if group:
            group.remove()
        lock.close()
    return finish(options, passed, failed, time.monotonic() - began)
