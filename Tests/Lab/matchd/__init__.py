"""The tests of run-matchd. Importing this package registers them."""

import os
import pathlib

from harness.lab import ROOT

# Beside the gateway's program, which DX_BIN names for all runners.
PROGRAM = pathlib.Path(os.environ.get("DX_BIN", ROOT / ".build/release/dxgateway")).with_name("dxmatchd")

# What these tests and the lab need (see scripts/packages for the notation).
PACKAGES = ("ip=iproute2", "nft=nftables", "gcc=gcc", "/usr/include/stdio.h=libc6-dev", "turnserver=coturn")

from . import load, stun  # noqa: E402, F401
