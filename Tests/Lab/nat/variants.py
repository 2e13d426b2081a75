"""Networks besides the plain ones: both behind one router, the same addresses at both ends, NATs with other habits."""

import hashlib
import time

from harness.lab import HERE, check

from .matrix import bring_up, check_blind, check_direct, reachable, size, unreachable
from .members import carry, way_of
from .networks import NEIGHBOURS, NO_HAIRPIN, PUBLIC, STRICT
from .plan import cell
from .traffic import Traffic

# The NATs as the lab's own tests judged them. Whoever changes them runs `lab.sh selftest` and writes the new sum here.
USERNAT = "3eea4e68958bc4af245c5d84490cbd0dd0c7591e373cad6664cd066de1419d8e"


def neighbours(run, group):
    """Both behind one router, whose hosts reach each other: all goes inside, nothing by the router's public side."""
    outside, inside = Traffic(run.lab), Traffic(run.lab, "ra")
    pair, started = bring_up(run, group)
    with pair.targets("b"), pair.connect("a") as connection:
        first_byte = time.time() - started
        before = inside.flows()
        carry(connection, size(run))
        there, back = check_direct(inside, before, size(run), (NEIGHBOURS["a"], NEIGHBOURS["b"]))
    check_blind(outside.flows())
    peer = pair.connected("a")
    check(peer is None or way_of(peer) == NEIGHBOURS["b"], f"a reaches its neighbour at {peer and peer['remote_address']}")
    run.note(first_byte_s=round(first_byte, 3), bytes=[there, back])
    return f"first byte after {first_byte:.2f} s; {there / 1e6:.1f} and {back / 1e6:.1f} MB inside"


def apart_with_hairpin(run, group):
    """Both behind one router that keeps them apart and turns back what goes to its public address: all goes that way."""
    outside, inside = Traffic(run.lab), Traffic(run.lab, "ra")
    pair, started = bring_up(run, group)
    with pair.targets("b"), pair.connect("a") as connection:
        first_byte = time.time() - started
        turned = run.lab.stats()["nat-ra"]["hairpin"]
        carry(connection, size(run))
        turned = run.lab.stats()["nat-ra"]["hairpin"] - turned
    check(turned > 2 * size(run) // 1500, f"the NAT turned back {turned} packets only")
    check(inside.bytes_between({NEIGHBOURS["a"]}, {NEIGHBOURS["b"]}) < 100_000, "they reach each other inside: the lab is wrong")
    check_blind(outside.flows())
    peer = pair.connected("a")
    check(peer is None or way_of(peer) == PUBLIC["a"], f"a reaches its neighbour at {peer and peer['remote_address']}")
    run.note(first_byte_s=round(first_byte, 3), hairpin_packets=turned)
    return f"first byte after {first_byte:.2f} s; {turned} packets turned back by the NAT"


def apart(run, group):
    """Both behind one router that keeps them apart and turns nothing back: there is no way, and they say so."""
    return unreachable(run, group, "nohairpin", "nohairpin", ((NO_HAIRPIN,), (NO_HAIRPIN,)))


def unmodified(run, group):
    """The NATs are those that `lab.sh selftest` judged, with no option but those of their type."""
    found = hashlib.sha256((HERE / "usernat.c").read_bytes()).hexdigest()
    check(found == USERNAT, f"usernat.c has the sum {found}: run `lab.sh selftest`, then write it to nat/variants.py")
    check(not run.lab.settings, "this lab has settings of its own")
    return reachable(run, group, "portrestricted", "portrestricted")


def no_forwarder(run, group):
    """A way is found while no member of the group may forward: none is configured, and there are only the two."""
    figure = reachable(run, group, "portrestricted", "portrestricted")
    return f"two members, none else; {figure}"


def also(name, topology, first, second, description, only_full=False, **settings):
    cell("variants", name, topology, lambda run, group: reachable(run, group, first, second), description,
         only_full=only_full, **settings)


cell("variants", "hairpin", "nat-hairpin", neighbours, neighbours.__doc__)
cell("variants", "nohairpin", "nat-nohairpin", neighbours, neighbours.__doc__)
cell("variants", "hairpin-isolate", "nat-hairpin", apart_with_hairpin, apart_with_hairpin.__doc__, LAB_ISOLATE=1)
cell("variants", "nohairpin-isolate", "nat-nohairpin", apart, apart.__doc__, LAB_ISOLATE=1)
cell("variants", "unmodified-usernat", "nat-portrestricted-portrestricted", unmodified, unmodified.__doc__)
cell("variants", "no-forwarder", "nat-portrestricted-portrestricted", no_forwarder, no_forwarder.__doc__)
for kinds in (("portrestricted", "portrestricted"), ("cone", "symmetric"), ("linux", "linux"), ("double", "restricted")):
    also("overlap-" + "-".join(kinds), "nat-" + "-".join(kinds), *kinds,
         "both inside networks are 192.168.1.0/24, both hosts 192.168.1.10", kinds[0] in ("linux", "double"), LAB_OVERLAP=1)
for kinds in (("portrestricted", "portrestricted"), ("cone", "symmetric")):
    also("isolate-" + "-".join(kinds), "nat-" + "-".join(kinds), *kinds, "hosts of each network are kept apart",
         kinds[0] == "cone", LAB_ISOLATE=1)
for easy in STRICT:
    also(f"sequential-{easy}", f"nat-symmetric-{easy}", "symmetric", easy,
         "a hard NAT whose ports follow one another", easy != "portrestricted", LAB_NAT_A="ports=sequential")
    also(f"{easy}-sequential", f"nat-{easy}-symmetric", easy, "symmetric",
         "a hard NAT whose ports follow one another", easy != "linux", LAB_NAT_B="ports=sequential")
also("preserving", "nat-portrestricted-portrestricted", "portrestricted", "portrestricted",
     "NATs that keep the inside port", LAB_NAT="ports=preserve")
also("adm-filtering", "nat-symmetric-restricted", "symmetric", "restricted",
     "another outside port for each address", LAB_NAT_A="mapping=ad")
also("hairpinning-nats", "nat-portrestricted-portrestricted", "portrestricted", "portrestricted",
     "NATs that turn back what goes to their public address", LAB_NAT="hairpin=on")
