"""What J needs to know of the loss: its sums over rows, which kernels compute, and a few facts about one row.

A row of X has r margins, one for each row of the parameters Theta (r, n + 1): one for two classes, and K for K classes.
Everything else in the package takes the parameters as one vector (r (n + 1),), and does not know how many classes there are.
"""

import abc
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlr.backends import choice, logistic, softmax
from fastlr.data import passes
from fastlr.data.dataset import Dataset, InMemory, Pass
from fastlr.machine.arrays import plain

Predict = Callable[[Any, np.ndarray, np.ndarray, bool], tuple[np.ndarray, bool]]
"""A backend's function that predicts, see `fastlr.backends.choice.predictor`."""


class Loss(abc.ABC):
    """The loss of a row, as a function of its label y and its margins z (r,)."""

    n_margins: int              # of a row of X, and rows of the parameters Theta: one for two classes, and K for K
    n_free: int                 # rows of Theta that J can tell apart
    largest_curvature: float    # a bound on the eigenvalues of the second derivatives by z
    # A derivative by one margin changes by at most so much where the margins change by a range of 1.
    largest_change = 0.25
    # The third derivative along a direction is at most so many times the second, times the range of the direction.
    self_concordance = 1.0
    # The loss where the label is as likely as another.  A row on its wrong side has at least as much.
    of_guessing = math.log(2.0)

    # (Theta) -> the sum of s_i loss_i, and its gradient, in the shape of Theta.
    cost_gradient: Pass[[np.ndarray], tuple[float, np.ndarray]]
    # (Theta, center, floor) -> the second derivatives (r (n + 1), r (n + 1)) for features x - center, or no more than those: a
    # part of the loss whose own curvature is below the floor may be left out.
    hessian: Pass[[np.ndarray, np.ndarray, float], np.ndarray]
    # (Theta, center, is_held) -> the rows and columns of those for the parameters that are held, a mask in the shape of Theta
    # that holds all intercepts.
    hessian_of: Pass[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    # (Theta, center, share) -> their blocks on the diagonal, (r, n + 1, n + 1), or the one block there is; where there are
    # several they may be estimated from a share of the rows.
    class_hessians: Pass[[np.ndarray, np.ndarray, float], np.ndarray]
    # (Theta) -> the second derivatives by the intercepts, (r, r).
    intercept_hessian: Pass[[np.ndarray], np.ndarray]
    # The method `hessian_product` for rows in memory.
    hessian_product_of_rows: passes.HessianProduct

    @abc.abstractmethod
    def shape(self, side: int) -> tuple[int, ...]:
        """The shape in which kernels take parameters with `side` numbers a row."""

    def hessian_product(self, data: Dataset, theta: np.ndarray) -> tuple[passes.Product, passes.Product]:
        """V -> the second derivatives at Theta times V; and center -> their diagonal for features x - center."""
        of_rows = self.hessian_product_of_rows
        if isinstance(data, InMemory):
            return of_rows(data, theta)
        return (lambda V: data.reduce(passes.hessian_times, of_rows, theta, V),
                lambda center: data.reduce(passes.hessian_diagonal, of_rows, theta, center))

    @abc.abstractmethod
    def remove_common(self, rows: np.ndarray) -> None:
        """Take away from rows (r, ...), in place, what moves no loss: that which all classes have in common."""

    def with_common(self, H: np.ndarray) -> np.ndarray:
        """Second derivatives (r k, r k) of the loss, with curvature also along what moves no loss, (r k, r k)."""
        return H

    @abc.abstractmethod
    def null_margins(self, shares: np.ndarray) -> np.ndarray:
        """The margins (r,) of the best model without features, where classes have these shares of the rows."""

    @abc.abstractmethod
    def null_curvature(self, shares: np.ndarray) -> float:
        """The second derivative by a margin there, on average."""

    @abc.abstractmethod
    def loss_and_slope(self, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The losses (m,) of labels (m,) and margins (m, r), and their derivatives by the margins (m, r), in NumPy."""

    def value(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The losses (m,) of labels (m,) and margins (m, r), in NumPy."""
        return self.loss_and_slope(y, z)[0]

    @abc.abstractmethod
    def right_side(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """How far each signed row of `fastlr.data.margin_changes` moves, (q, k), where margins move by z (m, r, k)."""

    @abc.abstractmethod
    def added_up(self, y: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """The sums (q, k) of the sizes (m, r, k) of what is added up for it."""

    @abc.abstractmethod
    def squared_range(self, inverse: np.ndarray) -> float:
        """The largest square of the range of margins h (r,) with h^T H h <= 1, where the inverse of H is given."""

    def of_class(self, classes: np.ndarray, k: int) -> str:
        """How to speak of row k of the parameters, behind what belongs to it: not at all where there is one row."""
        return ""

    @abc.abstractmethod
    def log_odds(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The log-odds (m, r) of a class against all others by margins (m, r), and their derivatives (m, r, r)."""

    @abc.abstractmethod
    def decide(self, z: np.ndarray) -> np.ndarray:
        """The most likely labels (m,) by predicted margins: the first of several."""

    def kernels(self, names: Sequence[str]) -> Sequence[str]:
        """The compiled kernels in place of those for two classes of these names."""
        return names

    @abc.abstractmethod
    def predictor(self, X: Any) -> Predict:
        """The function that predicts for X."""


class Logistic(Loss):
    """The logistic loss -(y log a + (1 - y) log(1 - a)) of two classes, with a = sigma(z) for the margin z."""

    n_margins = n_free = 1
    largest_curvature = 0.25
    cost_gradient = passes.cost_gradient
    hessian = passes.hessian
    hessian_of = passes.hessian_of
    class_hessians = passes.one_hessian
    intercept_hessian = passes.intercept_hessian
    hessian_product_of_rows = staticmethod(passes.hessian_product)

    def shape(self, side: int) -> tuple[int, ...]:
        return (side,)

    def remove_common(self, rows: np.ndarray) -> None:
        """Leave the only row as it is: all of it moves the loss."""

    def null_margins(self, shares: np.ndarray) -> np.ndarray:
        return np.array([math.log(shares[1] / (1.0 - shares[1]))])

    def null_curvature(self, shares: np.ndarray) -> float:
        return float(shares[1] * (1.0 - shares[1]))

    def loss_and_slope(self, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        loss, slope = logistic.loss_and_slope(y, z[:, 0])
        return loss, slope[:, None]

    def right_side(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.where(y == 0, -1.0, 1.0)[:, None] * z[:, 0]

    def added_up(self, y: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        return sizes[:, 0]

    def squared_range(self, inverse: np.ndarray) -> float:
        return float(inverse[0, 0])

    def log_odds(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return z, np.ones((len(z), 1, 1))

    def decide(self, z: np.ndarray) -> np.ndarray:
        return (z > 0.0).astype(np.intp)

    def predictor(self, X: Any) -> Predict:
        return choice.predictor(X).predict


class Softmax(Loss):
    """The softmax loss log sum_k e^z_k - z_y of K classes, all alike."""

    largest_curvature = 0.5
    cost_gradient = passes.softmax_cost_gradient
    hessian = passes.softmax_hessian
    hessian_of = passes.softmax_hessian_of
    class_hessians = passes.softmax_class_hessians
    intercept_hessian = passes.softmax_intercept_hessian
    hessian_product_of_rows = staticmethod(passes.softmax_hessian_product)

    def __init__(self, n_classes: int) -> None:
        self.n_margins, self.n_free = n_classes, n_classes - 1

    def shape(self, side: int) -> tuple[int, ...]:
        return self.n_margins, side

    def remove_common(self, rows: np.ndarray) -> None:
        rows -= rows.mean(axis=0)

    def with_common(self, H: np.ndarray) -> np.ndarray:
        K, side = self.n_margins, len(H) // self.n_margins
        typical = H.diagonal().reshape(K, side).mean(axis=0)
        typical[typical == 0.0] = 1.0           # of a column that is constant
        return H + np.tile(np.diag(typical / K), (K, K))

    def null_margins(self, shares: np.ndarray) -> np.ndarray:
        z = np.log(shares)
        return z - z.mean()

    def null_curvature(self, shares: np.ndarray) -> float:
        return float(np.mean(shares * (1.0 - shares)))

    def loss_and_slope(self, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return softmax.loss_and_slope(y, z)

    def right_side(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return (z[np.arange(y.size), y][:, None] - z)[self._others(y)]

    def added_up(self, y: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        return (sizes[np.arange(y.size), y][:, None] + sizes)[self._others(y)]

    def _others(self, y: np.ndarray) -> np.ndarray:
        """Which classes are not the row's, (m, K)."""
        return y[:, None] != np.arange(self.n_margins)

    def squared_range(self, inverse: np.ndarray) -> float:
        own = inverse.diagonal()
        return float((own[:, None] + own - 2.0 * inverse).max())

    def of_class(self, classes: np.ndarray, k: int) -> str:
        return f" of class {plain(classes[k])!r}"

    def log_odds(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return softmax.log_odds(z)

    def decide(self, z: np.ndarray) -> np.ndarray:
        return z.argmax(axis=1)

    def kernels(self, names: Sequence[str]) -> Sequence[str]:
        return "softmax", "moments", *(name for name in names if name in ("quasi_newton", "hessian", "finish_hessian"))

    def predictor(self, X: Any) -> Predict:
        return choice.predictor(X, "softmax").softmax_predict


def of_classes(n_classes: int) -> Loss:
    """The loss of so many classes."""
    return Logistic() if n_classes <= 2 else Softmax(n_classes)
