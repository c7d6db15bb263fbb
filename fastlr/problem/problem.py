"""The one joint between solver and kernel: J as a function of the coordinates u of the parameters.

Kernels return sums over rows; a solver sees J and its derivatives by u, and no X:

    J = to_cost * sum_i s_i loss_i + penalty        to_cost = 1 / sum_i s_i for "mean", 1 for "sum"

u and theta are float64 vectors of r rows (n + 1,), as many as the loss says, each with the intercept last; without an intercept
its component of every gradient is 0.
"""

import copy
import math
from collections.abc import Callable
from typing import Concatenate, NamedTuple, ParamSpec, Self, TypeVar

import numpy as np

from fastlr.backends import engine
from fastlr.backends.engine import Approximation, Descent, Price, Scale, StoppingRule
from fastlr.backends.vectors import remove_common, standardised_size
from fastlr.data import gram, passes
from fastlr.data.arrays import LARGEST
from fastlr.data.dataset import Dataset, InMemory, Pass
from fastlr.data.exact import loss_in_long_double
from fastlr.data.moments import Columns
from fastlr.machine.arrays import repeated
from fastlr.machine.blas import dot, dots
from fastlr.problem.coordinates import Coordinates
from fastlr.problem.cost_model import MOST_WHOLE, CostModel
from fastlr.problem.loss import Loss, of_classes
from fastlr.problem.penalty import ElasticNet, Penalty, Ridge, penalty

# The relative rounding of one number.
_EPS = float(np.finfo(float).eps)
# The relative error of J that nobody minds.
_EXACT = 1e-11
# Numbers in X for which long doubles take a second.
_MOST_STORED = 30_000_000
# A sum of weights that stays finite times the square of any X.
_MODERATE = 1e7
# The ratio and the shift of a gradient that is measured by u.
_BY_U = np.empty(0), np.empty(0)
# The curvature of a penalty, as a share of that of the loss, up to which its minimum is hundreds of steps away.
_IN_NAME_ONLY = 1e-100

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Evaluation(NamedTuple):
    """J at a point, and its gradient by u there."""

    cost: float
    grad: np.ndarray


