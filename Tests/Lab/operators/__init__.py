"""The tests of run-operators. Importing this package registers them, in the order of the imports."""

import os
import pathlib

from harness.lab import ROOT

# Beside the gateway's program, which DX_BIN names for all runners.
MATCHD = pathlib.Path(os.environ.get("DX_BIN", ROOT / ".build/release/dxgateway")).with_name("dxmatchd")

# What these tests and the lab need (see scripts/packages for the notation).
PACKAGES = (
    "ip=iproute2", "nft=nftables", "gcc=gcc", "/usr/include/stdio.h=libc6-dev", "promtool=prometheus",
    "/usr/lib/python3/dist-packages/jsonschema=python3-jsonschema", "chromium=chromium", "fonts-dejavu-core",
)

from . import dashboard, events, metrics, openapi, trace  # noqa: E402, F401
