"""What is added to the loss in J: nothing else knows the form of a penalty.

A penalty is a convex function of u with second derivatives.  Its methods take the scales (n + 1,) of the coordinates, 1 / sd_j
and 1: u * scales are the parameters [w, c] for features x - mu.  For K classes u is (K, n + 1), and the penalty is the sum of
those of its rows.
"""

import abc
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fastlr.machine.arrays import repeated
from fastlr.machine.blas import dot

# The slope that holds a w at 0 whatever the gradient is.
_LARGEST = float(np.finfo(float).max)
_TINY = float(np.finfo(float).tiny)


class Penalty(abc.ABC):
    """A penalty, as solvers see it; what a subclass leaves out is that of a quadratic in w about 0, column by column.

    Attributes
    ----------
    is_ridge : bool
        Whether all but l1 is half the sum of `diagonal` times u^2: compiled descents know nothing else.
    """

    is_ridge: ClassVar[bool] = False

    @property
    def convexity(self) -> float:
        """What the second derivatives along w are at least; 0 if nothing is known."""
        return 0.0

    def of_norm(self) -> "Ridge | None":
        """The penalty for any number of columns, where it depends on the norm of w alone."""
        return None

    def thresholds(self, scales: np.ndarray) -> np.ndarray:
        """The slopes (n + 1,) of l1 by |u_j|: up to that, a gradient of the rest leaves u_j at 0."""
        return np.zeros(scales.size)

    @abc.abstractmethod
    def value(self, u: np.ndarray, scales: np.ndarray) -> float:
        """The penalty at u."""

    def gradient(self, u: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """The gradient by u, in the shape of u."""
        return self.product(u, scales)

    @abc.abstractmethod
    def product(self, v: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """The product of the second derivatives by u with v, in the shape of v."""

    @abc.abstractmethod
    def diagonal(self, scales: np.ndarray) -> np.ndarray:
        """The diagonal of the second derivatives by a row of u, (n + 1,), or by all if rows differ."""

    def add_hessian(self, H: np.ndarray, scales: np.ndarray) -> None:
        """Add the second derivatives to H, (n + 1, n + 1) by a row of u, or (k, k) by all of them."""
        H.flat[::len(H) + 1] += repeated(self.diagonal(scales), len(H))


@dataclass(frozen=True)
class Ridge(Penalty):
    """The penalty l2/2 sum_j f_j w_j^2, which is never on the intercept."""

    l2: float
    factors: float | np.ndarray = 1.0           # f_j: one for all columns, or (n,)
    is_ridge: ClassVar[bool] = True

    @property
    def convexity(self) -> float:
        return self.l2 * float(np.min(self.factors))

    def of_norm(self) -> "Ridge | None":
        least = self.convexity
        return Ridge(least) if least == self.l2 * float(np.max(self.factors)) else None

    def value(self, u: np.ndarray, scales: np.ndarray) -> float:
        w = u[..., :-1] * scales[:-1]
        return 0.5 * self.l2 * dot(w.ravel(), (self.factors * w).ravel())

    def product(self, v: np.ndarray, scales: np.ndarray) -> np.ndarray:
        Hv = self.l2 * (v * scales) * scales    # the diagonal may be infinity where this is 0
        Hv[..., :-1] *= self.factors
        Hv[..., -1] = 0.0
        return Hv

    def diagonal(self, scales: np.ndarray) -> np.ndarray:
        diagonal = self.l2 * scales ** 2
        diagonal[:-1] *= self.factors
        diagonal[-1] = 0.0
        return diagonal


@dataclass(frozen=True)
class ElasticNet(Penalty):
    """The penalty sum_j f_j (l1 |w_j| + l2/2 w_j^2), which is never on the intercept.

    A factor of 0 leaves a column unpenalized.  One of infinity leaves it out: its w is 0.  Derivatives are those of the ridge,
    which is the part that has some.
    """

    l1: float
    l2: float
    factors: np.ndarray         # (n,) f_j
    is_ridge: ClassVar[bool] = True

    @property
    def convexity(self) -> float:
        return self.ridge.convexity

    @property
    def ridge(self) -> Ridge:
        """The part that has derivatives, without the columns that are left out."""
        return Ridge(self.l2, np.where(self.is_left_out, 0.0, self.factors)) if self.l2 > 0.0 else Ridge(0.0)

    @property
    def is_left_out(self) -> np.ndarray:
        """Which columns, (n,), are left out."""
        return self.factors == np.inf

    def value(self, u: np.ndarray, scales: np.ndarray) -> float:
        of_l1 = dot(self.thresholds(scales), np.abs(u.reshape(-1, scales.size)).sum(axis=0))
        return of_l1 + self.ridge.value(u, scales) if self.l2 > 0.0 else of_l1

    def product(self, v: np.ndarray, scales: np.ndarray) -> np.ndarray:
        return self.ridge.product(v, scales) if self.l2 > 0.0 else np.zeros(v.shape)

    def diagonal(self, scales: np.ndarray) -> np.ndarray:
        return self.ridge.diagonal(scales)

    def thresholds(self, scales: np.ndarray) -> np.ndarray:
        """The slopes (n + 1,) of l1 by |u_j|.

        A column that is left out has the largest number, whose product with 0 is 0.
        """
        thresholds = np.zeros(scales.size)
        np.fmin(self.factors * (self.l1 * scales[:-1]), _LARGEST, out=thresholds[:-1])      # infinity times 0 is NaN
        return thresholds

    def least_subgradient(self, u: np.ndarray, grad: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """The subgradient of J of the least norm, (r (n + 1),), where that of all but l1 is grad; it is 0 at the minimum."""
        thresholds = repeated(self.thresholds(scales), u.size)
        signs = np.sign(u)
        at_zero = np.copysign(np.maximum(np.abs(grad) - thresholds, 0.0), grad)
        return np.where(signs == 0.0, at_zero, grad + thresholds * signs)

    def balanced_subgradient(self, u: np.ndarray, grad: np.ndarray, scales: np.ndarray) -> tuple[np.ndarray, float]:
        """A small subgradient of J that adds up to 0 over the classes, (K (n + 1),), where that of all but l1 is grad.

        What all classes share moves no loss, so the slopes of the penalty have to add up to 0 by themselves.  Where w is 0, l1
        leaves its slope open: it takes up the sum of the others, as far as it can.

        Returns
        -------
        r : (K (n + 1),) float64
            The subgradient, less what is left of the sum.
        left : float
            What is left of the sum, divided by K, as a share of the slope of l1: the largest of all columns.
        """
        thresholds, rows, of_rest = self.thresholds(scales), u.reshape(-1, scales.size), grad.reshape(-1, scales.size)
        of_l2 = self.gradient(rows, scales).sum(axis=0)
        slopes = np.where(rows == 0.0, np.clip(-of_rest, -thresholds, thresholds), thresholds * np.sign(rows))
        total = slopes.sum(axis=0) + of_l2
        room = np.where(rows == 0.0, thresholds + np.sign(total) * slopes, 0.0)
        slopes -= np.sign(total) * room * np.minimum(np.abs(total) / np.maximum(room.sum(axis=0), _TINY), 1.0)
        r, held = of_rest + slopes, thresholds > 0.0
        left = np.abs(slopes.sum(axis=0) + of_l2)[held] / thresholds[held] / len(rows)
        return (r - r.mean(axis=0)).ravel(), float(left.max(initial=0.0))

    def gap(self, u: np.ndarray, grad: np.ndarray, scales: np.ndarray, cost: float, slack: float) -> float:
        """An upper bound on J - J* by the penalized columns alone.

        The gradient is that of all but l1, and may be off by the slack.

        Let r be the least subgradient.  J is convex, and strongly so by l2: with d = u* - u

            J - J* <= sum_j (|r_j d_j| - l2_j/2 d_j^2) <= sum_j r_j^2 / (2 l2_j)

        The l1 part of J* is at most J, so that also J - J* <= sum_j |r_j u_j| + J max_j |r_j| / l1_j.
        """
        thresholds, curvature = repeated(self.thresholds(scales), u.size), repeated(self.diagonal(scales), u.size)
        size = np.abs(u)
        r = np.where(size > 0.0, np.abs(grad + thresholds * np.sign(u)) + slack,
                     np.maximum(np.abs(grad) + slack - thresholds, 0.0))
        r[(thresholds == 0.0) & (curvature == 0.0)] = 0.0
        left = np.flatnonzero(r)
        r, thresholds, size, curvature = r[left], thresholds[left], size[left], curvature[left]
        with np.errstate(divide="ignore"):
            by_l2 = np.sum(r ** 2 / (2.0 * curvature))
            by_l1 = dot(r, size) + cost * np.max(r / thresholds, initial=0.0)
        return float(min(by_l2, by_l1))

    def is_unpenalized(self, scales: np.ndarray) -> np.ndarray:
        """Which columns, (n,), are without a penalty."""
        return (self.thresholds(scales)[:-1] == 0.0) & (self.diagonal(scales)[:-1] == 0.0)

    def least_factor(self, grad: np.ndarray, scales: np.ndarray) -> float:
        """How many times as strong the penalty has to be for w to stay 0, where the gradient of the loss at w = 0 is grad.

        Columns that are left out stay 0 in any case.
        """
        thresholds = repeated(self.thresholds(scales), grad.size)
        held = np.flatnonzero((thresholds > 0.0) & (thresholds < _LARGEST))
        return float(np.max(np.abs(grad[held]) / thresholds[held], initial=0.0))

    def settle_common(self, w: np.ndarray) -> None:
        """Choose, in place, one of the w (K, n) between which J makes no difference.

        A number that all classes share moves no loss.  l1 alone is least for each number between the two middle w of a column,
        where K is even.  The lower one becomes 0.
        """
        if self.l1 > 0.0 and self.l2 == 0.0 and len(w) % 2 == 0:
            ordered = np.sort(w, axis=0)
            lower, upper = ordered[(len(w) - 1) // 2], ordered[len(w) // 2]
            w -= np.where((self.factors > 0.0) & (lower < 0.0) & (upper >= 0.0), lower, 0.0)

    def times(self, factor: float) -> "ElasticNet":
        """This penalty so many times as strong."""
        return replace(self, l1=factor * self.l1, l2=factor * self.l2)

    def without_penalized(self, scales: np.ndarray) -> "ElasticNet":
        """This penalty where all columns that have one are left out."""
        return replace(self, factors=np.where(self.is_unpenalized(scales), 0.0, np.inf))

    def of_columns(self, columns: np.ndarray) -> "ElasticNet":
        """This penalty on some of the columns."""
        return replace(self, factors=self.factors[columns])


@dataclass(frozen=True)
class Quadratic(Penalty):
    """Half of (theta - center)^T matrix (theta - center), where theta = u * scales has r rows of n + 1 parameters."""

    center: np.ndarray          # (r (n + 1),)
    matrix: np.ndarray          # (r (n + 1), r (n + 1)), or its diagonal; no less than 0

    def value(self, u: np.ndarray, scales: np.ndarray) -> float:
        way = u - self.center.reshape(u.shape) / scales
        return 0.5 * dot(way.ravel(), self.product(way, scales).ravel())

    def gradient(self, u: np.ndarray, scales: np.ndarray) -> np.ndarray:
        return self.product(u - self.center.reshape(u.shape) / scales, scales)

    def product(self, v: np.ndarray, scales: np.ndarray) -> np.ndarray:
        along = (scales * v).ravel()
        Hv = self.matrix * along if self.matrix.ndim == 1 else np.vecdot(self.matrix, along)    # no BLAS threads start
        return scales * Hv.reshape(v.shape)

    def diagonal(self, scales: np.ndarray) -> np.ndarray:
        return repeated(scales, len(self.matrix)) ** 2 * (self.matrix if self.matrix.ndim == 1 else self.matrix.diagonal())

    def add_hessian(self, H: np.ndarray, scales: np.ndarray) -> None:
        if self.matrix.ndim == 1:
            super().add_hessian(H, scales)
        else:
            scales = repeated(scales, len(H))
            H += scales[:, None] * self.matrix * scales


def penalty(l1: float, l2: float, factors: np.ndarray | None, n: int) -> Ridge | ElasticNet:
    """Make the penalty sum_j f_j (l1 |w_j| + l2/2 w_j^2) on n columns; without factors they are 1."""
    if l1 == 0.0 and (factors is None or np.isfinite(factors).all()):
        return Ridge(l2) if factors is None else Ridge(l2, factors)
    return ElasticNet(l1, l2, np.ones(n) if factors is None else factors)
