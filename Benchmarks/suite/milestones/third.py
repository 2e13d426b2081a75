"""Milestone 3: faster than ssh and stunnel on a LAN, full speed on a lossy long path."""

from __future__ import annotations

import os
import statistics

from ..links import LINKS
from ..peers import PEERS, QUIC_AND_TUN
from ..report import Medians
from ..runner import Runner
from ..scenarios import SCENARIOS
from .rows import Row

RUN = "Benchmarks/run"
GATEWAYS = ("dx", "dx-cubic", "dx-bbr")
BOTH_TCP = ("dx", "direct", "direct-bbr", "ssh", "ssh-bbr")
PLAN = {
    "clean": {"stream": ("dx", "direct", "ssh", "stunnel", *QUIC_AND_TUN),
              **dict.fromkeys(("streams-100", "duplex", "pairs", "allocations", "open", "idle-memory"), ("dx",))},
    "nogso": {"allocations": ("dx",)},
    "loss1": {"goodput": BOTH_TCP},
    "loss5": {"goodput": BOTH_TCP},
    "bufferbloat": {"goodput": ("dx", "direct", "ssh")},
    "interactive": {"echo-bulk": ("dx", "udp", "ssh"), "fairness": GATEWAYS},
}


def third(runner: Runner) -> list[Row]:
    for link, plan in PLAN.items():
        runner.link(LINKS[link], [(SCENARIOS[name], [PEERS[peer] for peer in peers]) for name, peers in plan.items()])
    medians = Medians(runner.samples)
    return [*clean(medians), *many(medians), *lossy(medians), *interactive(runner), *lean(medians), *fair(medians)]


def fastest(medians: Medians, peers: tuple[str, ...]) -> tuple[str, float] | None:
    speeds = [(peer, speed) for peer in peers
              if (speed := medians.median("clean", "stream", peer, "gbit_per_second")) is not None]
    return max(speeds, key=lambda each: each[1], default=None)


def divided(value: float | None, by: float | None) -> float | None:
    return value / by if value is not None and by else None


def clean(medians: Medians) -> list[Row]:
    command = f"{RUN} stream --link clean"
    mine = medians.median("clean", "stream", "dx", "gbit_per_second")
    rows = []
    for peers, what, least in ((("ssh", "stunnel"), "the faster of ssh -L aes128-gcm and stunnel", 1.0),
                               (QUIC_AND_TUN, "the fastest of the QUIC and TUN tunnels", 4.0)):
        best = fastest(medians, peers)
        missing = [peer for peer in peers if medians.median("clean", "stream", peer, "gbit_per_second") is None]
        note = f"{PEERS[best[0]].title}, {best[1]:.2f} Gbit/s; dx {mine:.2f}" if best and mine else ""
        note += f"; without {', '.join(missing)}" if missing else ""
        rows.append(Row(f"one stream, MTU 1500: dx : {what}", divided(mine, best and best[1]), "x", least=least, note=note,
                        command=command))
    cost, system = (medians.median("clean", "stream", "dx", key) for key in ("cpu_s_per_gb", "system_cpu_s_per_gb"))
    rows.append(Row("both gateways, CPU", cost, "s/GB", most=2.5, command=command))
    rows.append(Row("whole system, dx : ssh -L", medians.ratio("clean", "stream", "ssh", "system_cpu_s_per_gb"), "x", most=1.0,
                    note=f"dx {system:.2f} s/GB; only on an otherwise idle machine" if system else "", command=command))
    return rows


def many(medians: Medians) -> list[Row]:
    single = medians.median("clean", "stream", "dx", "gbit_per_second")
    rows = [Row(f"{title} : one stream", divided(medians.median("clean", name, "dx", "gbit_per_second"), single), "x", least=0.9,
                command=f"{RUN} stream {name} --link clean --peer dx")
            for name, title in (("streams-100", "100 streams"), ("duplex", "both directions"))]
    # A pair keeps two cores busy, one for each end: with c cores, c/2 pairs can run beside one another.
    cores = os.cpu_count() or 1
    expected = min(2.0, max(1.0, cores / 2))
    rows.append(Row("two pairs : one pair", medians.median("clean", "pairs", "dx", "two_to_one"), "x", least=0.9 * expected,
                    note=f"0.9 of what {cores} cores allow", command=f"{RUN} pairs --peer dx"))
    return rows


