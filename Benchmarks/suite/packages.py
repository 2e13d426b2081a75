"""Debian packages of the peers: installed where missing, or a reason why not."""

from __future__ import annotations

import functools
import subprocess

from . import ROOT


@functools.cache
def install(items: tuple[str, ...]) -> str | None:
    """Items as for scripts/packages. None when all are there; otherwise why not, in a line."""
    if not items:
        return None
    result = subprocess.run([ROOT / "scripts/packages", *items], capture_output=True, text=True)
    if result.returncode == 0:
        return None
    lines = result.stderr.strip().splitlines()
    return f"not installed: {lines[-1] if lines else 'scripts/packages failed'}"
