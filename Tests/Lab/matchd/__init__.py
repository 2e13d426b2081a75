"""The tests of run-matchd. Importing this package registers them."""

# What these tests and the lab need (see scripts/packages for the notation).
PACKAGES = ("ip=iproute2", "nft=nftables", "gcc=gcc", "/usr/include/stdio.h=libc6-dev", "turnserver=coturn")

from . import load, stun  # noqa: E402, F401
