"""Milestone 5: gateways behind NATs find each other, and what the matchmaker holds.

Not by the suite's runner: the networks are those of `Tests/Lab/run-nat`, which runs as a program and leaves its figures in a
file, and the matchmaker's load is that of `Benchmarks/match`.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from harness.lab import Failure

from .. import matchload
from .lab import Figures, run_lab
from .rows import Row

RUN_NAT = "Tests/Lab/run-nat"
# Who takes another port for each destination, with who lets in only what was asked: the port is guessed.
GUESSED = ("portrestricted-symmetric", "symmetric-portrestricted", "linux-linuxrandom", "linuxrandom-linux")
WITHOUT_UDP = ("udpblocked-portrestricted", "portrestricted-udpblocked")
ALONE = ("none-portrestricted", "portrestricted-portrestricted", "linux-linux", "hairpin")


@dataclasses.dataclass
class Extent:
    """How often, and how many."""

    runs: int = 10          # of each timed event
    tries: int = 5          # cold starts in each network where a port is guessed
    members: int = 1_000_000
    seconds: float = 75.0   # that all members are watched

    @staticmethod
    def full() -> Extent:
        return Extent(runs=100, tries=25)

    @staticmethod
    def quick() -> Extent:
        return Extent(runs=3, tries=1, members=50_000, seconds=30.0)


def run_nat(cells: list[str], *options: str) -> Figures:
    """The figures of these cells."""
    return run_lab(RUN_NAT, "nat.json", "accept-5", [*cells, *options])


def fifth(extent: Extent) -> list[Row]:
    """All rows; every command takes its turn alone."""
    timed = run_nat(["introduction", "cold-start", "rebinding-transfer"], "--runs", str(extent.runs))
    # Few: a matchmaker introduces a pair eight times a minute, and a NAT that forgets soon after another time takes two or three.
    keys = run_nat(["rebinding-idle-near", "rebinding-idle-far"], "--runs", "2")
    networks = run_nat([*GUESSED, *WITHOUT_UDP, *(f"restart-without-matchmakers-{kinds}" for kinds in ALONE)],
                       "--tries", str(extent.tries), "--jobs", "1")
    idle = run_nat(["idle-day"])
    rows = [*times(timed, keys), *reached(networks), *cost(idle)]
    try:
        rows += matchmaker(matchload.summary(matchload.measure(
            matchload.default_program(), matchload.Size(members=extent.members, seconds=extent.seconds),
            lambda event: print(json.dumps(event), file=sys.stderr, flush=True))))
    except Failure as failure:
        rows.append(Row("the matchmaker's load", None, note=str(failure)))
    return rows


def times(timed: Figures, keys: Figures) -> list[Row]:
    rows = []
    for cell, title, key in (
            ("introduction", "registration to a session, both NATs port-restricted and new: p99", "p99_s"),
            ("cold-start", "start of both to the first byte, both NATs new: p99", "p99_s"),
            ("rebinding-transfer", "a NAT forgets in a transfer: longest silence, p99", "p99_s"),
            ("rebinding-idle-near", "the near NAT forgets soon after something was sent, then a key: worst", "p99_s"),
            ("rebinding-idle-far", "the far NAT forgets soon after something was sent, then a key: worst", "p99_s")):
        found = keys if cell.startswith("rebinding-idle") else timed
        seconds = found.get(cell, "seconds")
        # The figures' own list stands where the runner's time of the whole cell was.
        count = len(seconds) if isinstance(seconds, list) else 0
        rows.append(Row(title, found.get(cell, key), "s", most=found.get(cell, "goal_s") or 1.32,
                        note=found.problem(cell) or f"of {count}, p50 {found.get(cell, 'p50_s')} s; 80 ms of round trip",
                        command=f"{RUN_NAT} {cell}" + ("" if found is keys else " --runs 100")))
    return rows


def reached(found: Figures) -> list[Row]:
    guesses = [count for counts in found.values(GUESSED, "guesses") for count in counts]
    first = sum(count == 1 for count in guesses)
    named = found.values(WITHOUT_UDP, "said_after_s")
    cells = tuple(f"restart-without-matchmakers-{kinds}" for kinds in ALONE)
    restarts = found.values(cells, "first_byte_s")
    return [
        Row("a port guessed in the first introduction", 100 * first / len(guesses) if guesses else None, "%", least=95.0,
            digits=0, note=found.problem(*GUESSED) or f"{first} of {len(guesses)}, the others in up to {max(guesses, default=0)}",
            command=f"{RUN_NAT} {' '.join(GUESSED)} --tries 25"),
        Row("introductions until the last of them was guessed", max(guesses, default=None), most=3, digits=0,
            note=found.problem(*GUESSED) or f"of {len(guesses)}", command=f"{RUN_NAT} {' '.join(GUESSED)} --tries 25"),
        Row("a network without UDP is named as such: slowest", max(named, default=None), "s", most=10.0,
            note=found.problem(*WITHOUT_UDP) or f"of {len(named)}", command=f"{RUN_NAT} {' '.join(WITHOUT_UDP)}"),
        Row("both restarted, no matchmaker there: first byte, slowest", max(restarts, default=None), "s", most=30.0,
            note=found.problem(*cells) or f"of {len(restarts)} kinds of network",
            command=f"{RUN_NAT} restart-without-matchmakers --full")]


def cost(found: Figures) -> list[Row]:
    def megabytes(key: str) -> float | None:
        value = found.get("idle-day", key)
        return None if value is None else value / 1e6
    note = found.problem("idle-day") or \
        f"IP bytes both ways of {found.get('idle-day', 'window_s')} s, scaled; NATs forget after 30 s"
    command = f"{RUN_NAT} idle-day"
    return [Row("a day of idleness: of a peer and path", megabytes("peer_day_bytes"), "MB", most=1.0, note=note, command=command),
            Row("a day of idleness: of a matchmaker", megabytes("matchmaker_day_bytes"), "MB", most=0.5, note=note, command=command)]


def matchmaker(found: dict) -> list[Row]:
    command = f"Benchmarks/match --members {found['registered']}"
    offered = found["registered"] / 25
    refused = ", ".join(f"{cause} {count:,}" for cause, count in found["refused"].items()) or "nothing"
    small = found["matchd_bytes_per_registration"]
    return [
        Row("registrations held by one dxmatchd", found["registered"], least=1_000_000, digits=0,
            note=f"{found['registrations_per_s']:,.0f} a second with signatures; blobs of {found['blob_bytes']} bytes", command=command),
        Row("its resident memory", found["matchd_resident_bytes"] / 1e6, "MB", most=1_000.0, digits=0,
            note=f"bytes of each: {', '.join(f'{int(count):,}: {each}' for count, each in small.items())}", command=command),
        Row("refreshes answered, of what is due each 25 s", 100 * found["refreshes_per_s"] / offered, "%", least=99.9, digits=2,
            note=f"{found['refreshes_per_s']:,.0f} a second, {found['refreshes_lost']:,} lost; "
                 f"{found['matchd_cpu_share']:.2f} of a core", command=command),
        Row("introductions meanwhile, heard of at both ends: p99", found["introduction_p99_ms"], "ms", most=50.0, digits=1,
            note=f"of {found['introductions']:,}, p50 {found['introduction_p50_ms']:.1f} ms, most "
                 f"{found['introduction_max_ms']:.0f} ms; {found['introductions_lost']} lost, "
                 f"{found['introductions_refused']} refused; it waited {found['matchd_waited_s_while_holding']:.1f} s for a core",
            command=command),
        Row("strangers of one prefix: answered of what they asked", found["strangers_answered"],
            digits=0, note=f"of {found['strangers_asked']:,}; in all refused: {refused}", command=command)]
