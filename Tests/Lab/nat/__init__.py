"""The cells of run-nat. Importing this package registers them."""

from . import matrix, variants, joining, returns, forwarding, serving, blind, events, times, idle  # noqa: F401

PACKAGES = ("ip=iproute2", "nft=nftables", "gcc=gcc", "/usr/include/stdio.h=libc6-dev", "tcpdump=tcpdump")
