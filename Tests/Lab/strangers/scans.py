"""Scanners, noise and the first words of known protocols."""

import os
import random
import re
import struct

from harness.data import Server, echo, echo_works
from harness.gateway import Pair, Tunnel
from harness.lab import check
from harness.runner import test

from .capture import CLOSED_PORT, GATEWAY, PORT, STRANGER, Capture, assert_counted, refusals, send_paced, \
    stranger_address, stranger_socket

# What a gateway may grow by while strangers talk to it: the allocator's own pools, and the
# bounded filter of seen nonces; not one byte per datagram.
GROWTH = 16 << 20


def with_pair(body):
    """Run `body(run, pair, client)` with a tunnel in use: it works before, and after."""
    def wrapped(run):
        target = run.port()
        each = Tunnel("echo", run.port(), target)
        with (stranger_address(run.lab), Pair(run.lab, run.directory / "dx", [each]) as pair,
              Server(run.lab, "b", target, echo), pair.connect(each) as client):
            check(echo_works(client), "no echo before")
            said = body(run, pair)
            check(echo_works(client), "the connection that was open does not work afterwards")
            with pair.connect(each) as another:
                check(echo_works(another), "a new connection does not work afterwards")
            return said
    wrapped.__name__, wrapped.__doc__ = body.__name__, body.__doc__
    return wrapped


def noise(count, seed):
    """Random datagrams of all lengths from 0 to 1472, short ones more often."""
    generator = random.Random(seed)
    for _ in range(count):
        longest = 1472 if generator.random() < 0.5 else 100
        yield generator.randbytes(generator.randint(0, longest))


@test(cells=("clean",), seconds=300)
@with_pair
def nmap_scan(run, pair):
    """nmap -sU, with its version probes: the gateway's port is indistinguishable from a filtered one."""
    with Capture(run, "nmap") as capture:
        common = ["nmap", "-n", "-Pn", "--reason", "-e", "eth0", "-S", STRANGER, GATEWAY]
        said = run.lab.run("a", [*common, "-sU", "-p", f"{PORT},{CLOSED_PORT}"], seconds=120).stdout
        check(re.search(rf"^{PORT}/udp\s+open\|filtered\s.*no-response", said, re.MULTILINE), f"nmap: {said}")
        check(re.search(rf"^{CLOSED_PORT}/udp\s+closed\s.*port-unreach", said, re.MULTILINE), f"nmap: {said}")
        versions = run.lab.run(
            "a", [*common, "-sUV", "--version-intensity", "9" if run.full else "2", "-p", PORT], seconds=900).stdout
        check(re.search(rf"^{PORT}/udp\s+open\|filtered\s.*no-response", versions, re.MULTILINE), f"nmap: {versions}")
        summary = capture.assert_silent()
    (run.directory / "nmap.txt").write_text(said + versions)
    return f"open|filtered no-response; {summary}"


@test(cells=("clean",), seconds=600)
@with_pair
def random_datagrams(run, pair):
    """100,000 random datagrams (a million with --full): no answer, all counted, no memory kept."""
    count = 1_000_000 if run.full else 100_000
    with Capture(run, "noise") as capture, stranger_socket(run.lab) as sender:
        send_paced(run.lab, sender, noise(2000, 1))          # pools and tables are warm after these
        before, memory = refusals(pair.b), pair.b.process.memory()
        dropped = send_paced(run.lab, sender, noise(count, 2))
        counted = assert_counted(pair.b, before, count - dropped)
        growth = pair.b.process.memory() - memory
        check(growth < GROWTH, f"resident memory grew by {growth / 1e6:.1f} MB")
        pair.b.check_alive()
        summary = capture.assert_silent()
    run.note(datagrams=count, growth_bytes=growth)
    return f"{summary}; counters: {counted}; resident memory grew by {growth / 1e6:.1f} MB"


@test(cells=("clean",))
@with_pair
def many_sources(run, pair):
    """Noise from 2,000 ports of the stranger: no state is kept per source."""
    with Capture(run, "sources") as capture:
        memory = pair.b.process.memory()
        before = refusals(pair.b)
        dropped = 0
        for i in range(2000):
            with stranger_socket(run.lab) as sender:
                dropped += send_paced(run.lab, sender, noise(5, i))
        counted = assert_counted(pair.b, before, 10_000 - dropped)
        growth = pair.b.process.memory() - memory
        check(growth < GROWTH, f"resident memory grew by {growth / 1e6:.1f} MB")
        summary = capture.assert_silent()
    return f"{summary}; counters: {counted}"


@test(cells=("clean",))
@with_pair
def known_protocols(run, pair):
    """The first datagrams of DTLS, STUN, QUIC, WireGuard, IKE, DNS and others, and each cut short."""
    whole = greetings()
    payloads = [part for message in whole.values() for part in
                [message] * 3 + [message[:cut] for cut in range(0, len(message), max(1, len(message) // 40))]]
    with Capture(run, "protocols") as capture, stranger_socket(run.lab) as sender:
        before = refusals(pair.b)
        dropped = send_paced(run.lab, sender, payloads)
        counted = assert_counted(pair.b, before, len(payloads) - dropped)
        summary = capture.assert_silent()
    return f"{', '.join(whole)}; {summary}; counters: {counted}"


def greetings():
    """What a stranger of each protocol says first."""
    def dtls():
        suites = struct.pack("!HHHHH", 8, 0xC02B, 0xC02C, 0xCCA9, 0x00FF)
        extensions = (struct.pack("!HHHHH", 10, 6, 4, 23, 29) + struct.pack("!HHBB", 11, 2, 1, 0)
                      + struct.pack("!HHHHH", 13, 6, 4, 0x0403, 0x0804) + struct.pack("!HH", 23, 0))
        body = (b"\xfe\xfd" + os.urandom(32) + b"\x00" + b"\x00" + suites + b"\x01\x00"
                + struct.pack("!H", len(extensions)) + extensions)
        size = len(body).to_bytes(3, "big")
        handshake = b"\x01" + size + b"\x00\x00" + b"\x00\x00\x00" + size + body
        return b"\x16\xfe\xff" + bytes(8) + struct.pack("!H", len(handshake)) + handshake

    def quic(version):
        return (b"\xc3" + struct.pack("!I", version) + b"\x08" + os.urandom(8) + b"\x08" + os.urandom(8) + b"\x00"
                + b"\x44\x9e" + os.urandom(1171))

    dns = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x07version\x04bind\x00" + struct.pack("!HH", 16, 3)
    return {
        "DTLS": dtls(),
        "STUN": struct.pack("!HHI", 1, 0, 0x2112A442) + os.urandom(12),
        "QUIC": quic(1),
        "QUIC of an unknown version": quic(0x1A2A3A4A),
        "WireGuard": b"\x01\x00\x00\x00" + os.urandom(144),
        "IKEv2": os.urandom(8) + bytes(8) + b"\x21\x20\x22\x08" + bytes(4) + struct.pack("!I", 28 + 40) + os.urandom(40),
        "OpenVPN": b"\x38" + os.urandom(8) + bytes(5),
        "DNS": dns,
        "NTP": b"\xe3" + bytes(47),
        "SIP": b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/UDP nm;branch=foo\r\nFrom: <sip:nm@nm>;tag=root\r\n\r\n",
        "SSDP": b"M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nMan: \"ssdp:discover\"\r\nST: ssdp:all\r\n\r\n",
        "SNMP": bytes.fromhex("302902010104067075626c6963a01c0204000000010201000201003010300e060a2b06010201010100000500"),
        "memcached": b"\x00\x00\x00\x00\x00\x01\x00\x00stats\r\n",
    }
