"""The book and the schedule, tried on cases whose right answer is known: a run whose judge is blind must not pass."""

import types

from harness.lab import check

from .ledger import EARLY, REFUSED, RESET, SILENT, STOPPED, WHOLE, WRONG, Ledger, Side
from .schedule import BY_NAME, EACH, FULL_SECONDS, HOSTS, KINDS, LONGEST_BLOCK, apart, longest, make

FLOW = types.SimpleNamespace(name="up", origin="c", destinations="d")


def fault(kind, hosts, begun, over, place=None):
    return types.SimpleNamespace(kind=kind, hosts=tuple(hosts), place=place or hosts[0], begun=begun, over=over)


def verdict(made, client, target=None):
    """What the book says of a connection whose sides are (host, started, ended, how, sent, received)."""
    book = Ledger()
    connection = book.open(FLOW)
    connection.client = side(*client)
    connection.target = side(*target) if target else None
    return book.judge(made)[0]


def side(host, started, ended, how, sent, received):
    return Side(host, started, ended, how, "", sent, received)


WHOLE_CLIENT, WHOLE_TARGET = ("c", 10, 20, WHOLE, 500, 8), ("d", 10, 20, WHOLE, 8, 500)
KILL = fault("kill", "d", 15, 17)
# (what, is it right?, faults, client, target)
CASES = (
    ("whole", True, [], WHOLE_CLIENT, WHOLE_TARGET),
    ("a byte is missing", False, [KILL], WHOLE_CLIENT, ("d", 10, 20, WHOLE, 8, 499)),
    ("a byte too many", False, [KILL], WHOLE_CLIENT, ("d", 10, 20, WHOLE, 8, 501)),
    ("no target had it", False, [KILL], WHOLE_CLIENT, None),
    ("wrong bytes", False, [KILL], ("c", 10, 16, WRONG, 500, 3), ("d", 10, 16, RESET, 3, 500)),
    ("silence", False, [KILL], ("c", 10, 200, SILENT, 500, 3), ("d", 10, 16, RESET, 3, 500)),
    ("it did not end", False, [KILL], ("c", 10, 0, "", 500, 3), ("d", 10, 16, RESET, 3, 500)),
    ("reset by nothing", False, [], ("c", 10, 16, RESET, 500, 3), ("d", 10, 16, RESET, 3, 400)),
    ("reset by a kill", True, [KILL], ("c", 10, 18, RESET, 500, 3), ("d", 10, 15, RESET, 3, 400)),
    ("reset before the kill", False, [KILL], ("c", 10, 13, RESET, 500, 3), ("d", 10, 13, RESET, 3, 400)),
    ("reset long after the kill", False, [KILL], ("c", 10, 120, RESET, 500, 3), ("d", 10, 120, RESET, 3, 400)),
    ("opened after the kill, and reset", True, [KILL], ("c", 16, 18, RESET, 500, 0), ("d", 16, 18, RESET, 0, 400)),
    ("opened when all was back, and reset", False, [KILL], ("c", 18.5, 25, RESET, 500, 0), ("d", 19, 25, RESET, 0, 400)),
    ("an open one of the host whose address another has", True, [fault("conflict", "da", 15, 17)], ("c", 10, 16, RESET, 500, 3),
     ("d", 10, 16, RESET, 3, 400)),
    ("an open one of the host that has another's address", False, [fault("conflict", "ad", 15, 17)], ("c", 10, 16, RESET, 500, 3),
     ("d", 10, 16, RESET, 3, 400)),
    ("a kill elsewhere", False, [fault("kill", "e", 15, 17)], ("c", 10, 18, RESET, 500, 3), ("d", 10, 15, RESET, 3, 400)),
    ("an open one reset by a cut", False, [fault("cut", "c", 15, 17)], ("c", 10, 18, RESET, 500, 3), ("d", 10, 18, RESET, 3, 400)),
    ("reset by lost packets", False, [fault("loss", "c", 5, 17)], ("c", 10, 18, RESET, 500, 0), None),
    ("a new one refused by a cut", True, [fault("cut", "c", 5, 17)], ("c", 10, 18, RESET, 500, 0), None),
    ("a new one refused for want of memory", True, [fault("memory", "cd", 5, 17)], ("c", 10, 18, RESET, 500, 0), None),
    ("an open one reset for want of memory", False, [fault("memory", "cd", 5, 17)], ("c", 10, 18, RESET, 500, 0), ("d", 10, 18, RESET, 0, 400)),
    ("refused by nothing", False, [], ("c", 10, 18, REFUSED, 0, 0), None),
    ("the target stopped", True, [fault("target", "d", 15, 17, "up@d")], ("c", 10, 16, RESET, 500, 3), ("d", 10, 15, STOPPED, 3, 400)),
    ("another target stopped", False, [fault("target", "d", 15, 17, "ha@d")], ("c", 10, 16, RESET, 500, 3), ("d", 10, 15, RESET, 3, 400)),
    ("refused as the target stopped", True, [fault("target", "d", 15, 17, "up@d")], ("c", 16, 16.1, RESET, 0, 0), None),
    ("refused as another target stopped", False, [fault("target", "d", 15, 17, "ha@d")], ("c", 16, 16.1, RESET, 0, 0), None),
    ("refused before the kill", False, [KILL], ("c", 10, 13, RESET, 0, 0), None),
    ("refused long after the kill", False, [KILL], ("c", 80, 81, RESET, 0, 0), None),
    ("an early end where the gateway was killed", True, [KILL], ("c", 10, 16, RESET, 500, 3), ("d", 10, 15.5, WHOLE, 3, 400)),
    ("an early end where another was killed", False, [fault("kill", "c", 15, 17)], ("c", 10, 16, RESET, 500, 3), ("d", 10, 15.5, WHOLE, 3, 400)),
    ("an early end long after the kill", False, [KILL], ("c", 10, 120, RESET, 500, 3), ("d", 10, 120, WHOLE, 3, 400)),
    ("an early end of one that came when all was back", False, [KILL], ("c", 19, 25, RESET, 500, 3), ("d", 19, 25, WHOLE, 3, 400)),
    ("an early end at a client", False, [KILL], ("c", 10, 16, EARLY, 500, 3), ("d", 10, 15.5, RESET, 3, 400)),
)


