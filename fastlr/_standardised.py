"""The coordinates that solvers work in: every column of X with mean 0 and deviation 1, without a copy of X.

With mu_j and sd_j the mean and deviation of column j, the same margin is

    z = sum_j w_j x_j + b = sum_j u_j (x_j - mu_j) / sd_j + c        u_j = sd_j w_j        c = b + sum_j mu_j w_j

so that u = [u_1 .. u_n, c] stands for theta = [w_1 .. w_n, b].  A solver that starts at the same u takes the same steps
whatever units the columns are in.  The penalty stays what it was: l2/2 ||w||^2 = sum_j l2/2 (u_j / sd_j)^2.
"""

import copy
import math
from collections.abc import Callable
from typing import Self

import numpy as np

from fastlr._objective import Objective
from fastlr.backends._descent import Space

_EPS = float(np.finfo(float).eps)
_ROUNDING = 1e-12               # of J, relative
MOST_SIDE = 10_000              # features, beyond which a Hessian is out of proportion,
_MOST_SPARSE_SIDE = 3000        # and to a sparse X


class Standardised:
    """An Objective as a function of u.

    Parameters
    ----------
    objective : Objective
    center, spread : (n,) float64
        mu and sd.
    """

    def __init__(self, objective: Objective, center: np.ndarray, spread: np.ndarray) -> None:
        self.objective = objective
        self._center, self._spread = center, spread
        self._scales = np.append(1.0 / spread, 1.0)
        self._shifts = np.append(center, 0.0)
        self._penalty = np.append(objective.rule.l2 / spread ** 2, 0.0)         # the diagonal of its Hessian
        self._all_rows, self._all_stored = objective.shape[0], objective.stored
        self.diagonal = objective.rate * (1.0 - objective.rate) / objective.rule.to_mean + self._penalty
        """(n + 1,) the diagonal of the Hessian at the null model."""
        self._certificate: tuple[np.ndarray, np.ndarray] | None = None
        self.uncertainty = 0.0
        """Relative variance of the Hessian: features a row of a sample, 0 for all rows."""

    @property
    def is_sample(self) -> bool:
        """Whether J is that of a sample."""
        return self.uncertainty > 0.0

    def u_of(self, theta: np.ndarray) -> np.ndarray:
        """The coordinates (n + 1,) of theta."""
        w = theta[:-1]
        return np.append(w * self._spread, theta[-1] + self._center @ w)

    def theta_of(self, u: np.ndarray) -> np.ndarray:
        """The parameters (n + 1,) at u, or along it."""
        theta = u * self._scales
        theta[-1] -= self._shifts @ theta
        return theta

    def cost_gradient(self, u: np.ndarray) -> tuple[float, np.ndarray]:
        """J at u and its gradient by u, (n + 1,)."""
        cost, grad = self.objective.cost_gradient(self.theta_of(u))
        grad -= self._shifts * grad[-1]
        grad *= self._scales
        return cost, grad

    def gradient_norm(self, grad: np.ndarray) -> float:
        """What `tol` bounds."""
        largest = float(np.abs(grad).max())
        if self._certificate is not None:
            ratio, shift = self._certificate
            largest = max(abs(float(grad[-1])), float(np.abs(ratio * grad[:-1] + shift * grad[-1]).max()))
        return largest * self.objective.rule.to_mean

    def hessian(self, u: np.ndarray) -> np.ndarray:
        """The second derivatives of J at u, (n + 1, n + 1)."""
        H = self.objective.hessian(self.theta_of(u), self._center)
        H *= self._scales
        H *= self._scales[:, None]
        H.flat[::H.shape[0] + 1] += self._penalty
        return H

    def hessian_product(self, u: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
        """v -> H v for the second derivatives H of J at u, and the diagonal of H, (n + 1,)."""
        times, diagonal = self.objective.hessian_product(self.theta_of(u), self._center)

        def product(v: np.ndarray) -> np.ndarray:
            Hv = times(self.theta_of(v))
            Hv -= self._shifts * Hv[-1]
            Hv *= self._scales
            Hv += self._penalty * v
            return Hv

        return product, diagonal * self._scales ** 2 + self._penalty

    def on_sample(self, objective: Objective) -> Self:
        """J on a sample of the rows, in the same coordinates."""
        sample = copy.copy(self)
        sample.objective = objective
        sample.uncertainty = self._spread.size / objective.effective_rows()
        return sample

    def certified(self) -> Self:
        """The same in coordinates of a sample, with `gradient_norm` as in those of all rows, whose moments are needed for it."""
        center, spread = self.objective.standardisation
        other = copy.copy(self)
        other._certificate = self._spread / spread, (self._center - center) / spread
        return other

    def sampling_error(self) -> float:
        """By how much J at a sample's optimum is expected to exceed J*."""
        return 0.5 * self.uncertainty / self.objective.rule.to_mean

    def sampling_gradient(self) -> float:
        """The norm of the gradient that is expected for all rows at a sample's optimum."""
        return math.sqrt(self.uncertainty / self._spread.size)

    def steps_a_hessian(self) -> float:
        """What a Hessian of these rows costs, with its inverse, in steps on all rows (nanoseconds, as measured)."""
        if not self.has_room_for_hessian:
            return math.inf
        m, n = self.objective.shape
        if self.objective.is_sparse:
            return (1e5 + self.objective.pairs + 2.0 * n ** 2 + 0.05 * n ** 3) / (5e4 + self._all_stored)
        return (1e5 + m * n * (0.4 + 0.01 * n) + 0.05 * n ** 3) / (5e4 + self._all_rows * n * 0.2)

    @property
    def has_room_for_hessian(self) -> bool:
        """Whether n^2 numbers, and n^3 multiplications, are in proportion to X."""
        return self.objective.shape[1] <= (_MOST_SPARSE_SIDE if self.objective.is_sparse else MOST_SIDE)

    def rounding(self, u: np.ndarray, cost: float) -> float:
        """A difference of J that may be rounding: of adding up a million losses, and of margins w x where b takes most of it."""
        cancelled = float(np.abs(self._shifts * self._scales) @ np.abs(u)) / self.objective.rule.to_mean
        return _ROUNDING * abs(cost) + _EPS * cancelled

    def newton(self, u: np.ndarray, ridge: float, tol: float,
               updates: int) -> tuple[np.ndarray, float, np.ndarray, np.ndarray, np.ndarray, bool]:
        """So many updates of Newton's method, or until the gradient is at most tol, in one compiled call.

        Returns
        -------
        u, cost, grad, p
            As in `Iterate`; p = -H^-1 grad at u.
        before : (updates, 3)
            As in `Iterate`.
        is_sound : bool
            False where J can't be lowered from u by this, but perhaps otherwise.
        """
        rule = self.objective.rule
        space = Space(self._center, self._scales, self._penalty, rule.scale, rule.intercept, ridge * self.diagonal)
        u, record, grad, p = u.copy(), np.empty((updates, 3)), np.empty_like(u), np.empty_like(u)
        made, is_sound, cost = self.objective.newton(u, space, tol / rule.to_mean, record, grad, p)
        before = record[:made]
        before[:, 1] *= rule.to_mean
        return u, cost, grad, p, before, is_sound


def standardised(objective: Objective, theta: np.ndarray) -> tuple[Standardised, np.ndarray]:
    """The objective in standardised coordinates, and where to start in them: at theta, or at the null model for zeros."""
    if not theta.any():
        theta = objective.null_model()
        if not objective.is_small:
            objective.first_read(theta)
    problem = Standardised(objective, *objective.standardisation)
    return problem, problem.u_of(theta)
