"""The one joint between solver and kernel: what is averaged, weighed and penalised.

Kernels return sums over rows; a solver sees J and its gradient, and no X:

    J = scale * sum_i s_i loss_i + l2/2 ||w||^2         scale = 1 / sum_i s_i for "mean", 1 for "sum"

theta is (n + 1,) float64 with the intercept last; l2 never touches the intercept; without an intercept its
component of every gradient is 0.
"""

import copy
import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, Generic, TypeVar

import numpy as np

from fastlr import _moments, _one_thread
from fastlr._check import Data
from fastlr.backends import _curvature, _descent, numpy_vectorized
from fastlr.backends._csr import Csr, bytes_a_row
from fastlr.backends._descent import Rule
from fastlr.backends._forks import imported

_Value = TypeVar("_Value")

_MODERATE = 1e7                 # a sum of weights: times the square of any X it stays finite


class _once(Generic[_Value]):
    """A property that is computed once for each object.

    functools.cached_property of Python 3.11 has one lock for all objects: concurrent trainings would wait for each other's
    moments, and the child of a fork for those of a thread that is gone.
    """

    def __init__(self, compute: Callable[[Any], _Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type) -> _Value:
        value = self._compute(instance)
        instance.__dict__[self._compute.__name__] = value      # which is found first from now on
        return value


class Objective:
    """J(theta) of one data set, computed by one backend.

    Parameters
    ----------
    backend : module
        See `fastlr.backends`.
    data : Data
    l2 : float
    reduction : {"mean", "sum"}
    fit_intercept : bool
    n_threads : int
        For the kernel.
    """

    def __init__(self, backend: ModuleType, data: Data, l2: float, reduction: str, fit_intercept: bool, n_threads: int) -> None:
        data, unit = _with_moderate_weights(data)
        rows = (data.X, data.y, data.sample_weight, data.offset)
        prepare = getattr(backend, "prepare", None)
        self._prepared = rows if prepare is None else prepare(*rows, n_threads)
        self._backend, self._data, self._n_threads = backend, data, n_threads
        self.total = float(data.sample_weight.sum()) if data.sample_weight.size else float(data.X.shape[0])
        scale, to_mean = (1.0 / self.total, 1.0) if reduction == "mean" else (unit, 1.0 / (unit * self.total))
        self.rule = _descent.SUMS._replace(intercept=float(fit_intercept), scale=scale, l2=l2, to_mean=to_mean)
        self.n_parameters = data.X.shape[1] + 1

    def cost_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """J at theta and its gradient (n + 1,)."""
        grad = np.empty(self.n_parameters)
        with np.errstate(over="ignore", invalid="ignore"):      # a cost that is not finite is the solver's to judge
            loss = self._backend.cost_gradient(*self._prepared, theta, grad)
            return _descent.scaled_cost_gradient(loss, grad, theta, self.rule), grad

    def descend(self, theta: np.ndarray, previous: np.ndarray, rule: Rule, record: np.ndarray) -> tuple[int, int]:
        """At most `len(record)` steps of gradient descent in place; see `_descent.descend`."""
        own = getattr(self._backend, "descend", None)
        if own is not None:
            updates, status = own(*self._prepared, theta, previous, rule, record)
            return updates, status
        return _descent.descend(self._backend.cost_gradient, self._prepared, theta, previous, rule, record)

    def hessian(self, theta: np.ndarray, center: np.ndarray) -> np.ndarray:
        """The second derivatives (n + 1, n + 1) of the loss part of J, with features x - center."""
        H = self._optional("hessian")(theta, center)
        with np.errstate(over="ignore"):            # of sums of huge weights times squares: the solver goes on without it
            H *= self.rule.scale
        if not self.rule.intercept:
            H[-1] = H[:, -1] = 0.0
            H[-1, -1] = 1.0
        return H

    def hessian_product(self, theta: np.ndarray, center: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
        """What `hessian` is without making it: v -> H v, (n + 1,), with features x as they are; its diagonal with x - center."""
        data = self._data
        curvature = _curvature.curvature(data.X, data.sample_weight, data.offset, theta)
        times = self._optional("hessian_product")

        def product(v: np.ndarray) -> np.ndarray:
            Hv: np.ndarray = times(curvature, v)
            with np.errstate(over="ignore"):
                Hv *= self.rule.scale
            Hv[-1] *= self.rule.intercept
            return Hv

        _, squares = self._weighed(curvature)._optional("moments")(center)
        return product, self.rule.scale * np.append(squares, curvature.sum())

    def _weighed(self, weight: np.ndarray) -> "Objective":
        """Sums over the same rows, with other weights."""
        other = copy.copy(self)
        other._data = self._data._replace(sample_weight=weight)
        prepare = getattr(self._backend, "prepare", None)
        rows = other._data[:4]
        other._prepared = rows if prepare is None else prepare(*rows, self._n_threads)
        return other

    @property
    def has_newton(self) -> bool:
        """Whether the backend makes all of Newton's updates in one call."""
        return hasattr(self._backend, "newton")

    def newton(self, *arguments: Any) -> Any:
        """The backend's Newton's method, see `fastlr.backends`."""
        return self._backend.newton(*self._prepared, *arguments)

    def _optional(self, name: str) -> Callable[..., Any]:
        """What the backend has under a name, or NumPy's in its place."""
        own = getattr(self._backend, name, None)
        if own is not None:
            return functools.partial(own, *self._prepared)
        data = self._data
        return functools.partial(getattr(_curvature, name), data.X, data.y, data.sample_weight, data.offset)

    def gradient_norm(self, grad: np.ndarray) -> float:
        """What `tol` bounds: the largest component of the gradient in standardised coordinates, on the mean scale."""
        center, spread = self.standardisation
        return _descent.gradient_norm(grad, self.rule._replace(center=center, spread=spread))

    @_once
    def standardisation(self) -> tuple[np.ndarray, np.ndarray]:
        """Center mu_j and spread sd_j of every column, each (n,)."""
        pivot = self._pivot()
        first, second = self._optional("moments")(pivot)
        return _moments.standardisation(pivot, first, second, self.total, bool(self.rule.intercept))

    def _pivot(self) -> np.ndarray:
        """A row of X that counts, or zeros without an intercept: what the moments are taken around."""
        X, weight = self._data.X, self._data.sample_weight
        if not self.rule.intercept:
            return np.zeros(X.shape[1])
        i = int(np.argmax(weight)) if weight.size else 0
        if isinstance(X, Csr):
            columns, values = X.row(i)
            pivot = np.zeros(X.n_columns)
            pivot[columns] = values
            return pivot
        return X[i].astype(np.float64)

    def cost_of_guessing(self) -> float:
        """J of a = 1/2 for every example."""
        return math.log(2.0) / self.rule.to_mean

    def lipschitz(self) -> float:
        """A constant L such that a step of 1/L never makes J larger."""
        squares = _moments.largest_eigenvalue(self._data.X, self._data.sample_weight, bool(self.rule.intercept))
        return 0.25 * self.rule.scale * squares + self.rule.l2      # sigma' <= 1/4

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of X."""
        m, n = self._data.X.shape
        return m, n

    @property
    def is_sparse(self) -> bool:
        """Whether a step and a Hessian cost what `stored` and `pairs` say, not what the shape does."""
        return isinstance(self._data.X, Csr)

    @property
    def stored(self) -> int:
        """Numbers in X."""
        return self._data.X.size

    @_once
    def pairs(self) -> float:
        """Pairs of numbers in one row, over all rows of a sparse X: products in a Hessian."""
        X = self._data.X
        assert isinstance(X, Csr)
        return 0.5 * X.squares()

    @property
    def bytes_a_row(self) -> int:
        """Of X."""
        return bytes_a_row(self._data.X)

    def column(self, j: int) -> str:
        """How to speak of column j."""
        names = self._data.feature_names
        return f"column {j}" if names is None else f"column {j} ({names[j]!r})"

    @property
    def has_offset(self) -> bool:
        """Whether the margins have an offset."""
        return self._data.offset.size > 0

    @_once
    def rate(self) -> float:
        """The (weighted) share of the examples with y = 1."""
        weight, y = self._data.sample_weight, self._data.y
        return float(weight @ y) / self.total if weight.size else np.count_nonzero(y) / self.total

    @property
    def rows_that_count(self) -> int:
        """How many rows have a weight other than 0."""
        return int(np.count_nonzero(self._data.sample_weight)) if self._data.sample_weight.size else self.shape[0]

    def effective_rows(self) -> float:
        """How many rows of equal weight tell as much as these (Kish)."""
        weight = self._data.sample_weight
        return self.total ** 2 / float(weight @ weight) if weight.size else self.total

    def sample(self, rows: int) -> "Objective":
        """J on so many rows, spread evenly over those that count; which ones depends on their number alone."""
        data, m = self._data, self.rows_that_count
        chosen = ((np.arange(rows) + imported("numpy.random").default_rng(0).random(rows)) * (m / rows)).astype(np.intp)
        if m < self.shape[0]:
            chosen = np.flatnonzero(data.sample_weight)[chosen]
        X = _rows(data.X, chosen)
        vectors = [v[chosen] if v.size else v for v in (data.y, data.sample_weight, data.offset)]
        for array in vectors:
            array.flags.writeable = False
        y, sample_weight, offset = vectors
        sample = Objective(self._backend, data._replace(X=X, y=y, sample_weight=sample_weight, offset=offset), self.rule.l2,
                           "mean", bool(self.rule.intercept), self._n_threads)
        size = 1.0 / self.rule.to_mean                      # of J, against the mean
        sample.rule = sample.rule._replace(scale=size * sample.rule.scale, to_mean=self.rule.to_mean)
        return sample

    def in_row_space(self) -> tuple["Objective", Callable[[np.ndarray], np.ndarray]]:
        """The same J with m features in place of n > m, and what turns its theta into one for X.

        With l2 the optimum w lies in the space of the rows, w = X^T v, and otherwise one of the optima does.  With the inverse
        factor P of X X^T, that is X X^T = (P^T P)^-1, the features X X^T P^T have the same margins and the same ||w|| for
        w = X^T P^T u: up to rounding, also where rows are collinear and P is that of a matrix close by.
        """
        X = self._data.X
        gram = _moments.gram_of_rows(X)
        size = np.full(len(gram), max(float(gram.diagonal().max()), np.finfo(float).tiny))
        P = _one_thread.ridged_inverse_factor(gram.copy(), size, len(gram) * np.finfo(float).eps)
        assert P is not None                    # X X^T has no negative eigenvalue, so that rounding is all there is to mend
        rotated = gram @ P.T
        rotated.flags.writeable = False
        reduced = Objective(numpy_vectorized, self._data._replace(X=rotated), self.rule.l2, "mean", bool(self.rule.intercept), 1)
        reduced.rule = reduced.rule._replace(scale=self.rule.scale, to_mean=self.rule.to_mean)

        def to_theta(reduced_theta: np.ndarray) -> np.ndarray:
            return np.append(_moments.transposed_times(X, P.T @ reduced_theta[:-1]), reduced_theta[-1])

        return reduced, to_theta

    # ---- separated classes ------------------------------------------------------------------------------------------

    @_once
    def cost_of_one_error(self) -> float:
        """A J below which no example is on the wrong side; negative where l2 gives J a minimum even so."""
        weight = self._data.sample_weight
        lightest = float(weight[weight > 0.0].min()) if weight.size else 1.0
        return -1.0 if self.rule.l2 > 0.0 else self.rule.scale * math.log(2.0) * lightest

    def gains(self, direction: np.ndarray) -> np.ndarray:
        """By how much the margins of the examples that count move to their right side along a direction (n + 1,).

        A b that is fixed counts as an offset, and moves nothing.
        """
        data = self._data
        moving = np.append(direction[:-1], direction[-1] * self.rule.intercept)
        gains = numpy_vectorized.margins(data.X, np.empty(0), moving) * np.where(data.y, 1.0, -1.0)
        return gains[data.sample_weight > 0.0] if data.sample_weight.size else gains


def _rows(X: np.ndarray | Csr, chosen: np.ndarray) -> np.ndarray | Csr:
    """A read-only copy of some rows."""
    if isinstance(X, Csr):
        return X.take(chosen)
    drawn = X.take(chosen, axis=0) if X.flags.c_contiguous else X.T.take(chosen, axis=1).T
    drawn.flags.writeable = False
    return drawn


def _with_moderate_weights(data: Data) -> tuple[Data, float]:
    """The data with weights in a unit, a power of 2, in which their sum is moderate, and that unit: 1 unless need be."""
    total = float(data.sample_weight.sum())
    if not data.sample_weight.size or 1.0 / _MODERATE <= total <= _MODERATE:
        return data, 1.0
    exponent = math.frexp(total)[1]
    weight = np.ldexp(data.sample_weight, -exponent)
    weight.flags.writeable = False
    return data._replace(sample_weight=weight), math.ldexp(1.0, exponent)
