"""UDP tunnels: dig with a real resolver, small answers and large ones; many clients at once; iperf3's datagrams."""

import json
import re
import select
import selectors
import socket
import statistics
import time

from harness.gateway import Pair, Tunnel
from harness.lab import check, wait_until
from harness.runner import test

MEGABIT = 1_000_000
# The bytes of each of a name's TXT records: no line of dnsmasq's file has more than a kilobyte.
TEXTS = {"small": [100], "medium": [600, 610], "two": [650, 660, 670], "large": [700, 710, 720, 730, 740]}


def udp_tunnel(run, name, **options):
    return Tunnel(name, run.port(), run.port(), udp=True, **options)


def target_port(each):
    return int(each.target.rsplit(":", 1)[1])


def texts_of(name):
    """What the TXT records of a name say: the same at both ends."""
    return [((f"{name}-{size}.") * size)[:size] for size in TEXTS[name]]


def start_dnsmasq(run, port):
    """dnsmasq on host b, which knows the names of `dx.test` and nothing else."""
    lines = [f"port={port}", "listen-address=127.0.0.1", "bind-interfaces", "no-resolv", "no-hosts", "local=/dx.test/",
             "edns-packet-max=4096", "address=/host.dx.test/192.0.2.77", "user=root", f"pid-file={run.directory}/dnsmasq.pid"]
    for name in TEXTS:
        for text in texts_of(name):
            parts = ",".join(f'"{text[i:i + 255]}"' for i in range(0, len(text), 255))
            lines.append(f"txt-record={name}.dx.test,{parts}")
    config = run.directory / "dnsmasq.conf"
    config.write_text("\n".join(lines) + "\n")
    process = run.lab.start("b", ["dnsmasq", "--keep-in-foreground", "-C", config], "dnsmasq", run.directory / "dnsmasq.log")
    wait_until(lambda: run.lab.udp_bound("b", port), f"dnsmasq listens on {port}", 60.0, alive=[process])
    return process


def dig(run, port, *question):
    """dig through the tunnel over UDP alone; a lost datagram is asked for again, as clients of DNS do."""
    return run.lab.run(
        "a", ["dig", "@127.0.0.1", "-p", port, "+notcp", "+ignore", "+time=2", "+tries=15", *question], seconds=60).stdout


@test(seconds=300)
def dns_dig(run):
    """dig and dnsmasq through a UDP tunnel: A records, and TXT records up to what EDNS carries in one datagram."""
    dns = udp_tunnel(run, "dns")
    with Pair(run.lab, run.directory / "dx", [dns]) as pair:
        start_dnsmasq(run, target_port(dns))
        said = dig(run, dns.port, "+short", "host.dx.test", "A").strip()
        check(said == "192.0.2.77", f"dig said {said!r}")
        sizes = {}
        for name in TEXTS:
            said = dig(run, dns.port, "+bufsize=4096", f"{name}.dx.test", "TXT")
            answers = re.findall(r"^%s\.dx\.test\.\s.*\sTXT\s(.*)$" % name, said, re.MULTILINE)
            texts = ["".join(re.findall(r'"([^"]*)"', answer)) for answer in answers]
            check(sorted(texts) == sorted(texts_of(name)), f"the texts of {name} came as {said!r}")
            sizes[name] = int(re.search(r"MSG SIZE\s+rcvd: (\d+)", said).group(1))
        check(sizes["large"] > 3_500, f"the largest answer had {sizes} bytes")
        questions = run.size(300, 50)
        batch = run.directory / "batch"
        batch.write_text("host.dx.test A\n" * questions)
        # dig says in comments when it asks again.
        said = [line for line in dig(run, dns.port, "+short", "-f", batch).splitlines() if not line.startswith(";")]
        check(said == ["192.0.2.77"] * questions, f"{len(said)} of {questions} answers")
        here, there = (gateway.status()["tunnels"][0] for gateway in (pair.a, pair.b))
        check(here["protocol"] == "udp" and here["total_connections"] >= questions / 2, f"status: {here}")
        check(there["bytes_to_client"] > 6_700, f"status: {there}")
    run.note(largest_answer_bytes=sizes["large"])
    return f"answers of {', '.join(str(size) for size in sizes.values())} bytes, then {questions} questions in a row"


def serve_echo(run, port):
    """A UDP socket on host b, and what answers there: each datagram, with the port that it came from before it."""
    target = run.lab.socket("b", kind=socket.SOCK_DGRAM)
    target.setblocking(False)
    target.bind(("127.0.0.1", port))
    return target


