"""The tests of run-apps. Importing this package registers them, in the order of the imports."""

from . import (  # noqa: F401
    commands, connections, endings, failures, availability, addresses, programs, datagrams, kinds, roaming, paths,
    limits, rehearse)

# What these tests and the lab need (see scripts/packages for the notation).
PACKAGES = (
    "ip=iproute2", "nft=nftables", "gcc=gcc", "/usr/include/stdio.h=libc6-dev", "curl=curl", "nginx=nginx",
    "redis-server=redis-server", "redis-benchmark=redis-tools", "/usr/lib/postgresql/*/bin/initdb=postgresql",
    "/usr/lib/postgresql/*/bin/pgbench=postgresql", "sshd=openssh-server", "scp=openssh-client",
    "dnsmasq=dnsmasq-base", "dig=bind9-dnsutils", "iperf3=iperf3", "mosquitto=mosquitto",
    "mosquitto_sub=mosquitto-clients", "/bin/nc.openbsd=netcat-openbsd", "setpriv=util-linux",
)
