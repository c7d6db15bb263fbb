"""The coordinates that solvers work in: every column of X with mean 0 and deviation 1, without a copy of X.

With mu_j and sd_j the mean and deviation of column j, the same margin is

    z = sum_j w_j x_j + b = sum_j u_j (x_j - mu_j) / sd_j + c        u_j = sd_j w_j        c = b + sum_j mu_j w_j

so that u = [u_1 .. u_n, c] stands for theta = [w_1 .. w_n, b].  A solver that starts at the same u takes the same steps
whatever units the columns are in.

Parameters of K classes are K such rows.  All vectors here hold r rows one after another: they are (r (n + 1),).
"""

from typing import NamedTuple, Self

import numpy as np

from fastlr.machine.blas import dots


class Origin(NamedTuple):
    """From where the columns of X are counted; what stands for 1 in every row takes back what that moves the margins."""

    shift: np.ndarray           # (n,) what is taken away from X as the user has given it
    place: int                  # in theta: -1 for the intercept, or that of a constant column
    unit: float                 # its value in every row


class Coordinates:
    """The map between u and theta, by the center mu (n,) and the spread sd (n,); X is counted from the origin, or from 0.

    Attributes
    ----------
    scales : (n + 1,) float64
        1 / sd, and 1.
    means_in_deviations : (n + 1,) float64
        |mu| / sd, and 0.
    """

    def __init__(self, center: np.ndarray, spread: np.ndarray, origin: Origin | None = None) -> None:
        self.center, self.spread = center, spread
        self.origin = Origin(np.zeros(spread.size), -1, 1.0) if origin is None else origin
        self.scales, self._shifts = np.empty(spread.size + 1), np.empty(spread.size + 1)
        np.divide(1.0, spread, out=self.scales[:-1])
        self.scales[-1], self._shifts[:-1], self._shifts[-1] = 1.0, center, 0.0
        self.means_in_deviations = np.abs(self._shifts * self.scales)

    def rows(self, vector: np.ndarray) -> np.ndarray:
        """The rows (r, n + 1) of a vector, which they share the memory of."""
        return vector.reshape(-1, self.scales.size)

    @classmethod
    def of_theta(cls, n: int) -> Self:
        """The parameters theta of n features themselves."""
        return cls(np.zeros(n), np.ones(n))

    def u_of(self, theta: np.ndarray) -> np.ndarray:
        """The coordinates of theta."""
        rows = self.rows(theta)
        u = rows / self.scales
        u[:, -1] += dots(rows, self._shifts)
        return u.ravel()

    def theta_of(self, u: np.ndarray) -> np.ndarray:
        """The parameters at u, or along it."""
        theta = self.rows(u) * self.scales
        theta[:, -1] -= dots(theta, self._shifts)
        return theta.ravel()

    def parameters(self, u: np.ndarray) -> np.ndarray:
        """The parameters at u for X as the user has given it."""
        theta, origin = self.rows(self.theta_of(u)), self.origin
        theta[:, origin.place] -= dots(theta[:, :-1], origin.shift) / origin.unit
        return theta.ravel()

    def from_other(self, other: "Coordinates", u: np.ndarray) -> np.ndarray:
        """The coordinates of what has the coordinates u in another center and spread, without going by way of theta."""
        theta = self.rows(u) * other.scales
        before, after = other.origin, self.origin
        place, unit = (before.place, before.unit) if before.shift.any() else (after.place, after.unit)
        moved = dots(theta[:, :-1], after.shift - before.shift) / unit
        theta[:, -1] += dots(theta, self._shifts - other._shifts)
        theta[:, place] += moved
        return (theta / self.scales).ravel()

    def by_u(self, grad: np.ndarray) -> np.ndarray:
        """Make the gradient by theta, which is overwritten, that by u."""
        rows = self.rows(grad)
        rows -= self._shifts * rows[:, -1:]
        rows *= self.scales
        return grad

    def to_standard(self, center: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ratio and shift (n,): in the coordinates of another center and spread, the gradient is ratio_j g_j + shift_j dc."""
        return self.spread / spread, (self.center - center) / spread
