"""The tests of run-portmap. Importing this package registers them, in the order of the imports."""

from . import probe, protocols, changes  # noqa: F401

# What these tests and the lab need (see scripts/packages for the notation).
PACKAGES = (
    "ip=iproute2", "nft=nftables", "gcc=gcc", "/usr/include/stdio.h=libc6-dev", "miniupnpd=miniupnpd-nftables",
)
