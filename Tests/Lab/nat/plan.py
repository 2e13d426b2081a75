"""Which cells there are, and how many of them run at a time."""

from harness.runner import Test

# part -> what it is; in the order in which they run. Cells of a part that is timed run alone.
PARTS = {
    "matrix": ("every kind of network with every other", False),
    "variants": ("neighbours, overlapping addresses, other NATs", False),
    "blind": ("what matchmakers and strangers can see", False),
    "events": ("what happens while gateways are connected", True),
    "times": ("how long it takes", True),
    "idle": ("what it costs when nothing goes on", True),
}
CELLS = []
# Cold starts in each cell of the matrix; None: one, or ten in a whole run. Set from the command line.
TRIES = None
# How often each thing is measured in a timed cell; None: as often as the cell says. Set from the command line.
RUNS = None


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


def rounds(run, few, many):
    """How often a timed cell measures: `few` times, `many` in a whole run, or as the command line says."""
    return RUNS or (many if run.full else few)


def patience(seconds):
    """The limit of a cell for which `seconds` suffice with a few rounds and tries."""
    return seconds * max(1.0, (RUNS or 0) / 4, (TRIES or 0) / 4)