class Problem:
    """J(u) of one data set, computed by the backend of the data.

    What overflows or is not finite is the solver's to judge: whoever calls holds `np.errstate(all="ignore")`, once for all steps.
    With `examples` J stands for rows whose weights have that sum, and not only for the data.
    """

    costs: CostModel                # of a step and a Hessian
    shares: np.ndarray              # (K,) the (weighted) shares of the examples that the classes have
    to_cost: float                  # from sums over rows to J
    to_mean: float                  # from J to the mean scale, on which tol is meant
    size: int                       # the length of u: r (n + 1)
    thresholds: np.ndarray          # (n + 1,) the slopes of l1 by |u_j|: up to that, a gradient of the rest leaves u_j at 0
    penalty_diagonal: np.ndarray    # (r (n + 1),) the diagonal of the penalty's Hessian, and
    diagonal: np.ndarray            # (r (n + 1),) that of J's at the null model
    uncertainty: float              # the relative variance of a sample's Hessian: parameters a row; 0 for all rows
    unseen: np.ndarray              # (r (n + 1),) the share of a column's variance that a sample lacks, where that is known

    def __init__(self, data: Dataset, loss: Loss, penalty: Penalty, coordinates: Coordinates, reduction: str,
                 fit_intercept: bool, examples: float | None = None) -> None:
        data, unit = _with_moderate_weights(data)
        self._all_rows = data                   # of which there may be samples
        self.loss, self.penalty, self.fit_intercept = loss, penalty, fit_intercept
        self._set_data(data)
        total = data.count.total
        self.examples = unit * total if examples is None else examples
        self.to_cost, self.to_mean = (1.0 / total, 1.0) if reduction == "mean" else (unit, 1.0 / self.examples)
        self._set_coordinates(coordinates)

    @classmethod
    def of_theta(cls, data: Dataset, l2: float, reduction: str, fit_intercept: bool, l1: float = 0.0,
                 penalty_factors: np.ndarray | None = None, loss: Loss | None = None) -> Self:
        """J as a function of theta itself, with the penalty sum_j f_j (l1 |w_j| + l2/2 w_j^2), and by default the loss of the
        classes that there are.
        """
        n, loss = data.shape[1], of_classes(data.classes.size) if loss is None else loss
        return cls(data, loss, penalty(l1, l2, penalty_factors, n), Coordinates.of_theta(n), reduction, fit_intercept)

    def _set_data(self, data: Dataset) -> None:
        self.data, self.costs, count = data, CostModel.of(data, self.loss.n_margins), data.count
        self.shares = count.by_class / count.total
        self._columns: Columns | None = None

    def _set_coordinates(self, coordinates: Coordinates) -> None:
        self.coordinates = coordinates
        self.shape = self.loss.shape(coordinates.scales.size)
        self.size = math.prod(self.shape)
        self.thresholds = self.penalty.thresholds(coordinates.scales)
        self.penalty_diagonal = self.of_all_rows(self.penalty.diagonal(coordinates.scales))
        is_convex = self.penalty.is_ridge or self.penalty.convexity > 0.0
        self._least_penalty = float(self.penalty_diagonal[:self.shape[-1] - 1].min(initial=math.inf)) if is_convex else 0.0
        self.diagonal = self.loss.null_curvature(self.shares) / self.to_mean + self.penalty_diagonal
        self._measure = self._bounded = _BY_U           # of `gradient_norm` and `bounded_by_tol`
        self.uncertainty, self.unseen = 0.0, np.zeros(self.size)

    def of_all_rows(self, values: np.ndarray) -> np.ndarray:
        """A vector of u with the same values (n + 1,) in each row, if it isn't one already."""
        return repeated(values, self.size)

    @property
    def elastic_net(self) -> ElasticNet:
        """The penalty, where solvers need one with l1."""
        assert isinstance(self.penalty, ElasticNet)
        return self.penalty

    # ---- J and its derivatives --------------------------------------------------------------------------------------

    def evaluate(self, u: np.ndarray, with_moments: bool = False) -> Evaluation:
        """J at u and its gradient; in the same read of X the moments, if they are asked for and not known."""
        theta = self._theta_of(u)
        if with_moments and self._columns is None:
            pivot = self._pivot()
            loss, grad, first, second = self.data.reduce(passes.cost_gradient_and_moments, self.loss.cost_gradient, theta, pivot)
            self._columns = self._columns_of(pivot, first, second)
        else:
            loss, grad = self.data.reduce(self.loss.cost_gradient, theta)
        rows, scales = u.reshape(self.shape), self.coordinates.scales
        return Evaluation(float(self.to_cost * loss + self.penalty.value(rows, scales)),
                          self._gradient_by_u(grad) + self.penalty.gradient(rows, scales).ravel())

    def _theta_of(self, u: np.ndarray) -> np.ndarray:
        """The parameters at u, or along it, in the shape in which kernels take them."""
        return self.coordinates.theta_of(u).reshape(self.shape)

    def _gradient_by_u(self, grad: np.ndarray) -> np.ndarray:
        """Make a gradient by theta of sums over rows, which is overwritten, that of J by u, without the penalty's."""
        grad *= self.to_cost
        if not self.fit_intercept:
            grad[..., -1] = 0.0
        return self.coordinates.by_u(grad.ravel())

    def exact_cost(self, theta: np.ndarray, cost: float) -> float:
        """J at theta, where float64 finds a cost: more exactly if products w x cancel so much that the cost could be off."""
        center, spread = self.standardisation
        rows = np.abs(self.coordinates.rows(theta))
        margin = _EPS * max(dot(row[:-1], np.abs(center)) + dot(row[:-1], spread) + float(row[-1]) for row in rows)
        error = margin * min(1.0 / self.to_mean, cost)
        if error <= _EXACT * cost or self.data.size > _MOST_STORED:
            return cost
        of_loss = self.data.reduce(loss_in_long_double, self.loss.value, self.coordinates.rows(theta))
        return float(self.to_cost * of_loss + self.penalty.value(theta.reshape(self.shape), np.ones(self.shape[-1])))

    def loss_hessian(self, u: np.ndarray, floor: float = 0.0) -> np.ndarray:
        """The second derivatives of the loss part of J at u, a square.

        What has less curvature of its own in J than the floor may be left out, see `Loss.hessian`.
        """
        return self._by_u(self.data.reduce(self.loss.hessian, self._theta_of(u), self.coordinates.center, floor / self.to_cost))

    def hessian_of(self, u: np.ndarray, is_held: np.ndarray) -> np.ndarray:
        """The rows and columns of `loss_hessian` for the coordinates that are held, a mask of u that holds all intercepts."""
        if self.data.is_sparse and is_held.size <= MOST_WHOLE:
            return self.loss_hessian(u)[np.ix_(is_held, is_held)]
        H = self.data.reduce(self.loss.hessian_of, self._theta_of(u), self.coordinates.center, is_held.reshape(self.shape))
        return self._by_u(H, np.flatnonzero(is_held))

    def class_hessians(self, u: np.ndarray) -> np.ndarray:
        """The second derivatives by the parameters of each class alone, (K, n + 1, n + 1); for two classes, (n + 1, n + 1)."""
        center, share = self.coordinates.center, self.costs.share_drawn
        return self._by_u(self.data.reduce(self.loss.class_hessians, self._theta_of(u), center, share))

    def _by_u(self, H: np.ndarray, places: np.ndarray | None = None) -> np.ndarray:
        """Make second derivatives (..., k, k) of sums over rows by theta those of J by u, where k is a multiple of n + 1.

        Or they are by the parameters at these places alone, (k,).
        """
        side = self.coordinates.scales.size
        columns = (np.arange(H.shape[-1]) if places is None else places) % side
        scales = self.coordinates.scales[columns]
        H *= self.to_cost
        if not self.fit_intercept:
            fixed = np.flatnonzero(columns == side - 1)
            H[..., fixed, :] = H[..., :, fixed] = 0.0
            H[..., fixed, fixed] = 1.0
        H *= scales
        H *= scales[:, None]
        return H

    def add_penalty(self, H: np.ndarray) -> None:
        """Add the second derivatives of the penalty to H (k, k), those by one row of u or by all."""
        self.penalty.add_hessian(H, self.coordinates.scales)

    def hessian(self, u: np.ndarray) -> np.ndarray:
        """The second derivatives of J at u, a square; or where they cost too much those of each class alone, (K, n + 1, n + 1).

        Those of a sample get what its columns lack of variance, at the curvature that the others have on average: what is rare
        would seem to be flat.  (A compiled descent of the sample does without: to the sample's optimum both lead.)
        """
        H = self.loss_hessian(u) if self.costs.is_whole else self.class_hessians(u)
        side = H.shape[-1]
        for block, unseen in zip(H.reshape(-1, side, side), self.unseen.reshape(-1, side), strict=True):
            curvature = block.trace() / (side - unseen.sum())
            block.flat[::side + 1] += curvature * unseen
            self.add_penalty(block)
        return H

    def remove_common(self, v: np.ndarray) -> None:
        """Take away from a vector of u, in place, what all classes have in common: it moves no loss, and only l1 may want it."""
        remove_common(v, self._common)

    @property
    def _common(self) -> np.ndarray:
        """1 for the coordinates of a class (n + 1,) of which what all classes have in common is of no use; or none, (0,)."""
        if self.loss.n_free == self.loss.n_margins:
            return np.empty(0)
        common = (self.thresholds == 0.0).astype(float)
        common[-1] = self.fit_intercept
        return common

    def hessian_product(self, u: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[], np.ndarray]]:
        """v -> H v for the second derivatives H of J at u; and what computes the diagonal of H, (n + 1,), at about three times
        that cost."""
        coordinates = self.coordinates
        times, diagonal = self.loss.hessian_product(self.data, self._theta_of(u))

        def product(v: np.ndarray) -> np.ndarray:
            Hv = self._gradient_by_u(times(self._theta_of(v)))
            return Hv + self.penalty.product(v.reshape(self.shape), coordinates.scales).ravel()

        def diagonal_by_u() -> np.ndarray:
            by_u = self.to_cost * diagonal(coordinates.center) * coordinates.scales ** 2
            return by_u.ravel() + self.penalty_diagonal

        return product, diagonal_by_u

    def intercept_hessian(self, u: np.ndarray) -> np.ndarray:
        """The second derivatives (r, r) of the loss part of J at u by the intercepts in these coordinates."""
        return self.to_cost * self.data.reduce(self.loss.intercept_hessian, self._theta_of(u))

    def reduce(self, pass_: Pass[Concatenate[Loss, np.ndarray, np.ndarray, _Arguments], _Result], *arguments: _Arguments.args,
               **named: _Arguments.kwargs) -> _Result:
        """What a pass of `margin_changes` gives for directions of u."""
        return self.data.reduce(pass_, self.loss, self.coordinates.center, self.coordinates.spread, *arguments, **named)

    # ---- the engine -------------------------------------------------------------------------------------------------

    @property
    def scale(self) -> Scale:
        """What the engine is to know of J and of its coordinates."""
        coordinates = self.coordinates
        l2 = self.penalty.diagonal(np.ones(coordinates.scales.size))
        return Scale(coordinates.center, self.of_all_rows(coordinates.scales), self.of_all_rows(l2), self.penalty_diagonal,
                     self.diagonal, self.of_all_rows(coordinates.means_in_deviations), *self._measure, self._common, self.to_mean,
                     self.to_cost, float(self.fit_intercept))

    @property
    def has_quasi_newton(self) -> bool:
        """Whether `quasi_newton` is there, and faster than going step by step."""
        return (isinstance(self.data, InMemory) and hasattr(self.data.backend, "quasi_newton") and self.costs.is_driven
                and self.penalty.is_ridge and self.loss.cost_gradient in (passes.cost_gradient, passes.softmax_cost_gradient))

    def quasi_newton(self, descent: Descent, M: Approximation, rule: StoppingRule, hessian: Price, sample: Price,
                     ridge: float, record: np.ndarray, begun: int) -> None:
        """Updates up to begun + `len(record)` in compiled code, see `fastlr.backends`; it makes Hessians that are small."""
        assert isinstance(self.data, InMemory)
        self.data.backend.quasi_newton(*self.data.prepared, descent, M, self.scale, rule, hessian, sample,
                                       ridge if self.costs.is_small else None, record, begun)

    def gradient_norm(self, grad: np.ndarray) -> float:
        """How large the gradient by u is, on the mean scale: what solvers make small."""
        return standardised_size(grad, *self._measure) * self.to_mean

    def bounded_by_tol(self, grad: np.ndarray) -> float:
        """What `tol` bounds: the largest component of the gradient where mean and deviation of all rows standardize X."""
        return standardised_size(grad, *self._bounded) * self.to_mean

    # ---- the columns of X -------------------------------------------------------------------------------------------

    @property
    def columns(self) -> Columns:
        """Mean and deviation of every column."""
        if self._columns is None:
            pivot = self._pivot()
            self._columns = self._columns_of(pivot, *self.data.reduce(passes.moments, pivot))
        return self._columns

    def _pivot(self) -> np.ndarray:
        return self.data.heaviest_row() if self.fit_intercept else np.zeros(self.data.shape[1])

    def _columns_of(self, pivot: np.ndarray, first: np.ndarray, second: np.ndarray) -> Columns:
        """Make them of moments; unless these show that all of X is finite and can be squared, it is looked through for what is
        not.
        """
        count = self.data.count
        if not (np.abs(pivot).max() <= 0.5 * LARGEST and second.max() <= 0.1 * count.lightest * LARGEST ** 2):
            self._all_rows.refuse_not_finite()
        return Columns.of(pivot, first, second, count.total, self.fit_intercept)

    @property
    def standardisation(self) -> tuple[np.ndarray, np.ndarray]:
        """Center mu_j and spread sd_j of every column, each (n,)."""
        return self.columns.center, self.columns.spread

    def refuse_not_finite(self, moments_are_needed: bool) -> None:
        """Raise ValueError, with the place, where X holds values that are not finite or too large to square.

        Such values show in the moments, as soon as somebody needs them: only where nobody does, or some rows don't count, X is
        looked through for it.
        """
        if not moments_are_needed or self.data.count.rows < self.data.shape[0]:
            self.data.refuse_not_finite()

    def column(self, j: int) -> str:
        """How to speak of column j."""
        names = self.data.feature_names
        return f"column {j}" if names is None else f"column {j} ({names[j]!r})"

    # ---- what is known of J beforehand ------------------------------------------------------------------------------

    def null_model(self) -> np.ndarray:
        """The best theta with w = 0, where there is an intercept and no offset, and else zeros."""
        theta = np.zeros((self.loss.n_margins, self.data.shape[1] + 1))
        if self.fit_intercept and not self.data.has_offset:
            theta[:, -1] = self.loss.null_margins(self.shares)
        return theta.ravel()

    @property
    def cost_of_one_error(self) -> float:
        """A J below which no example is on the wrong side; negative where the penalty gives J a minimum even so."""
        return -1.0 if self.is_penalised else self.to_cost * self.loss.of_guessing * self.data.count.lightest

    @property
    def is_penalised(self) -> bool:
        """Whether the penalty gives J a minimum that float64 can find: an l2 of 1e-300 is there in name only."""
        return self._least_penalty > self._in_name_only

    @property
    def is_free(self) -> np.ndarray:
        """Which coordinates, (r (n + 1),), can grow for ever: not an intercept that is fixed, nor w that l2 holds."""
        is_free = self.penalty_diagonal <= self._in_name_only
        self.coordinates.rows(is_free)[:, -1] = self.fit_intercept
        return is_free

    @property
    def _in_name_only(self) -> float:
        return _IN_NAME_ONLY * float(self.diagonal[-1])

    def lipschitz(self) -> float:
        """A constant L such that a step of 1/L in theta never makes J larger."""
        curvature = self.loss.largest_curvature * gram.largest_eigenvalue(self.data, self.fit_intercept)
        return self.to_cost * curvature + float(self.penalty.diagonal(np.ones(self.shape[-1])).max())

    # ---- rounding ---------------------------------------------------------------------------------------------------

    def rounding(self, u: np.ndarray, cost: float) -> float:
        """A difference of J that may be rounding: of adding up a million losses, and of margins w x where b takes most of it."""
        return engine.rounding(cost, self._cancelled(np.abs(u)), self.to_mean)

    def margin_rounding(self, u: np.ndarray) -> float:
        """How far off the margin of a row may be that is no further than typical from the center."""
        sizes = np.abs(u)
        return _EPS * (self._cancelled(sizes) + float(sizes.sum()))

    def _cancelled(self, sizes: np.ndarray) -> float:
        """What the intercept takes back of w x, in sum over the columns, where the coordinates have these sizes."""
        return float(dots(self.coordinates.rows(sizes), self.coordinates.means_in_deviations).max())

    # ---- on other rows ----------------------------------------------------------------------------------------------

    def part(self, rows: Dataset) -> Self:
        """What some of the rows, or others like them, have in J, in the same coordinates."""
        other = copy.copy(self)
        other._set_data(rows)
        return other

    def on_sample(self, rows: Dataset) -> Self:
        """J on a sample of the rows, in the same coordinates."""
        sample = self.part(rows)
        sample.to_cost = 1.0 / self.to_mean * (1.0 / rows.count.total)
        effective_rows = rows.count.total ** 2 / rows.count.squares         # of equal weight (Kish)
        sample.uncertainty = self.free_features / effective_rows
        unseen = np.zeros(self.shape[-1])
        if self._columns is not None:
            seen, all_of_it = sample.columns.deviation ** 2, self._columns.deviation ** 2
            varies = all_of_it > 0.0
            unseen[:-1][varies] = np.clip(1.0 - seen[varies] / all_of_it[varies], 0.0, 1.0)
        sample.unseen = self.of_all_rows(unseen)
        return sample

    @property
    def free_features(self) -> int:
        """Parameters w that J can tell apart."""
        return self.data.shape[1] * self.loss.n_free

    @property
    def is_sample(self) -> bool:
        """Whether J is that of a sample."""
        return self.uncertainty > 0.0

    def sampling_error(self) -> float:
        """By how much J at a sample's optimum is expected to exceed J*."""
        return 0.5 * self.uncertainty / self.to_mean

    def sampling_gradient(self) -> float:
        """The norm of the gradient that is expected for all rows at a sample's optimum."""
        return math.sqrt(self.uncertainty / self.free_features)

    def on_columns(self, columns: np.ndarray) -> Self:
        """J by the coordinates of some columns, which are in order, where w of all others is 0."""
        return self._on_columns(columns, None, self.elastic_net.of_columns(columns))

    def around(self, u: np.ndarray, columns: np.ndarray) -> Self:
        """The loss part of J by the coordinates of some columns and the intercept, counted from u."""
        return self._on_columns(columns, self._theta_of(u), Ridge(0.0))

    def _on_columns(self, columns: np.ndarray, theta: np.ndarray | None, penalty: Penalty) -> Self:
        other = self.part(self.data.with_columns(columns, theta))
        other.penalty = penalty
        return other.in_coordinates(Coordinates(self.coordinates.center[columns], self.coordinates.spread[columns]))

    def with_penalty(self, penalty: Penalty) -> Self:
        """This loss with another penalty."""
        other = copy.copy(self)
        other.penalty = penalty
        other._set_coordinates(self.coordinates)
        other._measure, other._bounded = self._measure, self._bounded
        return other

    def in_row_space(self) -> tuple[Self, Callable[[np.ndarray], np.ndarray]]:
        """J by theta with m features in place of n > m, and what turns its theta into one for X; its penalty is `of_norm`."""
        penalty = self.penalty.of_norm()
        assert isinstance(self.data, InMemory) and penalty is not None
        rows, to_w = gram.in_row_space(self.data)
        reduced = self.with_penalty(penalty)._of_features(rows)

        def to_theta(theta: np.ndarray) -> np.ndarray:
            return np.concatenate([np.append(to_w(row[:-1]), row[-1]) for row in reduced.coordinates.rows(theta)])

        return reduced, to_theta

    def of_null_model(self) -> Self:
        """J by theta without features and penalty."""
        return self.with_penalty(Ridge(0.0))._of_features(self.data.without_features())

    def _of_features(self, rows: Dataset) -> Self:
        return self.part(rows).in_coordinates(Coordinates.of_theta(rows.shape[1]))

    # ---- in other coordinates ---------------------------------------------------------------------------------------

    def in_coordinates(self, coordinates: Coordinates) -> Self:
        """J in other coordinates."""
        other = copy.copy(self)
        other._set_coordinates(coordinates)
        return other

    def standardised(self) -> Self:
        """J in the coordinates in which mean and deviation of its rows standardize X."""
        return self.in_coordinates(Coordinates(*self.standardisation))

    def start(self, theta: np.ndarray | None) -> tuple[Self, np.ndarray, Evaluation | None]:
        """J in standardized coordinates, where to start in them, and J there if it is known.

        The start is theta, or for None the null model.  There J comes with the moments, unless data are so small that a second
        function would take longer to compile than reading X twice.
        """
        at_null = None
        if theta is None:
            theta = self.null_model()
            if not self.has_quasi_newton and self._columns is None:
                at_null = self.evaluate(theta, with_moments=True)
        problem = self.standardised()
        coordinates = problem.coordinates
        u = coordinates.u_of(theta)
        problem.remove_common(u)
        return problem, u, at_null and at_null._replace(grad=coordinates.by_u(at_null.grad))

    def measured_by_all_rows(self) -> Self:
        """This problem in its present coordinates, with gradients measured as where the moments of all rows standardize X."""
        measure = self.coordinates.to_standard(*self.standardisation)       # the copy knows the moments too
        other = copy.copy(self)
        other._measure = other._bounded = measure
        return other

    def not_standardised(self, coordinates: Coordinates, diagonal: np.ndarray) -> Self:
        """J in coordinates that do not standardize X, where its Hessian has about this diagonal; `tol` still bounds the same."""
        other = self.in_coordinates(coordinates)
        other.diagonal, other._bounded = diagonal, coordinates.to_standard(*other.standardisation)
        return other


def _with_moderate_weights(data: Dataset) -> tuple[Dataset, float]:
    """The data with weights in a unit, a power of 2, in which their sum is moderate, and that unit: 1 unless need be."""
    count = data.count
    if count.lightest == count.heaviest == 1.0 or 1.0 / _MODERATE <= count.total <= _MODERATE:
        return data, 1.0
    exponent = math.frexp(count.total)[1]
    return data.divided_weights(exponent), math.ldexp(1.0, exponent)
