"""What a listener on the wire could send again, and gateways that are not ours."""

import random

from harness.data import Server, echo, echo_works, receive_exactly
from harness.gateway import NAMES, Gateway, Pair, Tunnel, make_veil
from harness.lab import check, wait_until
from harness.runner import test

from .capture import ANSWERS, GATEWAY, PORT, STRANGER, Capture, send_paced, stranger_address, stranger_socket, udp_payloads


def recorded(run, body):
    """Record all that two gateways say from their first datagram on while a tunnel is used; then
    `body(pair, to_b, to_a)` gets what went each way, and the tunnel must work afterwards."""
    target = run.port()
    each = Tunnel("echo", run.port(), target)
    pair = Pair(run.lab, run.directory / "dx", [each], start=False)
    with stranger_address(run.lab), pair, Server(run.lab, "b", target, echo):
        with Capture(run, "session", f"udp port {PORT}", snap=2048) as session:
            # What came before its port was open would be new to it, and may be answered once.
            pair.b.start()
            pair.b.wait_control()
            pair.a.start()
            pair.wait_ready()
            with pair.connect(each) as client:
                for size in (1, 100, 5000, 30_000):
                    text = bytes(size)
                    client.sendall(text)
                    check(receive_exactly(client, size) == text, "wrong echo")
        said = udp_payloads(session.file)
        to_b = [payload for _, to, payload in said if to == GATEWAY]
        to_a = [payload for source, _, payload in said if source == GATEWAY]
        check(len(to_b) > 10 and len(to_a) > 10, f"recorded {len(to_b)} and {len(to_a)} datagrams")
        figure = body(pair, to_b, to_a)
        pair.wait_working(each, echo_works)
        return figure


@test(cells=("clean",))
def replayed_and_reflected(run):
    """A recorded session, from the handshake on, sent again from a stranger's address; also reflected
    to its sender, with flipped bits and cut short: no answer, and the session lives on."""
    def body(pair, to_b, to_a):
        generator = random.Random(5)

        def flipped(payload):
            changed = bytearray(payload)
            changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
            return bytes(changed)
        replays = list(to_b)
        replays += [flipped(payload) for payload in to_b if payload]
        replays += [payload[:generator.randrange(len(payload))] for payload in to_b if payload]
        replays += to_a
        with Capture(run, "replay") as capture, stranger_socket(run.lab) as sender:
            send_paced(run.lab, sender, replays)
            pair.b.check_alive()
            return capture.assert_silent()
    return recorded(run, body)


@test(cells=("clean",))
def first_flight_after_restart(run):
    """After a restart a replayed first datagram draws at most one answer, no larger than itself."""
    def body(pair, to_b, _):
        first = to_b[0]
        pair.a.stop()
        pair.b.stop()
        pair.b.start()
        pair.b.wait_control()
        with Capture(run, "restart") as capture:
            with stranger_socket(run.lab) as sender:
                send_paced(run.lab, sender, [first] * 50)
                pair.b.wait_control()
                capture.control()
                answers = capture.lines(ANSWERS)
                check(len(answers) <= 1, f"{len(answers)} answers to one replayed datagram: {answers[:3]}")
                for answer in answers:
                    size = int(answer.rsplit("length ", 1)[1].split()[0])
                    check(size <= len(first), f"the answer of {size} bytes is larger than the {len(first)} it answers")
        pair.a.start()
        return f"{len(answers)} answers to 50 copies"
    return recorded(run, body)


@test(cells=("clean",))
def foreign_gateways(run):
    """A gateway with another veil, and one with ours but with a key nobody listed: not one byte."""
    target = run.port()
    each = Tunnel("echo", run.port(), target)
    summaries = []
    with (stranger_address(run.lab), Pair(run.lab, run.directory / "dx", [each]) as pair,
          Server(run.lab, "b", target, echo)):
        other_veil = run.directory / "dx" / "other.key"
        make_veil(other_veil)
        for number, (veil, why) in enumerate((("../other.key", "another veil"), ("../group.key", "an unlisted key"))):
            stranger = Gateway(run.lab, "a", run.directory / "dx", f"{STRANGER}:{7750 + number}", f"stranger-{number}")
            stranger.write_config(veil, [(NAMES["b"], pair.b.id, [f"{GATEWAY}:{PORT}"])], [])
            with Capture(run, f"foreign-{number}") as capture:
                stranger.start()
                wait_until(lambda: capture.count(f"src host {STRANGER} and udp dst port {PORT}") >= 4,
                           "the foreign gateway has tried several times", 60.0, alive=[stranger.process])
                summaries.append(f"{why}: {capture.assert_silent()}")
            stranger.stop()
        with pair.connect(each) as client:
            check(echo_works(client), "the tunnel does not work afterwards")
    return "; ".join(summaries)