def lossy(medians: Medians) -> list[Row]:
    rows = []
    for link, least in (("loss1", 90.0), ("loss5", 70.0)):
        beside = [f"{PEERS[peer].title} {speed:.1f}" for peer in ("direct", "direct-bbr", "ssh", "ssh-bbr")
                  if (speed := medians.median(link, "goodput", peer, "mbit_per_second")) is not None]
        rows.append(Row(f"goodput, {LINKS[link].title}", medians.median(link, "goodput", "dx", "mbit_per_second"), "Mbit/s",
                        least=least, digits=1, note="; ".join(beside), command=f"{RUN} goodput --link {link}"))
    command, link = f"{RUN} goodput --link bufferbloat", LINKS["bufferbloat"].title
    rows.append(Row(f"goodput, {link}", medians.median("bufferbloat", "goodput", "dx", "percent_of_rate"), "%", least=90.0,
                    digits=1, command=command))
    rows.append(Row("delay added there, p95", medians.median("bufferbloat", "goodput", "dx", "added_delay_p95_ms"), "ms",
                    most=100.0, digits=1, command=command))
    return rows


def interactive(runner: Runner) -> list[Row]:
    """Of each run the difference, then the median: the noise of the machine is in both."""
    tails: dict[str, dict[int, float]] = {"dx": {}, "udp": {}, "ssh": {}}
    for sample in runner.samples:
        value = sample.values.get("p99_ms")
        if sample.scenario == "echo-bulk" and sample.link == "interactive" and isinstance(value, float):
            tails[sample.peer][sample.run] = value

    def over_udp(peer: str) -> float | None:
        both = tails[peer].keys() & tails["udp"].keys()
        return statistics.median(tails[peer][run] - tails["udp"][run] for run in both) if both else None
    ssh = over_udp("ssh")
    return [Row("echo under bulk, 50 Mbit/s, 40 ms: p99 over that of plain UDP on the idle link", over_udp("dx"), "ms", most=20.0,
                digits=1, note=f"ssh -L {ssh:.1f} ms" if ssh is not None else "",
                command=f"{RUN} echo-bulk --link interactive --peer dx,udp,ssh")]


def worse(medians: Medians, link: str, scenario: str, key: str) -> float | None:
    """Of the two gateways."""
    values = [value for end in ("origin", "destination") if (value := medians.median(link, scenario, "dx", f"{end}_{key}")) is not None]
    return max(values, default=None)


def lean(medians: Medians) -> list[Row]:
    counting, opening = f"{RUN} allocations", f"{RUN} open --peer dx"
    each = worse(medians, "clean", "open", "bytes_each")
    opened = medians.median("clean", "open", "dx", "opened")
    return [
        Row("allocations per packet by our code", worse(medians, "clean", "allocations", "ours_per_packet"), most=0.001, digits=4,
            note="by sampled callers; 0.001 stands for none: timers and statistics are not per packet", command=counting),
        Row("allocations per packet, whole process, GRO", worse(medians, "clean", "allocations", "per_packet"), most=0.1, digits=4,
            command=counting),
        Row("the same without GRO", worse(medians, "nogso", "allocations", "per_packet"), digits=4, command=counting),
        Row("memory of an open idle connection, one gateway", each and each / 1000, "kB", most=12.0, digits=1,
            note=f"{opened:,.0f} open" if opened is not None else "", command=opening),
        Row("idle gateway, resident", worse(medians, "clean", "idle-memory", "mb"), "MB", most=25.0, digits=1,
            command=f"{RUN} idle-memory --peer dx")]


def fair(medians: Medians) -> list[Row]:
    rows = []
    command = f"{RUN} fairness --peer {','.join(GATEWAYS)}"
    for peer, title in zip(GATEWAYS, ("default", "CUBIC", "BBR")):
        rows.append(Row(f"two gateway flows, {title}: Jain's index",
                        medians.median("interactive", "fairness", peer, "jain_like"), least=0.9, digits=3, command=command))
        for kind, name in (("cubic", "kernel CUBIC"), ("bbr", "kernel BBR")):
            shares = [medians.median("interactive", "fairness", peer, key) for key in (f"share_beside_{kind}", f"{kind}_share")]
            present = [share for share in shares if share is not None]
            rows.append(Row(f"{title} beside {name}: the smaller one's part of a fair share", min(present, default=None), "%",
                            least=20.0, digits=0, command=command))
    mixed = [medians.median("interactive", "fairness", peer, "share_beside_gateways") for peer in ("dx-cubic", "dx-bbr")]
    present = [share for share in mixed if share is not None]
    rows.append(Row("a CUBIC and a BBR gateway flow: the smaller one's part", min(present, default=None), "%", least=20.0, digits=0,
                    command=command))
    return rows
