"""The kernel's settings: set as most hosts have them, recorded, and put back."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
from collections.abc import Iterator

from harness.lab import Failure

SYSCTL = pathlib.Path("/proc/sys")
# What was there before, for the case that a run was killed and could not put it back itself.
SAVED = pathlib.Path("/run/dx-benchmark-kernel.json")
# Linux's own default of both, which most distributions leave as it is.
SOCKET_BUFFER_MAX = 212_992
CONGESTION = "net/ipv4/tcp_congestion_control"
SETTINGS = {"net/core/rmem_max": str(SOCKET_BUFFER_MAX), "net/core/wmem_max": str(SOCKET_BUFFER_MAX),
            "net/core/rmem_default": str(SOCKET_BUFFER_MAX), "net/core/wmem_default": str(SOCKET_BUFFER_MAX)}
# Not set, but they decide figures too.
RECORDED = ("net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem", "net/core/netdev_max_backlog", "net/core/default_qdisc",
            "net/ipv4/tcp_available_congestion_control", "net/ipv4/tcp_congestion_control")


def read(name: str) -> str:
    return (SYSCTL / name).read_text().strip()


def write(name: str, value: str) -> None:
    try:
        (SYSCTL / name).write_text(value)
    except OSError as error:
        raise Failure(f"cannot set {name.replace('/', '.')} to {value}: {error.strerror}") from None


def available_congestion_controls() -> list[str]:
    return read("net/ipv4/tcp_available_congestion_control").split()


def _modprobe(*words: str) -> bool:
    with contextlib.suppress(OSError):
        return subprocess.run(["modprobe", *words], capture_output=True).returncode == 0
    return False


def load_bbr() -> bool:
    """Have BBR to compare with, where it is a module; returns whether it was loaded by this."""
    return "bbr" not in available_congestion_controls() and _modprobe("tcp_bbr")


def put_back_what_a_killed_run_left() -> None:
    if SAVED.exists():
        for name, value in json.loads(SAVED.read_text()).items():
            write(name, value)
        SAVED.unlink()


@contextlib.contextmanager
def as_most_hosts_have_them() -> Iterator[dict[str, str]]:
    """Inside the block the settings hold; its value is what holds, and what was before (`... before`)."""
    put_back_what_a_killed_run_left()
    loaded = load_bbr()
    before = {name: read(name) for name in (*SETTINGS, CONGESTION)}
    SAVED.write_text(json.dumps(before))
    try:
        for name, value in SETTINGS.items():
            write(name, value)
        report = {name.replace("/", "."): read(name) for name in (*SETTINGS, *RECORDED)}
        report.update({f"{name.replace('/', '.')} before": value for name, value in before.items()})
        yield report
    finally:
        for name, value in before.items():
            write(name, value)
        SAVED.unlink(missing_ok=True)
        if loaded:
            _modprobe("-r", "tcp_bbr")


@contextlib.contextmanager
def inherited_congestion_control(name: str) -> Iterator[None]:
    """Namespaces made inside the block start with this TCP congestion control.

    They take the host's at their birth, and may later choose only among those that the host allows
    to everyone. The host's own value is back when the block is left.
    """
    before = read(CONGESTION)
    write(CONGESTION, name)
    try:
        yield
    finally:
        write(CONGESTION, before)
