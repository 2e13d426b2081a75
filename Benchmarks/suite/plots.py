"""Plots of a results file, SVG and PNG: `python3 plots.py RESULTS.json DIRECTORY` where matplotlib is.

Reads nothing but the file, so that it can run in the environment that has matplotlib.
"""

from __future__ import annotations

import json
import pathlib
import statistics
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

OURS, THEIRS = "#c2410c", "#64748b"
# One figure of each scenario says most.
LOGARITHMIC = {"echo", "echo-bulk", "idle-traffic", "open"}


def values(report: dict, link: str, scenario: str, peer: str, key: str) -> list[float]:
    return [sample["values"][key] for sample in report["samples"]
            if (sample["link"], sample["scenario"], sample["peer"]) == (link, scenario, peer)
            and isinstance(sample["values"].get(key), (int, float))]


def save(figure: pyplot.Figure, directory: pathlib.Path, name: str) -> None:
    for kind in ("svg", "png"):
        figure.savefig(directory / f"{name}.{kind}", dpi=150, bbox_inches="tight")
    pyplot.close(figure)


def bars(report: dict, link: str, scenario: str, peers: list[str], directory: pathlib.Path) -> None:
    """A panel for each figure; a bar is the median, a whisker what the runs spread over."""
    figures = {key: figure for key, figure in report["figures"][scenario].items()
               if any(values(report, link, scenario, peer, key) for peer in peers)}
    if not figures:
        return
    canvas, panels = pyplot.subplots(1, len(figures), figsize=(1.5 + 4.2 * len(figures), 0.9 + 0.34 * len(peers)),
                                     squeeze=False, sharey=True)
    names = [report["titles"]["peers"][peer] for peer in peers]
    for panel, (key, figure) in zip(panels[0], figures.items()):
        for place, peer in enumerate(peers):
            got = values(report, link, scenario, peer, key)
            if not got:
                continue
            middle = statistics.median(got)
            panel.barh(place, middle, color=OURS if peer.startswith("dx") else THEIRS,
                       xerr=[[middle - min(got)], [max(got) - middle]], error_kw={"elinewidth": 0.8, "capsize": 2})
            panel.annotate(f" {middle:,.{figure['digits']}f}", (max(got), place), va="center", fontsize=7)
        panel.set_yticks(range(len(peers)), names, fontsize=8)
        panel.set_ylim(len(peers) - 0.5, -0.5)
        better = "more is better" if figure["better"] == "more" else "less is better"
        panel.set_xlabel(f"{figure['title']}{', ' + figure['unit'] if figure['unit'] else ''}\n({better})", fontsize=8)
        panel.margins(x=0.18)
        if scenario in LOGARITHMIC and all(value > 0 for peer in peers for value in values(report, link, scenario, peer, key)):
            panel.set_xscale("log")
        else:
            panel.set_xlim(left=0)
        panel.spines[["top", "right"]].set_visible(False)
    canvas.suptitle(f"{report['titles']['scenarios'][scenario]}\n{report['links'][link]['title']}", fontsize=9, y=1.04)
    save(canvas, directory, f"{scenario}-{link}")


def ladder(report: dict, directory: pathlib.Path) -> None:
    """Goodput over all impaired links in one picture, as a part of each link's rate."""
    cells = [entry for entry in report["summary"] if entry["scenario"] == "goodput"
             and entry["medians"].get("percent_of_rate") is not None]
    links = list(dict.fromkeys(entry["link"] for entry in cells))
    if len(links) < 2:
        return
    peers = list(dict.fromkeys(entry["peer"] for entry in cells))
    canvas, panel = pyplot.subplots(figsize=(1.6 * len(links) + 3, 4))
    for peer in peers:
        share = {entry["link"]: entry["medians"]["percent_of_rate"] for entry in cells if entry["peer"] == peer}
        ours = peer == "dx"
        panel.plot(range(len(links)), [share.get(link) for link in links], marker="o", label=report["titles"]["peers"][peer],
                   linewidth=2.5 if ours else 1, color=OURS if ours else None, zorder=3 if ours else 2)
    panel.set_xticks(range(len(links)), links, rotation=20)
    panel.set_ylabel("goodput, % of the link's rate")
    panel.set_ylim(0, 105)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    save(canvas, directory, "goodput-ladder")


def main() -> None:
    report = json.loads(pathlib.Path(sys.argv[1]).read_text())
    directory = pathlib.Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    cells: dict[tuple[str, str], list[str]] = {}
    for entry in report["summary"]:
        cells.setdefault((entry["link"], entry["scenario"]), []).append(entry["peer"])
    for (link, scenario), peers in cells.items():
        bars(report, link, scenario, peers, directory)
    ladder(report, directory)


main()
