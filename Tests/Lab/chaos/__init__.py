"""A seeded run of faults against a group of five gateways: see docs/chaos.md."""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile
import traceback

from harness.gateway import matchmaker_binary
from harness.lab import ROOT, Lab
from harness.runner import claim, is_possible, stop_on_signals

PACKAGES = ("ip=iproute2", "nft=nftables", "gcc=gcc", "/usr/include/stdio.h=libc6-dev")


def options_of(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="what the schedule is made from (%(default)s)")
    parser.add_argument("--seconds", type=float, default=180.0, help="about how long, 60 or more; 1800 for what the issue asks (%(default)s)")
    parser.add_argument("--schedule", action="store_true", help="print the schedule and end")
    parser.add_argument("--keep", action="store_true", help="keep the logs of a run that passes, too")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "results/lab", help="where logs and figures go (%(default)s)")
    options = parser.parse_args()
    if options.seconds < 60:
        parser.error("--seconds has to be 60 or more: each kind of fault has to find a place")
    return options


def main(description):
    """The command line; the exit status."""
    from .schedule import make
    options = options_of(description)
    schedule = make(options.seed, options.seconds)
    print(schedule.text(), flush=True)
    if options.schedule:
        return 0
    if not is_possible(PACKAGES):
        return 0
    matchmaker_binary()
    stop_on_signals()
    identity = os.environ.get("LAB_ID", "chaos")
    lock = claim(identity)
    try:
        return run(identity, schedule, options)
    except KeyboardInterrupt as stopped:
        print(f"stopped by {stopped}; the networks are removed", file=sys.stderr)
        return 130
    finally:
        lock.close()


def run(identity, schedule, options):
    from . import report, selfcheck
    from .run import Chaos
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "chaos-schedule.txt").write_text(schedule.text() + "\n")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="dxlab-"))
    directory.chmod(0o711)
    kept = options.results / "chaos"
    try:
        with Lab(identity, "chaos") as lab:
            try:
                selfcheck.run()
                chaos = Chaos(lab, directory, schedule)
                results = chaos.go()
                print(report.tables(chaos))
                report.write(chaos, results, options.results / "chaos.json")
            except Exception as failure:        # told as a failure of the run, with its logs
                traceback.print_exc()
                results = [("run", f"{type(failure).__name__}: {failure}", "")]
            failed = [name for name, problem, _ in results if problem is not None]
            if failed or options.keep:
                keep(directory, kept)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    for name, problem, figure in results:
        print(f"PASS {name}: {figure}" if problem is None else f"FAIL {name}: {problem} (logs: {kept})", flush=True)
    for name in failed:
        print(f"     failed: {name}")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


def keep(directory, kept):
    """The programs' logs and settings."""
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in (directory / "fleet").glob("*"):
        if path.is_file() and path.suffix in (".log", ".yaml"):
            shutil.copy(path, kept)
