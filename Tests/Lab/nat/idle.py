"""What two gateways that carry nothing cost in a day, by whom it goes to: figures only."""

import time

from harness.gateway import command
from harness.lab import check

from .members import Pair
from .networks import MATCHMAKERS, PUBLIC
from .plan import cell
from .traffic import Traffic

DAY = 86_400
# A NAT that forgets a UDP binding after half a minute: the shortest time that is common.
BINDING_SECONDS = 30
# Several keepalives of each kind; what comes less often is not in it.
QUICK_SECONDS, FULL_SECONDS = 300, 900


def bytes_by_destination(flows):
    """Bytes of IP both ways: between the gateways, and of each gateway with each matchmaker."""
    def both(mine, others):
        return sum(count for (source, destination, _), (_, count) in flows.items()
                   if source in mine and destination in others or source in others and destination in mine)
    found = {"peer": both({PUBLIC["a"]}, {PUBLIC["b"]})}
    for who, address in PUBLIC.items():
        for name, addresses in MATCHMAKERS.items():
            found[f"{who}-{name}"] = both({address}, set(addresses))
    return found


def idle(run, group):
    """Both NATs strict and forgetful, two matchmakers, a tunnel each way that nobody uses: bytes of minutes, scaled to a day."""
    traffic = Traffic(run.lab)
    pair = Pair(run, group)
    for name in MATCHMAKERS:
        pair.start_matchmaker(name)
    began = time.monotonic()
    for who in "ba":
        pair.start(who)
    pair.wait_connected()
    # While one may join, its maker is registered a second time at each matchmaker.
    command("invite", "revoke", "--all", "--state", pair.state("a"))
    for who in "ab":
        # Keepalives are as they will be from here on.
        pair.wait_log(who, "the network's memory was measured", seconds=600.0)
    settled = time.monotonic() - began
    since = {who: pair.connected(who)["since"] for who in "ab"}
    before, start = bytes_by_destination(traffic.flows()), time.monotonic()
    time.sleep(FULL_SECONDS if run.full else QUICK_SECONDS)
    after, seconds = bytes_by_destination(traffic.flows()), time.monotonic() - start
    pair.check_alive()
    check({who: pair.connected(who)["since"] for who in "ab"} == since, "the session is another one")
    day = {name: round((after[name] - before[name]) / seconds * DAY) for name in after}
    matchmaker = max(count for name, count in day.items() if name != "peer")
    run.note(day_bytes=day, peer_day_bytes=day["peer"], matchmaker_day_bytes=matchmaker, window_s=round(seconds, 1),
             settling_s=round(settled, 1), settling_bytes=before)
    return (f"{day['peer'] / 1e6:.2f} MB a day between the gateways, at most {matchmaker / 1e6:.2f} MB with a matchmaker, scaled "
            f"from {seconds:.0f} s; {sum(before.values()) / 1e3:.0f} kB in the {settled:.0f} s before that")


cell("idle", "idle-day", "nat-portrestricted-portrestricted", idle, idle.__doc__, 3_600.0, only_full=True,
     LAB_NAT=f"timeout={BINDING_SECONDS}")
