"""The load program of Benchmarks/match, small: that it still does what it measures, and that the matchmaker keeps its limits."""

import json
import subprocess

from harness.lab import ROOT, check
from harness.runner import test

MEMBERS, SECONDS = 3_000, 5
# docs/matchmaking.md §4.1: requests of a prefix that proves nothing, in a second and at once.
RATE, BURST = 200, 400


@test(topology="direct", cells=("clean",), seconds=900.0)
def simulated_gateways(run):
    """Some thousand simulated gateways register, refresh and are introduced, beside strangers who ask too much."""
    path = run.directory / "match.json"
    command = [ROOT / "Benchmarks/match", "--members", MEMBERS, "--group-size", 50, "--seconds", SECONDS, "--refresh", 2,
               "--introductions", 50, "--quiet", "--json", path]
    said = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    check(said.returncode == 0, f"Benchmarks/match: {(said.stdout + said.stderr)[-1000:]}")
    found = json.loads(path.read_text())
    check(found["registered"] == MEMBERS, f"{found['registered']} of {MEMBERS} are registered")
    for what in ("wrong", "not_authentic", "introductions_refused"):
        check(found[what] == 0, f"{what}: {found[what]}")
    held = found["events"][-1]
    # What was asked twice, on a machine that stood still for a second, is answered twice.
    twice = held["introductions_lost"] + sum(event.get("repeated", 0) for event in found["events"])
    check(found["unmatched"] <= twice, f"unmatched: {found['unmatched']}, asked twice: {twice}")
    check(held["introductions_done"] > 0, "no introduction was heard of at both ends")
    check(held["refreshes_answered"] > 0, "no refresh was answered")
    most = BURST + RATE * (held["seconds"] + 1)
    check(0 < found["strangers_answered"] <= most, f"{found['strangers_answered']} answers to strangers, {most:.0f} at most")
    check(found["strangers_answered"] < found["strangers_asked"], "strangers were not limited")
    check(found["refused"].get("rate", 0) > 0, f"the matchmaker tells of nothing that it dropped for its rate: {found['refused']}")
    run.note(**{name: found[name] for name in ("registrations_per_s", "introduction_p99_ms", "matchd_resident_bytes")})
    return (f"{MEMBERS} registered, {held['introductions_done']} of {found['introductions']} introductions heard of at both ends, "
            f"{found['strangers_answered']} of {found['strangers_asked']} strangers' requests answered")
