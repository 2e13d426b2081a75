"""Connections on which somebody waits for every word, and how long they stood still."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from apps import roaming
from apps.roaming import Flow
from harness.data import receive_exactly
from harness.lab import Failure, Lab

HEAD = b"e" + bytes(7)      # struct request of load.h: everything that follows comes back
# A word each 10 ms: whoever begins one in a silence waits for nearly all of it.
PAUSE = 0.01


def converse(flow: Flow, connection) -> None:
    """Words with a target that has to be told to echo them; until the flow is over."""
    connection.sendall(HEAD)
    roaming.ask(flow, connection, PAUSE)


@contextlib.contextmanager
def conversations(lab: Lab, endpoint: tuple[str, int], count: int) -> Iterator[list[Flow]]:
    """So many at once, all of them under way."""
    flows, connections = [], []
    try:
        for number in range(count):
            flow, connection = Flow(f"conversation {number}"), lab.connect("a", endpoint[1], endpoint[0], 60.0)
            flows.append(flow)
            connections.append(connection)
            flow.guard(converse, flow, connection)
        moved_since(flows, time.monotonic(), 30.0)
        for flow in flows:
            flow.check()
        yield flows
    finally:
        for flow in flows:
            flow.over.set()
        for connection in connections:
            connection.close()


def moved_since(flows: list[Flow], since: float, patience: float) -> list[Flow]:
    """Those that did not move after `since` within `patience` seconds, or broke: they are of no use any more."""
    def moves(flow: Flow) -> bool:
        return bool(flow.arrivals) and flow.arrivals[-1] > since
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if all(moves(flow) or flow.problem for flow in flows):
            break
        time.sleep(0.01)
    return [flow for flow in flows if flow.problem or not moves(flow)]


def ask(lab: Lab, endpoint: tuple[str, int], patience: float = 30.0) -> float | None:
    """Seconds until a new connection has its first word back; None when it does not."""
    start = time.monotonic()
    try:
        with lab.connect("a", endpoint[1], endpoint[0], patience) as client:
            client.sendall(HEAD + b"who is there")
            receive_exactly(client, 12)
    except (OSError, Failure):
        return None
    return time.monotonic() - start
