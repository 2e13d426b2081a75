"""Which cells there are, and how many of them run at a time."""

from harness.runner import Test

# part -> what it is; in the order in which they run. Cells of a part that is timed run alone.
PARTS = {
    "matrix": ("every kind of network with every other", False),
    "variants": ("neighbours, overlapping addresses, other NATs", False),
    "blind": ("what matchmakers and strangers can see", False),
    "events": ("what happens while gateways are connected", True),
    "times": ("how long it takes", True),
}
CELLS = []
# Cold starts in each cell of the matrix; None: one, or ten in a whole run. Set from the command line.
TRIES = None


class Cell(Test):
    """A test with a network of its own and the part that it belongs to."""

    part = ""
    only_full = False


def cell(part, name, topology, function, description, seconds=180.0, link=None, only_full=False, **settings):
    """Registers `function(run, group) -> figure`. `link` and `settings` are those of `lab.sh up`."""
    made = Cell(name, function, topology, (part,), seconds, link, settings)
    made.part, made.only_full, made.description = part, only_full, description
    CELLS.append(made)
    return made
