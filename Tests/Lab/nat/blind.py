"""What a matchmaker hears of a group, and what strangers hear of a gateway: nothing."""

import base64
import socket

from harness.lab import check, wait_until
from strangers.capture import Capture, send_paced, udp_payloads
from strangers.scans import greetings, noise

from .matrix import bring_up, check_direct, matchmakers
from .members import GROUP, NAMES, TARGET, TUNNELS, Pair, carry
from .networks import MATCHMAKERS, PUBLIC
from .plan import cell
from .traffic import Traffic

STUN_COOKIE = bytes.fromhex("2112a442")
# Of what a matchmaker may hear nothing shorter than this is looked for: it would be found by chance.
SHORTEST = 6


def spellings(secret):
    """A secret as it stands, and in the ways in which programs write bytes: {how: bytes}."""
    ways = {"plain": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode(), "reversed": secret[::-1]}
    # Within a longer text the same bytes look differently in each of three (base64) or five (base32) places.
    for name, code, block, bits in (("base64", base64.b64encode, 3, 6), ("base64url", base64.urlsafe_b64encode, 3, 6),
                                    ("base32", base64.b32encode, 5, 5)):
        for shift in range(block):
            whole = code(bytes(shift) + secret + bytes(block)).rstrip(b"=")
            first, last = -(-shift * 8 // bits), (shift + len(secret)) * 8 // bits
            ways[f"{name} at {shift}"] = whole[first:last]
            if name == "base32":
                ways[f"small {name} at {shift}"] = whole[first:last].lower()
    return {how: text for how, text in ways.items() if len(text) >= SHORTEST}


def find(secret, data):
    """In which spelling a secret stands in `data`, and where; None when it does not."""
    return next(((how, data.find(text)) for how, text in spellings(secret).items() if text in data), None)


def check_the_search(secret):
    """A secret is found wherever it stands in what programs write, and not where it does not."""
    check(find(secret, bytes(1000)) is None, "a secret is found where there is none")
    for place in range(6):
        around = bytes(place) + secret + b"after it"
        for code in (bytes, bytes.hex, base64.b64encode, base64.urlsafe_b64encode, base64.b32encode,
                     lambda text: base64.b32encode(text).lower()):
            written = code(around)
            written = written.encode() if isinstance(written, str) else written
            check(find(secret, b"before it" + written) is not None, f"a secret is not found in {written}")


def key_of(pair, who):
    """The public point of a gateway's key, as its certificate has it: the end of the key file's private key (RFC 5915)."""
    text = (pair.state(who) / "identity.key").read_text()
    der = base64.b64decode("".join(line for line in text.splitlines() if not line.startswith("-")))
    point = der[-65:]
    check(point[0] == 4, "the key file does not end with a public point")
    return point[1:33], point[33:]


def secrets_of(pair):
    """What no matchmaker may hear: {what: bytes}."""
    found = {"group name": GROUP.encode(), "target": TARGET[0].encode(), "target and port": f"{TARGET[0]}:{TARGET[1]}".encode(),
             "target, binary": socket.inet_aton(TARGET[0]) + TARGET[1].to_bytes(2, "big")}
    for who in "ab":
        identity = pair.status(who)["id"]
        x, y = key_of(pair, who)
        found |= {f"name of {who}": NAMES[who].encode(), f"tunnel of {who}": TUNNELS[who].encode(),
                  f"id of {who}": base64.b32decode(identity.upper() + "="  * (-len(identity) % 8)),
                  f"id of {who}, its first half": base64.b32decode(identity.upper() + "="  * (-len(identity) % 8))[:16],
                  f"key of {who}'s certificate": x, f"other half of the key of {who}'s certificate": y}
    return found


def matchmakers_hear_nothing(run, group):
    """All that passes to and from the matchmakers of a session, from a cold start on, with a NAT that forgets, to its end."""
    addresses = matchmakers()
    traffic = Traffic(run.lab)
    count = 20_000_000 if run.full else 2_000_000
    with Capture(run, "matchmakers", " or ".join(f"host {address}" for address in sorted(addresses)), snap=2048,
                 host="inet", device="br0") as capture:
        pair = Pair(run, group)
        for name in MATCHMAKERS:
            pair.start_matchmaker(name)
        for who in "ab":
            pair.start(who)
        with pair.targets():
            with pair.connect("a") as connection:
                for who in "ab":
                    pair.wait_log(who, "the network was looked at")
                before = traffic.flows()
                carry(connection, count)
                run.lab.nat_command("ra", "reboot")
                carry(connection, count)
            with pair.connect("b") as connection:
                carry(connection, count)
        check_direct(traffic, before, 2 * count)
        hidden = secrets_of(pair)
        for who in "ab":
            pair.stop(who)
        for process in pair.matchmakers.values():
            check(process.stop(), "a matchmaker did not end on SIGTERM")
    data = capture.file.read_bytes()
    for what, secret in hidden.items():
        check_the_search(secret)
        found = find(secret, data)
        check(found is None, f"the {what} stands in a matchmaker's traffic ({found})")
    payloads = udp_payloads(capture.file)
    check(len(payloads) > 50, f"the capture holds {len(payloads)} datagrams")
    check(not any(STUN_COOKIE in payload for _, _, payload in payloads), "matchmakers are asked for STUN without a veil")
    for source, destination, payload in payloads:
        check(source in addresses or destination in addresses, "the capture is of others")
    heard = sum(len(payload) for _, _, payload in payloads)
    check(heard < 2 * count // 20, f"matchmakers' traffic is {heard} bytes")
    run.note(matchmaker_bytes=heard, matchmaker_datagrams=len(payloads), carried=6 * count)
    return f"{len(payloads)} datagrams, {heard} bytes beside {6 * count / 1e6:g} MB in tunnels; none of {len(hidden)} secrets in any of " \
           f"{len(spellings(bytes(32)))} spellings"


def strangers_hear_nothing(run, group):
    """First words of known protocols, noise, and all that the gateway was sent before, from a stranger's address to its channel
    port while it finds its peer and is registered: not one byte back."""
    stranger = MATCHMAKERS["m2"][1]
    traffic = Traffic(run.lab)
    with Capture(run, "session", f"udp and dst host {PUBLIC['a']}", snap=2048, host="a") as capture:
        pair, _ = bring_up(run, group)
        with pair.targets(), pair.connect("a") as connection:
            carry(connection, 100_000)
        pair.wait_log("a", "the network was looked at")
    port = int(pair.status("a")["listen"][0].rsplit(":", 1)[1])
    replays = [payload for _, _, payload in udp_payloads(capture.file)]
    check(len(replays) > 50, f"{len(replays)} datagrams were recorded")
    whole = greetings()
    payloads = [part for message in whole.values() for part in [message] * 3 + [message[:8], message[:20]]]
    payloads += noise(20_000 if run.full else 4_000, 3)
    payloads += replays
    with run.lab.socket("m2", kind=socket.SOCK_DGRAM) as sender:
        sender.bind((stranger, 0))
        dropped = send_paced(run.lab, sender, payloads, "a", port, PUBLIC["a"])
        # A closed port of the same host: the kernel's answer shows that one would be counted.
        sender.sendto(b"is this port closed?", (PUBLIC["a"], 9))
        wait_until(lambda: traffic.packets_between({PUBLIC["a"]}, {stranger}) > 0, "the kernel answers for a closed port", 30.0)
    answers = traffic.packets_between({PUBLIC["a"]}, {stranger}, "udp")
    answers += max(0, traffic.packets_between({PUBLIC["a"]}, {stranger}) - answers - 1)
    check(answers == 0, f"{answers} answers to a stranger")
    with pair.targets(), pair.connect("a") as connection:
        carry(connection, 100_000)
    pair.check_alive()
    return f"{len(payloads)} datagrams ({len(replays)} replays, {dropped} lost in the kernel's queue), 0 bytes back; the group goes on"


cell("blind", "matchmakers-hear-nothing", "nat-portrestricted-restricted", matchmakers_hear_nothing, matchmakers_hear_nothing.__doc__)
cell("blind", "strangers-hear-nothing", "nat-none-portrestricted", strangers_hear_nothing, strangers_hear_nothing.__doc__)
