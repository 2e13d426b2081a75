"""The timed figures of each milestone."""

from .second import second
from .third import third

MILESTONES = {2: second, 3: third}

__all__ = ["MILESTONES"]
