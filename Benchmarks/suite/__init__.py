"""The end-to-end benchmark suite: gateways beside their peers, in network namespaces."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCHMARKS = ROOT / "Benchmarks"
RESULTS = ROOT / "results"
# The laboratory's harness makes the networks and keeps the processes.
sys.path.insert(0, str(ROOT / "Tests/Lab"))