def try_book():
    for what, right, made, client, target in CASES:
        said = verdict(made, client, target)
        check(bool(said) != right, f"the book takes '{what}' for {'wrong: ' + said[0] if said else 'right'}")
    book = Ledger()
    book.open(FLOW)
    check(book.arrive(0, "d") is not None and book.arrive(0, "b") is None and book.arrive(1, "b") is None and len(book.problems) == 2,
          "a connection that comes to two targets is not seen")


def try_schedule():
    for seed in (1, 2):
        whole = make(seed, FULL_SECONDS)
        check(whole == make(seed, FULL_SECONDS), "the same seed makes another schedule")
        check(make(seed, 180.0).faults != make(seed + 1, 180.0).faults, "another seed makes the same schedule")
        for kind in KINDS:
            count = sum(each.kind == kind.name for each in whole.faults)
            check(count >= EACH, f"{count} of {kind.name} in a whole run")
        for number in range(whole.rounds):
            mine = whole.of_round(number)
            check(all(apart(one, other) for one in mine for other in mine if one is not other), "faults meet that must not")
            blocks = [each for each in mine if BY_NAME[each.kind].blocks]
            for one in HOSTS:
                for other in HOSTS:
                    spans = sorted((each.at, each.end) for each in blocks if {one, other} & set(each.hosts))
                    check(one == other or longest(spans) <= LONGEST_BLOCK, f"{one} and {other} are apart for too long")


def run():
    """Raises when one of them is wrong."""
    try_book()
    try_schedule()
