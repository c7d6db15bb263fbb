"""A step on a batch of few rows, without solving for as many unknowns as there are features.

With A = H + penalty, which earlier batches have left, and the rows v_i of the batch in V (r, n + 1), the step is

    theta = theta_0 - A^-1 V^T c        where c_i = s_i (a_i - y_i) at theta, and so z = V theta_0 - K c with K = V A^-1 V^T

These are r equations for c.  The batch adds U^T U to H, with the rows u_i = (s_i a_i (1 - a_i))^1/2 v_i.  That takes Z^T Z from
A^-1, with Z = L^-1 U A^-1 and L L^T = 1 + U A^-1 U^T.  So a batch of r rows costs r n^2, in place of n^3.
"""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from fastlr.backends import logistic
from fastlr.machine.blas import dot, inverse_factor, product

_HALVINGS = 60                  # The most halvings of a step.
_SUFFICIENT = 1e-4              # The share of what the slope promises by which a step has to lower J.


class Inverse(NamedTuple):
    """The inverse of A = H + D with a diagonal D, and the rows that H has got since it was made.

    No array of it is ever written to.
    """

    made: np.ndarray            # (n + 1, n + 1) the inverse as it was made
    diagonal: np.ndarray        # (n + 1,) D
    told: np.ndarray            # (R, n + 1) U of the rows since
    taken: np.ndarray           # (R, n + 1) Z of them

    @classmethod
    def of(cls, H: np.ndarray, diagonal: np.ndarray) -> Self:
        """Invert H + D; LinAlgError where that is not positive definite."""
        nothing = np.empty((0, diagonal.size))
        if not H.any():
            return cls(np.diag(1.0 / diagonal), diagonal, nothing, nothing)
        factor = inverse_factor(H + np.diag(diagonal))
        return cls(product(factor.T, factor), diagonal, nothing, nothing)

    def times(self, V: np.ndarray) -> np.ndarray:
        """V A^-1, (r, n + 1), for rows V (r, n + 1)."""
        found = product(V, self.made)
        return found - product(product(V, self.taken.T), self.taken) if len(self.taken) else found

    def with_rows(self, U: np.ndarray, inverse_times_U: np.ndarray) -> Self:
        """The inverse once U^T U is added to H, for rows U (r, n + 1) and `times(U)`."""
        Z = product(inverse_factor(np.eye(len(U)) + product(inverse_times_U, U.T)), inverse_times_U)
        return self._replace(told=np.concatenate([self.told, U]), taken=np.concatenate([self.taken, Z]))

    def settled(self) -> Self:
        """Put rows that were kept apart into `made`."""
        nothing = self.told[:0]
        return self._replace(made=self.made - product(self.taken.T, self.taken), told=nothing, taken=nothing)


class Point(NamedTuple):
    """A point on the way to the minimum of a batch's J."""

    theta: np.ndarray           # (n + 1,)
    cost: float
    gap: float                  # an estimate of J - J*
    grad_norm: float
    before: np.ndarray          # of each update since the last point, (k, 3): J, the gradient's norm, the step


def points(V: np.ndarray, y: np.ndarray, s: np.ndarray, theta: np.ndarray, inverse_times_V: np.ndarray,
           unit: np.ndarray) -> Iterator[Point]:
    """Newton's method for c: the points of least J along each step, from the theta (n + 1,) to which earlier batches have led.

    V (r, n + 1) has the rows of the batch, with labels y and weights s; `inverse_times_V` is V A^-1.  The gradient by theta is
    multiplied by a unit (n + 1,) for its norm.
    """
    K, z_before = product(inverse_times_V, V.T), np.vecdot(V, theta)         # `@` would start BLAS threads
    c, updates = np.zeros(len(V)), np.empty((0, 3))

    def cost_and_slopes(c: np.ndarray, Kc: np.ndarray) -> tuple[float, np.ndarray]:
        losses, slopes = logistic.loss_and_slope(y, z_before - Kc)
        return float(dot(s, losses) + 0.5 * dot(c, Kc)), s * slopes

    Kc = np.vecdot(K, c)
    cost, slopes = cost_and_slopes(c, Kc)
    while True:
        excess = slopes - c
        root = np.sqrt(s * logistic.curvature(z_before - Kc))
        K_excess = np.vecdot(K, excess)
        factor = inverse_factor(np.eye(len(V)) + root[:, None] * K * root)
        p = excess - root * _product_from_left(np.vecdot(factor, root * K_excess), factor)
        slope = -dot(K_excess, p)
        grad_norm = float(np.abs(unit * _product_from_left(excess, V)).max())
        yield Point(theta - _product_from_left(c, inverse_times_V), cost, -0.5 * slope, grad_norm, updates)
        Kp, step = np.vecdot(K, p), 1.0
        for _ in range(_HALVINGS):
            new_cost, new_slopes = cost_and_slopes(c + step * p, Kc + step * Kp)
            if new_cost <= cost + _SUFFICIENT * step * slope:
                break
            step *= 0.5
        else:
            return
        updates = np.array([[cost, grad_norm, step]])
        c, Kc, cost, slopes = c + step * p, Kc + step * Kp, new_cost, new_slopes


def _product_from_left(a: np.ndarray, B: np.ndarray) -> np.ndarray:
    """The product of a vector (r,) and a matrix (r, k), (k,)."""
    return product(a[np.newaxis], B)[0]
