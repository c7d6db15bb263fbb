"""What J needs to know of the loss beyond its sums over rows, which kernels compute."""

import math

from fastlr.backends import logistic


class Logistic:
    """The logistic loss -(y log a + (1 - y) log(1 - a)) of one row, with a = sigma(z) for the margin z.

    Attributes
    ----------
    largest_curvature : float
        A bound on the second derivative by z.
    self_concordance : float
        The third derivative is at most so many times the second.
    of_guessing : float
        The loss of a = 1/2.  A row on its wrong side has at least as much.
    """

    largest_curvature = 0.25
    self_concordance = 1.0
    of_guessing = math.log(2.0)

    loss_and_slope = staticmethod(logistic.loss_and_slope)
    curvature = staticmethod(logistic.curvature)

    @staticmethod
    def null_margin(rate: float) -> float:
        """The margin of the best model without features, where a share of the rows, the rate, has y = 1."""
        return math.log(rate / (1.0 - rate))

    @staticmethod
    def null_curvature(rate: float) -> float:
        """The second derivative at that margin."""
        return rate * (1.0 - rate)
