"""What a compiled minimization of J with l1 is told, and why it ends."""

from typing import NamedTuple

NEAR, FULL, STUCK, DEAR = range(4)
"""The goal is reached; the record is full, or as much of X has been read as may be; no step lowers J; coordinate descent takes
longer than second derivatives would."""


class Goal(NamedTuple):
    """What J is, and what its minimum is wanted to."""

    to_cost: float              # from sums over rows to J
    to_mean: float              # from J to the mean scale
    intercept: float            # 1 with one, 0 without
    tol: float                  # of the least subgradient, on the mean scale
    gap: float                  # of J, beside it
    enough: float               # of the least subgradient, on the mean scale, whatever the gap is
    rounding: float             # a difference of J that may be rounding
    budget: float               # numbers of X that coordinate descent may read for one update
    room: float                 # the columns of a model, at most, for whose second derivatives there is time
    most: float                 # numbers of X that all updates may read, in time for Ctrl-C
