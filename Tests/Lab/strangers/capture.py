"""A capture of what a gateway's host says to a stranger, and the stranger's own socket."""

import contextlib
import re
import socket
import struct
import subprocess

from harness.gateway import ADDRESSES, PORTS
from harness.lab import check, wait_until

# The stranger lives on host a, beside the gateway there, with an address of its own.
STRANGER = "192.0.2.66"
GATEWAY, PORT = ADDRESSES["b"], PORTS["b"]
# Nothing listens here: the kernel answers with ICMP, which shows that the capture sees answers.
CLOSED_PORT = 7799
# ICMP port unreachable quotes the datagram: its destination port stands at byte 8 + 20 + 2.
CONTROL = f"icmp[icmptype] == icmp-unreach and icmp[30:2] == {CLOSED_PORT}"
ANSWERS = f"src host {GATEWAY} and dst host {STRANGER} and not ({CONTROL})"


@contextlib.contextmanager
def stranger_address(lab):
    lab.run("a", ["ip", "address", "add", f"{STRANGER}/24", "dev", "eth0"])
    try:
        yield
    finally:
        lab.run("a", ["ip", "address", "del", f"{STRANGER}/24", "dev", "eth0"], ok=False)


class Capture:
    """tcpdump on a host, for as long as the `with` block lasts."""

    def __init__(self, run, name, expression=f"host {STRANGER} and not arp", snap=128, host="b", device="eth0"):
        self.run, self.host = run, host
        self.file = run.directory / f"{name}.pcap"
        self.argv = ["tcpdump", "-i", device, "-n", "-U", "--immediate-mode", "-Z", "root", "-s", snap, "-B", "65536",
                     "-w", self.file, expression]
        self.log = run.directory / f"{name}.tcpdump.log"

    def __enter__(self):
        self.process = self.run.lab.start(self.host, self.argv, "tcpdump", self.log)
        wait_until(lambda: "listening on" in self.process.output(), "tcpdump is ready", 20.0, alive=[self.process])
        return self

    def __exit__(self, kind, *_):
        check(self.process.stop(), "tcpdump did not end")
        if kind is None:
            lost = re.search(r"(\d+) packets dropped by kernel", self.process.output())
            check(lost is not None and lost.group(1) == "0", f"the capture is not complete: {self.process.output()}")

    def lines(self, expression=""):
        """The packets as tcpdump prints them, so far."""
        result = subprocess.run(
            ["tcpdump", "-n", "-t", "-r", self.file, expression], capture_output=True, text=True)
        return result.stdout.splitlines()

    def count(self, expression=""):
        return len(self.lines(expression))

    def control(self):
        """Ask the closed port, and wait for the kernel's answer in the capture.

        Packets stand there in their order, so all that went out before is in it, too.
        """
        seen = self.count(CONTROL)
        with stranger_socket(self.run.lab) as sender:
            sender.sendto(b"is this port closed?", (GATEWAY, CLOSED_PORT))
        wait_until(lambda: self.count(CONTROL) > seen, "the capture sees the answer of a closed port", 30.0)

    def assert_silent(self):
        """Nothing but the control's answers went to the stranger; returns the summary."""
        self.control()
        answers = self.lines(ANSWERS)
        check(not answers, f"{len(answers)} answers to a stranger, such as: {answers[:3]}")
        asked = self.count(f"src host {STRANGER} and udp dst port {PORT}")
        control = self.count(CONTROL)
        check(asked > 0 and control > 0, f"the capture shows {asked} datagrams in and {control} control answers")
        return f"{asked} datagrams in, 0 bytes out (control: {control} ICMP answers of a closed port seen)"


def stranger_socket(lab, port=0):
    made = lab.socket("a", socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((STRANGER, port))
    return made


def send_paced(lab, sender, payloads, host="b", port=PORT, address=GATEWAY):
    """Send to the gateway no faster than it reads, so that it has to look at every one.

    Returns how many the kernel dropped before the gateway could read them.
    """
    dropped_before = lab.udp_queue(host, port)[1]
    for number, payload in enumerate(payloads):
        sender.sendto(payload, (address, port))
        if number % 64 == 63:
            # 64 datagrams of 1500 bytes occupy well under the 208 KiB of a default socket.
            wait_until(lambda: lab.udp_queue(host, port)[0] < 32768, "the gateway reads its socket", 60.0)
    wait_until(lambda: lab.udp_queue(host, port)[0] == 0, "the gateway has read everything", 60.0)
    return lab.udp_queue(host, port)[1] - dropped_before


def refusals(gateway):
    """The gateway's counters of dropped datagrams: {reason: value}."""
    return gateway.status()["drops"]


def assert_counted(gateway, before, at_least):
    """The drops of `gateway` grew by at least that many; returns the counters that did."""
    def moved():
        grown = {name: value - before.get(name, 0) for name, value in refusals(gateway).items()}
        grown = {name: value for name, value in grown.items() if value > 0}
        return grown if sum(grown.values()) >= at_least else None
    grown = wait_until(moved, f"the counters of {gateway.name} show {at_least} refused datagrams", 20.0,
                       alive=[gateway.process])[0]
    return ", ".join(f"{name} +{int(value)}" for name, value in grown.items())


def udp_payloads(file):
    """(source address, destination address, payload) of each IPv4 UDP datagram in a capture."""
    data = file.read_bytes()
    check(len(data) >= 24, "the capture is empty")
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    found, at = [], 24
    while at + 16 <= len(data):
        captured, original = struct.unpack(order + "II", data[at + 8:at + 16])
        frame = data[at + 16:at + 16 + captured]
        at += 16 + captured
        if captured < original or frame[12:14] != b"\x08\x00" or frame[23] != 17:
            continue
        header = 14 + (frame[14] & 15) * 4
        length = struct.unpack("!H", frame[header + 4:header + 6])[0]
        found.append((socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34]), frame[header + 8:header + length]))
    return found
