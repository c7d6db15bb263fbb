"""The one joint between solver and kernel: what is averaged, weighed and penalised.

Kernels return sums over rows; a solver sees J and its gradient, and no X:

    J = scale * sum_i s_i loss_i + l2/2 ||w||^2         scale = 1 / sum_i s_i for "mean", 1 for "sum"

theta is (n + 1,) float64 with the intercept last; l2 never touches the intercept; without an intercept its
component of every gradient is 0.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, Generic, NamedTuple, ParamSpec, Self, TypeVar

import numpy as np

from fastlr.backends import descent
from fastlr.backends.descent import Rule
from fastlr.data import gram, passes, shift
from fastlr.data import moments as column_moments
from fastlr.data.arrays import LARGEST
from fastlr.data.dataset import Dataset, InMemory
from fastlr.data.exact import loss_in_long_double
from fastlr.machine.blas import dot
from fastlr.problem.cost_model import CostModel
from fastlr.problem.loss import Logistic

_EXACT = 1e-11                  # error of J, relative, that nobody minds
_MOST_STORED = 30_000_000       # numbers in X, for which long doubles take a second
_MODERATE = 1e7                 # a sum of weights: times the square of any X it stays finite


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class once(Generic[_Result]):
    """A property that is computed once for each object.

    functools.cached_property of Python 3.11 has one lock for all objects: concurrent trainings would wait for each other's
    moments, and the child of a fork for those of a thread that is gone.
    """

    def __init__(self, compute: Callable[[Any], _Result]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type) -> _Result:
        value = self._compute(instance)
        instance.__dict__[self._compute.__name__] = value      # which is found first from now on
        return value


class Origin(NamedTuple):
    """From where the columns of X are counted; what stands for 1 in every row takes back what that moves the margins."""

    shift: np.ndarray           # (n,) what is taken away from X as the user has given it
    place: int                  # in theta: -1 for the intercept, or that of a constant column
    unit: float                 # its value in every row

    def parameters(self, theta: np.ndarray) -> np.ndarray:
        """The parameters (n + 1,) for X as the user has given it."""
        given = theta.copy()
        given[self.place] -= dot(self.shift, theta[:-1]) / self.unit
        return given


class Objective:
    """J(theta) of one data set, computed by one backend.

    Parameters
    ----------
    backend : module
        See `fastlr.backends`.
    data : Dataset
    l2 : float
    reduction : {"mean", "sum"}
    fit_intercept : bool
    n_threads : int
        For the kernel.

    Notes
    -----
    What overflows or is not finite is the solver's to judge: whoever calls holds `np.errstate(all="ignore")`, once for all steps.
    """

    loss = Logistic()

    def __init__(self, backend: ModuleType, data: Dataset, l2: float, reduction: str, fit_intercept: bool,
                 n_threads: int) -> None:
        self.data, unit = _with_moderate_weights(data.with_backend(backend, n_threads))
        self._all_rows = self.data              # of which there may be samples
        self._known: tuple[np.ndarray, float, np.ndarray] | None = None         # theta, J and gradient of the first read
        total = self.data.count.total
        scale, to_mean = (1.0 / total, 1.0) if reduction == "mean" else (unit, 1.0 / (unit * total))
        self.rule = descent.SUMS._replace(intercept=float(fit_intercept), scale=scale, l2=l2, to_mean=to_mean)
        self.examples = unit * total
        """The sum of the weights."""
        self.origin = Origin(np.zeros(data.shape[1]), -1, 1.0)
        """From where X is counted."""

    def _on(self, rows: Dataset, scale: float) -> Self:
        """J on other rows."""
        other = copy.copy(self)
        for name in ("rate", "moments", "standardisation", "variances"):     # if they have been computed
            other.__dict__.pop(name, None)
        other.data, other.rule, other._known = rows, self.rule._replace(scale=scale), None
        if rows.shape[1] != self.origin.shift.size:         # other features
            other.origin = Origin(np.zeros(rows.shape[1]), -1, 1.0)
        return other

    def cost_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """J at theta and its gradient (n + 1,)."""
        known = self.known(theta)
        if known is not None:
            return known
        loss, grad = self.data.reduce(passes.cost_gradient, theta)
        return descent.scaled_cost_gradient(loss, grad, theta, self.rule), grad

    def exact_cost(self, theta: np.ndarray, cost: float) -> float:
        """J at theta, where float64 finds a cost: more exactly if products w x cancel so much that the cost could be off."""
        center, spread = self.standardisation
        w = np.abs(theta[:-1])
        margin = float(np.finfo(float).eps) * (dot(w, np.abs(center)) + dot(w, spread) + abs(float(theta[-1])))
        error = margin * min(1.0 / self.rule.to_mean, cost)
        if error <= _EXACT * cost or self.data.size > _MOST_STORED:
            return cost
        loss = self.data.reduce(loss_in_long_double, theta)
        return float(self.rule.scale * loss + 0.5 * self.rule.l2 * dot(theta[:-1], theta[:-1]))

    def known(self, theta: np.ndarray) -> tuple[float, np.ndarray] | None:
        """What `cost_gradient` gives at theta, if the first read was there and nobody has asked before."""
        known, self._known = self._known, None
        return known[1:] if known is not None and np.array_equal(theta, known[0]) else None

    def first_read(self, theta: np.ndarray) -> None:
        """Compute the moments, and in the same read of X what `cost_gradient` is asked next, if that is at theta."""
        if self.knows_moments:
            return
        pivot = self._pivot()
        loss, grad, first, second = self.data.reduce(passes.cost_gradient_and_moments, theta, pivot)
        self.__dict__["moments"] = self._finite(pivot, first, second)
        self._known = theta, descent.scaled_cost_gradient(loss, grad, theta, self.rule), grad

    def descend(self, theta: np.ndarray, previous: np.ndarray, rule: Rule, record: np.ndarray) -> tuple[int, int]:
        """At most `len(record)` steps of gradient descent in place; see `descent.descend`."""
        return passes.descend(self.data, theta, previous, rule, record)

    def hessian(self, theta: np.ndarray, center: np.ndarray, floor: float = 0.0) -> np.ndarray:
        """The second derivatives (n + 1, n + 1) of the loss part of J, with features x - center.

        Rows whose own curvature in J, scale * s_i a_i (1 - a_i), is below the floor are left out.
        """
        H = self.data.reduce(passes.hessian, theta, center, floor / self.rule.scale)
        H *= self.rule.scale
        if not self.rule.intercept:
            H[-1] = H[:, -1] = 0.0
            H[-1, -1] = 1.0
        return H

    def hessian_product(self, theta: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
        """The Hessian of the loss part of J without making it.

        Returns
        -------
        v -> H v, (n + 1,), for features x as they are
        center -> the diagonal of H, (n + 1,), for features x - center
        """
        times, diagonal = passes.hessian_product(self.data, theta)

        def product(v: np.ndarray) -> np.ndarray:
            Hv = times(v)
            Hv *= self.rule.scale
            Hv[-1] *= self.rule.intercept
            return Hv

        return product, lambda center: self.rule.scale * diagonal(center)

    def curvature(self, theta: np.ndarray) -> float:
        """The second derivative of J by b."""
        return self.rule.scale * self.data.reduce(passes.total_curvature, theta)

    def quasi_newton(self, *arguments: Any) -> Any:
        """Many updates in one call of the backend, see `fastlr.backends`."""
        assert isinstance(self.data, InMemory)
        data = self.data.in_float64()
        return data.backend.quasi_newton(*data.prepared, *arguments)

    def gradient_norm(self, grad: np.ndarray) -> float:
        """What `tol` bounds: the largest component of the gradient in standardised coordinates, on the mean scale."""
        center, spread = self.standardisation
        return descent.gradient_norm(grad, self.rule._replace(center=center, spread=spread))

    @once
    def moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A pivot, and the weighted sums of x - pivot and of its square, each (n,)."""
        pivot = self._pivot()
        return self._finite(pivot, *self.data.reduce(passes.moments, pivot))

    def _pivot(self) -> np.ndarray:
        return self.data.heaviest_row() if self.rule.intercept else np.zeros(self.n_parameters - 1)

    def _finite(self, pivot: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The moments; unless they show that all of X is finite and can be squared, it is looked through for what is not."""
        lightest = self.data.count.lightest
        if not (np.abs(pivot).max() <= 0.5 * LARGEST and second.max() <= 0.1 * lightest * LARGEST ** 2):
            self._all_rows.refuse_not_finite()
        return pivot, first, second

    @once
    def standardisation(self) -> tuple[np.ndarray, np.ndarray]:
        """Center mu_j and spread sd_j of every column, each (n,)."""
        return column_moments.standardisation(*self.moments, self.data.count.total, bool(self.rule.intercept))

    def refuse_not_finite(self, moments_are_needed: bool) -> None:
        """Raise ValueError, with the place, where X holds values that are not finite or too large to square.

        Such values show in the moments, as soon as somebody needs them: only where nobody does, or some rows don't count, X is
        looked through for it.
        """
        if not moments_are_needed or self.data.count.rows < self.shape[0]:
            self.data.refuse_not_finite()

    def cost_of_guessing(self) -> float:
        """J of a = 1/2 for every example."""
        return self.loss.of_guessing / self.rule.to_mean

    def lipschitz(self) -> float:
        """A constant L such that a step of 1/L never makes J larger."""
        curvature = self.loss.largest_curvature * gram.largest_eigenvalue(self.data, bool(self.rule.intercept))
        return self.rule.scale * curvature + self.rule.l2

    def null_model(self) -> np.ndarray:
        """The best theta with w = 0, where there is an intercept and no offset, and else zeros."""
        theta = np.zeros(self.n_parameters)
        if self.rule.intercept and not self.has_offset:
            theta[-1] = self.loss.null_margin(self.rate)
        return theta

    @property
    def costs(self) -> CostModel:
        """What a step and a Hessian cost."""
        return CostModel.of(self.data)

    @property
    def has_quasi_newton(self) -> bool:
        """Whether the backend can do that, and it is worth it."""
        return isinstance(self.data, InMemory) and hasattr(self.data.backend, "quasi_newton") and self.costs.is_small

    @once
    def variances(self) -> np.ndarray:
        """Of the columns, (n,); the mean square without an intercept."""
        return column_moments.variances(*self.moments, self.data.count.total, bool(self.rule.intercept))

    @property
    def knows_moments(self) -> bool:
        """Whether the moments have been computed."""
        return "moments" in self.__dict__

    @property
    def constant_columns(self) -> np.ndarray:
        """Which columns do not vary by more than rounding, (n,)."""
        return column_moments.constant_columns(*self.moments, self.data.count.total, bool(self.rule.intercept))

    # ---- the data ---------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of X."""
        return self.data.shape

    @property
    def n_parameters(self) -> int:
        """n + 1."""
        return self.data.shape[1] + 1

    def column(self, j: int) -> str:
        """How to speak of column j."""
        names = self.data.feature_names
        return f"column {j}" if names is None else f"column {j} ({names[j]!r})"

    @property
    def has_offset(self) -> bool:
        """Whether the margins have an offset."""
        return self.data.has_offset

    @once
    def rate(self) -> float:
        """The (weighted) share of the examples with y = 1."""
        return self.data.count.positive / self.data.count.total

    @property
    def rows_that_count(self) -> int:
        """How many rows have a weight other than 0."""
        return self.data.count.rows

    def effective_rows(self) -> float:
        """How many rows of equal weight tell as much as these (Kish)."""
        return self.data.count.total ** 2 / self.data.count.squares

    # ---- on other rows ----------------------------------------------------------------------------------------------

    @property
    def most_rows_of_samples(self) -> int:
        """More would take too much memory."""
        return self.data.most_bytes_of_samples // self.data.bytes_a_row

    def samples(self, sizes: Sequence[int]) -> Iterator[Self]:
        """J on so many rows, spread evenly over those that count; which ones depends on their number alone."""
        for rows in self.data.samples(sizes):
            yield self._on(rows, 1.0 / self.rule.to_mean * (1.0 / rows.count.total))

    def origin_for(self, center: np.ndarray, spread: np.ndarray) -> Origin | None:
        """Where to count columns from that are far from 0; None where there is nothing to gain, or no room for a copy of X."""
        if self.origin.shift.any() or not isinstance(self.data, InMemory):
            return None
        place, unit = -1, 1.0
        if not self.rule.intercept:
            constant = None if self.rule.l2 > 0.0 else shift.constant_column(self.data)     # a penalty on it would change J
            if constant is None:
                return None
            place, unit = constant
            center, spread = shift.typical_values_of_sample(self.data)
        far = shift.far_from_zero(self.data, center, spread)
        if place >= 0:
            far[place] = 0.0
        return Origin(far, place, unit) if far.any() else None

    def moved(self, origin: Origin) -> Self:
        """The same J of X counted from there."""
        assert isinstance(self.data, InMemory)
        other = self._on(shift.shifted(self.data, origin.shift), self.rule.scale)
        other.origin = origin
        return other

    @property
    def has_row_space(self) -> bool:
        """Whether `in_row_space` is there: not for data in parts, whose rows are many."""
        return isinstance(self.data, InMemory)

    def in_row_space(self) -> tuple[Self, Callable[[np.ndarray], np.ndarray]]:
        """The same J with m features in place of n > m, and what turns its theta into one for X."""
        assert isinstance(self.data, InMemory)
        rows, to_w = gram.in_row_space(self.data)
        return self._on(rows, self.rule.scale), lambda theta: np.append(to_w(theta[:-1]), theta[-1])

    def of_null_model(self) -> Self:
        """J without features and penalty."""
        other = self._on(self.data.without_features(), self.rule.scale)
        other.rule = other.rule._replace(l2=0.0)
        return other

    # ---- separated classes ------------------------------------------------------------------------------------------

    @property
    def cost_of_one_error(self) -> float:
        """A J below which no example is on the wrong side."""
        return self.rule.scale * self.loss.of_guessing * self.data.count.lightest


def _with_moderate_weights(data: Dataset) -> tuple[Dataset, float]:
    """The data with weights in a unit, a power of 2, in which their sum is moderate, and that unit: 1 unless need be."""
    count = data.count
    if count.lightest == count.heaviest == 1.0 or 1.0 / _MODERATE <= count.total <= _MODERATE:
        return data, 1.0
    exponent = math.frexp(count.total)[1]
    return data.divided_weights(exponent), math.ldexp(1.0, exponent)