@test(seconds=300)
def udp_many_clients(run):
    """300 clients at once, each a flow with a port of its own at the target; each gets its own answers."""
    each = udp_tunnel(run, "echo")
    count, rounds = run.size(300, 60), 3
    with Pair(run.lab, run.directory / "dx", [each]) as pair, serve_echo(run, target_port(each)) as target:
        selector = selectors.DefaultSelector()
        selector.register(target, selectors.EVENT_READ, None)
        clients = []
        for number in range(count):
            client = run.lab.socket("a", kind=socket.SOCK_DGRAM)
            client.setblocking(False)
            client.connect(("127.0.0.1", each.port))
            clients.append(client)
            selector.register(client, selectors.EVENT_READ, number)
        sources, answered = {}, [0] * count

        def ask(number):
            clients[number].send(f"{number}/{answered[number]}/".encode() * (1 + number % 200))

        def serve(events):
            for key, _ in events:
                try:
                    if key.data is None:
                        data, source = target.recvfrom(65536)
                        sources.setdefault(int(data.split(b"/")[0]), set()).add(source)
                        target.sendto(data, source)
                        continue
                    data = key.fileobj.recv(65536)
                except BlockingIOError:
                    continue
                number = key.data
                check(data.startswith(f"{number}/".encode()), f"client {number} got {data[:20]!r}")
                if data.startswith(f"{number}/{answered[number]}/".encode()) and answered[number] < rounds:
                    answered[number] += 1
                    if answered[number] < rounds:
                        ask(number)

        def finished():
            for number in range(count):
                if answered[number] < rounds:
                    ask(number)     # again: datagrams may be lost
            for _ in range(200):
                events = selector.select(0.02)
                if not events:
                    break
                serve(events)
            return all(value == rounds for value in answered)
        wait_until(finished, f"{count} clients to be answered", 240.0)
        ports = [port for places in sources.values() for port in places]
        check(len(sources) == count and len(set(ports)) == len(ports), "two clients shared a port at the target")
        status = pair.a.status()["tunnels"][0]
        check(status["open_connections"] == count, f"{status['open_connections']} flows for {count} clients")
        for client in clients:
            client.close()
    return f"{count} clients, {rounds} answers each, {len(set(ports))} ports at the target"


@test(cells=("clean",), seconds=300)
def udp_iperf3(run):
    """iperf3 -u at 20 Mbit/s through a UDP tunnel (its control connection through one of TCP)."""
    port = run.port()
    data = Tunnel("data", port, port, udp=True)
    control = Tunnel("control", port, port)
    with Pair(run.lab, run.directory / "dx", [data, control]) as pair:
        server = run.lab.start("b", ["iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", port], "iperf3", run.directory / "iperf3.log")
        wait_until(lambda: run.lab.listening("b", port), "iperf3 listens", 60.0, alive=[server])
        said = run.lab.run("a", ["iperf3", "-c", "127.0.0.1", "-p", port, "-u", "-b", 20 * MEGABIT, "-l", 1200, "-t", 5, "-J"],
                           seconds=120).stdout
        result = json.loads(said)["end"]["sum"]
        dropped = pair.a.status()["tunnels"][0].get("datagrams_dropped")
    received = result["packets"] - result["lost_packets"]
    # No test judges speed; but most of so little must arrive.
    check(received > result["packets"] / 2, f"{result['lost_packets']} of {result['packets']} lost, dropped {dropped}")
    run.note(mbit_per_second=result["bits_per_second"] / 1e6, lost_percent=result["lost_percent"])
    return f"{result['packets']} datagrams of 1,200 bytes, {result['lost_packets']} lost"


@test(cells=("clean",), seconds=300)
def udp_rate(run):
    """A UDP tunnel's rate is kept within 5 % in the median of ten seconds, what is over it is dropped and counted."""
    rate = 2 * MEGABIT
    # What a standstill saves up, and the kernel's buffers hold: a tenth of a second each, at most.
    burst = rate / 10 * 2
    each = udp_tunnel(run, "limited", options={"rate": "2M"})
    with Pair(run.lab, run.directory / "dx", [each]) as pair, serve_echo(run, target_port(each)) as target:
        client = run.lab.socket("a", kind=socket.SOCK_DGRAM)
        client.connect(("127.0.0.1", each.port))
        payload = bytes(1_000)
        # The burst goes first.
        got, second, seconds = 0, time.monotonic() + 2, []
        first = None
        while len(seconds) < 10:
            now = time.monotonic()
            if now >= second:
                if first is None:
                    first = total_from = now
                    total = 0
                else:
                    seconds.append(got * 8 / (now - total_from))
                    total += got * 8
                got, total_from, second = 0, now, now + 1
            client.send(payload)
            # Some thousand datagrams a second: three times the rate.
            if select.select([target], [], [], 0.001)[0]:
                try:
                    while True:
                        got += len(target.recv(65536))
                except BlockingIOError:
                    pass
        measured = statistics.median(seconds)
        status = pair.a.status()["tunnels"][0]
        client.close()
    check(abs(measured - rate) < 0.05 * rate, f"{measured / 1e6:.3f} Mbit/s")
    # A machine that stands still for a moment loses what could have been sent then, and gets no more than the burst after it.
    check(total <= 1.05 * rate * (total_from - first) + burst, f"{total} bits in {total_from - first:.1f} s")
    check(status["datagrams_dropped"].get("rate", 0) > 0, f"status: {status}")
    run.note(mbit_per_second=measured / 1e6)
    return f"{measured / 1e6:.3f} Mbit/s of 2, {status['datagrams_dropped']['rate']} datagrams dropped"
