"""What a run found: verdicts, tables and figures."""

import json

from .ledger import WHOLE
from .schedule import KINDS
from .watch import MAY_GROW, growth

# So many sentences of one kind are printed; all are in the results.
SHOWN = 8


def verdicts(chaos):
    """(name, problem or None, figure) of each thing that the run had to show."""
    made = [each for each in chaos.breaker.made if each.fault.number]
    wrong, chaos.endings = chaos.ledger.judge(chaos.breaker.made)
    chaos.wrong = wrong + chaos.ledger.problems
    unmade = [f"{each.kind} at {each.place}: {each.problem}" for each in made if each.problem]
    connections = len(chaos.ledger.connections)
    whole = sum(counts.get(WHOLE, 0) for counts in chaos.endings.values())
    carried = sum(flow.bytes for flow in [*chaos.world.flows, *chaos.world.stalls.values()])
    datagrams = next(iter(chaos.ledger.datagrams.values()))
    grown, bounds = memory(chaos)
    chaos.descriptors = {life.host: sum(life.quiet[-1]["descriptors"].values()) for life in chaos.world.lives if life.quiet}
    return [
        ("faults_made", listed(unmade), f"{len(made)} faults of {len({each.kind for each in made})} kinds, schedule of seed {chaos.schedule.seed}"),
        ("bytes_accounted", listed(chaos.wrong),
         f"{connections} connections, {whole} whole, {connections - whole} ended by what was broken; {carried / 1e6:.1f} MB compared"),
        ("datagrams_right", f"{datagrams['wrong']} were wrong" if datagrams["wrong"] else None,
         f"{datagrams['sent']} sent, {datagrams['answered']} answered, {datagrams['repeated']} twice"),
        ("nothing_hangs", listed(chaos.hanging + chaos.held), f"after each of {chaos.schedule.rounds + 1} quiets nothing was open or held"),
        ("works_again", listed(chaos.stuck), f"all tunnels {', '.join(f'{each:.1f}' for each in chaos.recoveries)} s after a round's last fault"),
        ("memory_flat", listed(grown), bounds),
        ("descriptors_kept", listed(chaos.leaks), "in quiet " + ", ".join(f"{host} {count}" for host, count in sorted(chaos.descriptors.items()))),
        ("gateways_live", listed(chaos.watch.falls + chaos.world.ended_wrong), f"{len(chaos.world.lives)} processes, none ended by itself"),
    ]


def listed(problems):
    """Sentences as one problem, or None."""
    if not problems:
        return None
    more = f"\n     and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return f"{len(problems)}: " + "\n     ".join(problems[:SHOWN]) + more


def memory(chaos):
    """Sentences about processes that grew too much, and the figure."""
    problems, figures = [], []
    for life in chaos.world.lives:
        grown = growth(life)
        if grown is None:
            continue
        figures.append(f"{life.host} {grown[0] / 1e6:+.1f} MB in {grown[1] - 1} rounds")
        if grown[0] > MAY_GROW:
            problems.append(f"the gateway on {life.host} grew by {grown[0] / 1e6:.1f} MB: "
                            + ", ".join(f"{each['anonymous'] / 1e6:.1f}" for each in life.quiet) + " in its quiets")
    if not figures:
        problems.append("no process lived long enough to be compared")
    return problems, "; ".join(figures) + f" (bound {MAY_GROW / 1e6:.1f})"


def tables(chaos):
    """For people: faults, connections, silences, memory."""
    lines = ["", f"{'fault':12} {'made':>5} {'seconds':>8}  what"]
    for kind in KINDS:
        mine = [each for each in chaos.breaker.made if each.kind == kind.name and each.fault.number and not each.problem]
        lasted = sum(each.over - each.begun for each in mine)
        ceiling = [each.figures["ceiling_used"] for each in mine if "ceiling_used" in each.figures]
        more = f"; of the ceiling {min(ceiling) * 100:.0f} to {max(ceiling) * 100:.0f} % used" if ceiling else ""
        lines.append(f"{kind.name:12} {len(mine):5} {lasted:8.1f}  {kind.what}{more}")
    names = sorted({name for counts in chaos.endings.values() for name in counts}, key=lambda name: (name != WHOLE, name))
    lines += ["", f"{'flow':10} {'MB':>8} {'silence':>8}  " + "  ".join(f"{name:>10}" for name in names)]
    for flow in [*chaos.world.flows, *chaos.world.stalls.values()]:
        counts = chaos.endings.get(flow.name, {})
        lines.append(f"{flow.name:10} {flow.bytes / 1e6:8.1f} {flow.longest:6.1f} s  " + "  ".join(f"{counts.get(name, 0):10}" for name in names))
    lines += ["", "process   quiets: MB of its own memory (descriptors)"]
    for life in chaos.world.lives:
        if life.quiet:
            quiets = ", ".join(f"{each['anonymous'] / 1e6:.1f} ({sum(each['descriptors'].values())})" for each in life.quiet)
            lines.append(f"{life.host} {life.process.pid:8}  {quiets}; at most {life.most_memory / 1e6:.1f}")
    return "\n".join(lines) + "\n"


def write(chaos, results, path):
    """The whole of it as JSON."""
    lives = [{"host": life.host, "pid": life.process.pid, "began": round(life.began - chaos.begun, 1), "ending": life.process.ending(),
              "most_memory": life.most_memory, "quiet": life.quiet} for life in chaos.world.lives]
    flows = {flow.name: {"bytes": flow.bytes, "longest_silence_seconds": round(flow.longest, 3), "endings": chaos.endings.get(flow.name, {})}
             for flow in [*chaos.world.flows, *chaos.world.stalls.values()]}
    schedule = chaos.schedule
    path.write_text(json.dumps({
        "schema": 1, "seed": schedule.seed, "seconds": schedule.seconds, "rounds": schedule.rounds,
        "passed": [{"name": name, "figure": figure} for name, problem, figure in results if problem is None],
        "failed": [{"name": name, "why": problem} for name, problem, _ in results if problem is not None],
        "faults": [each.facts() for each in chaos.breaker.made], "flows": flows, "datagrams": chaos.ledger.datagrams,
        "recovery_seconds": chaos.recoveries, "processes": lives, "unexplained": chaos.wrong, "hanging": chaos.hanging,
        "held": chaos.held, "leaks": chaos.leaks}, indent=2) + "\n")
