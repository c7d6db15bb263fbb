"""The coordinates that solvers work in: every column of X with mean 0 and deviation 1, without a copy of X.

With mu_j and sd_j the mean and deviation of column j, the same margin is

    z = sum_j w_j x_j + b = sum_j u_j (x_j - mu_j) / sd_j + c        u_j = sd_j w_j        c = b + sum_j mu_j w_j

so that u = [u_1 .. u_n, c] stands for theta = [w_1 .. w_n, b].  A solver that starts at the same u takes the same steps
whatever units the columns are in.  The penalty stays what it was: l2/2 ||w||^2 = sum_j l2/2 (u_j / sd_j)^2.
"""

import copy
import math
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Self, TypeVar

import numpy as np

from fastlr.backends import engine
from fastlr.backends.engine import Approximation, Descent, Price, Scale, StoppingRule
from fastlr.backends.vectors import standardised_size
from fastlr.data import moments
from fastlr.data.dataset import Pass
from fastlr.machine.blas import dot
from fastlr.problem.objective import Objective

_CANCELLED = 1e-14              # of a mean square, the least that a variance can be told from 0
_IN_NAME_ONLY = 1e-100          # of the curvature of the loss, a penalty's whose minimum is hundreds of steps away
_MOST_JUDGED = 1000              # features, and
_ROWS_JUDGED = 2000             # rows, for whose curvature coordinates are made anew
_FLAT = 1e-6                     # of the curvature that a problem was made for, where it is made anew for what there is
_MISFIT = 30.0                  # deviations by curvature in a unit, or from a center, that make coordinates poor


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


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
        self.center, self.spread = center, spread
        self._scales, self._shifts, self.penalty = np.ones(spread.size + 1), np.zeros(spread.size + 1), np.zeros(spread.size + 1)
        """The last: (n + 1,) the diagonal of the penalty's Hessian."""
        self._scales[:-1] /= spread
        self._shifts[:-1] = center
        self._means_in_deviations = np.abs(self._shifts * self._scales)
        self._l2 = np.append(np.full(spread.size, objective.rule.l2), 0.0)
        self.penalty[:-1] = objective.rule.l2 / spread ** 2
        self.diagonal = objective.loss.null_curvature(objective.rate) / objective.rule.to_mean + self.penalty
        """(n + 1,) the diagonal of the Hessian at the null model."""
        self._measure = self._bounded = (np.empty(0), np.empty(0))      # of `gradient_norm` and `bounded_by_tol`, if not by u
        self.uncertainty = 0.0
        """Relative variance of the Hessian: features a row of a sample, 0 for all rows."""
        self.unseen = np.zeros(spread.size + 1)
        """(n + 1,) the share of each column's variance that a sample lacks, as far as that of all rows is known."""

    @property
    def is_sample(self) -> bool:
        """Whether J is that of a sample."""
        return self.uncertainty > 0.0

    def u_of(self, theta: np.ndarray) -> np.ndarray:
        """The coordinates (n + 1,) of theta."""
        u = theta / self._scales
        u[-1] += dot(self._shifts, theta)
        return u

    def from_other(self, other: "Standardised", u: np.ndarray) -> np.ndarray:
        """The coordinates of what has the coordinates u in another center and spread, without going by way of theta."""
        theta = u * other._scales
        before, after = other.objective.origin, self.objective.origin
        place, unit = (before.place, before.unit) if before.shift.any() else (after.place, after.unit)
        moved = dot(after.shift - before.shift, theta[:-1]) / unit
        theta[-1] += dot(self._shifts - other._shifts, theta)
        theta[place] += moved
        return theta / self._scales

    def parameters(self, u: np.ndarray) -> np.ndarray:
        """The parameters (n + 1,) at u of X as the user has given it."""
        return self.objective.origin.parameters(self.theta_of(u))

    def theta_of(self, u: np.ndarray) -> np.ndarray:
        """The parameters (n + 1,) at u, or along it."""
        theta = u * self._scales
        theta[-1] -= dot(self._shifts, theta)
        return theta

    def cost_gradient(self, u: np.ndarray) -> tuple[float, np.ndarray]:
        """J at u and its gradient by u, (n + 1,)."""
        return self._by_u(*self.objective.cost_gradient(self.theta_of(u)))

    def known(self, u: np.ndarray) -> tuple[float, np.ndarray] | None:
        """The same if it is known; see `Objective.known`."""
        known = self.objective.known(self.theta_of(u))
        return None if known is None else self._by_u(*known)

    def _by_u(self, cost: float, grad: np.ndarray) -> tuple[float, np.ndarray]:
        """J and its gradient by theta, which is overwritten."""
        grad -= self._shifts * grad[-1]
        grad *= self._scales
        return cost, grad

    @property
    def scale(self) -> Scale:
        """What the engine is to know of J and of its coordinates."""
        rule = self.objective.rule
        return Scale(self.center, self._scales, self._l2, self.penalty, self.diagonal, self._means_in_deviations, *self._measure,
                     rule.to_mean, rule.scale, rule.intercept)

    def gradient_norm(self, grad: np.ndarray) -> float:
        """How large the gradient by u is, on the mean scale: what solvers make small."""
        return engine.gradient_norm(grad, self.scale)

    def bounded_by_tol(self, grad: np.ndarray) -> float:
        """What `tol` bounds: the largest component of the gradient where mean and deviation of all rows standardise X."""
        return standardised_size(grad, *self._bounded) * self.objective.rule.to_mean

    def hessian(self, u: np.ndarray) -> np.ndarray:
        """The second derivatives of J at u, (n + 1, n + 1).

        Those of a sample get what its columns lack of variance, at the curvature that the others have on average: what is rare
        would seem to be flat.  (A compiled descent of the sample does without: to the sample's optimum both lead.)
        """
        H = self.objective.hessian(self.theta_of(u), self.center)
        H *= self._scales
        H *= self._scales[:, None]
        curvature = H.trace() / (self.unseen.size - self.unseen.sum())
        H.flat[::H.shape[0] + 1] += self.penalty + curvature * self.unseen
        return H

    def hessian_product(self, u: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[], np.ndarray]]:
        """v -> H v for the second derivatives H of J at u; and what computes the diagonal of H, (n + 1,), at about three times
        that cost."""
        times, diagonal = self.objective.hessian_product(self.theta_of(u))

        def product(v: np.ndarray) -> np.ndarray:
            Hv = times(self.theta_of(v))
            Hv -= self._shifts * Hv[-1]
            Hv *= self._scales
            Hv += self.penalty * v
            return Hv

        return product, lambda: diagonal(self.center) * self._scales ** 2 + self.penalty

    def on_sample(self, objective: Objective) -> Self:
        """J on a sample of the rows, in the same coordinates."""
        sample = copy.copy(self)
        sample.objective = objective
        sample.uncertainty, sample.unseen = self.spread.size / objective.effective_rows(), np.zeros_like(self.unseen)
        if self.objective.knows_moments:
            seen, all_of_it = objective.variances, self.objective.variances
            varies = all_of_it > 0.0
            sample.unseen[:-1][varies] = np.clip(1.0 - seen[varies] / all_of_it[varies], 0.0, 1.0)
        return sample

    def certified(self) -> Self:
        """The same in coordinates of a sample, with gradients measured as in those of all rows (which need their moments)."""
        other = copy.copy(self)
        other._measure = other._bounded = self._to_standard()
        return other

    def _to_standard(self) -> tuple[np.ndarray, np.ndarray]:
        """Ratio and shift (n,): where all rows standardise X, the gradient is ratio_j g_j + shift_j dc."""
        center, spread = self.objective.standardisation
        return self.spread / spread, (self.center - center) / spread

    def by_curvature(self, H: np.ndarray) -> Self:
        """J in coordinates that the curvature of the rows standardises, where H is the Hessian by u without the penalty.

        The mean and deviation of a column are weighted by curvature, so that a row with none left, such as one with a value that
        is far too large, has no say in them.
        """
        if self.objective.rule.intercept:
            whole, first = H[-1, -1], H[-1, :-1] / H[-1, -1]
        else:
            whole, first = self.diagonal[-1], np.zeros(self.spread.size)
        square = np.maximum(H.diagonal()[:-1] / whole, 0.0)         # of sparse X it may have been rounded below 0
        center = self.center + first * self.spread
        spread = self.spread * np.sqrt(np.maximum(square - first ** 2, _CANCELLED * square))
        is_kept = moments.is_constant(center, spread) | ~np.isfinite(center)
        other = type(self)(self.objective, np.where(is_kept, self.center, center), np.where(is_kept, self.spread, spread))
        other.diagonal = whole + other.penalty
        other._bounded = other._to_standard()
        return other

    def where_curvature_fits(self, u: np.ndarray) -> Self:
        """J in these coordinates, or where they are poor in better ones.

        They are poor where the curvature at u, judged by a sample, standardises X much else, or where columns are far from 0.
        """
        if self.spread.size > _MOST_JUDGED:
            return self
        near = self.near_origin()
        rows = next(near.objective.samples([min(_ROWS_JUDGED, near.objective.rows_that_count)]))
        H = near.hessian_of(rows, near.from_other(self, u), 0.0)
        if not H[-1, -1] > 0.0:
            return near
        other = near.by_curvature(H)
        is_fit = ((other.spread / near.spread).min() >= 1.0 / _MISFIT and
                  (np.abs(other.center - near.center) <= _MISFIT * other.spread).all() and
                  H[-1, -1] >= _FLAT * near.diagonal[-1])
        return near if is_fit else other.near_origin()

    def near_origin(self) -> Self:
        """The same where columns that are far from 0 are moved near it, in a copy of X: no product cancels then."""
        origin = self.objective.origin_for(self.center, self.spread)
        if origin is None:
            return self
        other = type(self)(self.objective.moved(origin), self.center - origin.shift * self.objective.rule.intercept, self.spread)
        other.diagonal, other._bounded = self.diagonal, other._to_standard()
        return other

    def varies_by_rounding(self, H: np.ndarray) -> np.ndarray:
        """Which columns, (n,), vary by no more than rounding among the rows that have curvature, by their Hessian H by u."""
        whole = H[-1, -1] if self.objective.rule.intercept else self.diagonal[-1]
        return moments.is_constant(self.center, self.spread * np.sqrt(np.maximum(H.diagonal()[:-1], 0.0) / whole))

    def gradient_by_w(self, grad: np.ndarray, center: np.ndarray) -> np.ndarray:
        """The gradient (n,) by w for features x - center, where that by u is grad."""
        by_w: np.ndarray = grad[:-1] * self.spread + (self.center - center) * grad[-1]
        return by_w

    def hessian_of(self, rows: Objective, u: np.ndarray, floor: float) -> np.ndarray:
        """What some of the rows have in the second derivatives of J at u, (n + 1, n + 1), without the penalty.

        Rows whose curvature in J is below the floor are left out.
        """
        share = self.share_of(rows)
        H = rows.hessian(self.theta_of(u), self.center, floor / share)
        H *= share * self._scales
        H *= self._scales[:, None]
        return H

    def reduce(self, pass_: Pass[Concatenate[np.ndarray, np.ndarray, _Arguments], _Result], *arguments: _Arguments.args,
               **named: _Arguments.kwargs) -> _Result:
        """What a pass of `margin_changes` gives for directions of u."""
        return self.objective.data.reduce(pass_, self.center, self.spread, *arguments, **named)

    @property
    def is_penalised(self) -> bool:
        """Whether l2 gives J a minimum that float64 can find: a penalty of 1e-300 is there in name only."""
        return bool(self.penalty[:-1].min() > _IN_NAME_ONLY * self.diagonal[-1])

    @property
    def cost_of_one_error(self) -> float:
        """A J below which no example is on the wrong side; negative where l2 gives J a minimum even so."""
        return -1.0 if self.is_penalised else self.objective.cost_of_one_error

    def share_of(self, rows: Objective) -> float:
        """What multiplies a sum in J on some of the rows to make it that in J."""
        return self.objective.rule.scale / rows.rule.scale

    def curvature_of_a_row(self) -> float:
        """What a row has in the curvature of J by c at the null model, on average."""
        objective = self.objective
        return objective.loss.null_curvature(objective.rate) / objective.rule.to_mean / objective.rows_that_count

    def sampling_error(self) -> float:
        """By how much J at a sample's optimum is expected to exceed J*."""
        return 0.5 * self.uncertainty / self.objective.rule.to_mean

    def sampling_gradient(self) -> float:
        """The norm of the gradient that is expected for all rows at a sample's optimum."""
        return math.sqrt(self.uncertainty / self.spread.size)

    def rounding(self, u: np.ndarray, cost: float) -> float:
        """A difference of J that may be rounding: of adding up a million losses, and of margins w x where b takes most of it."""
        return engine.rounding(cost, self._cancelled(u), self.objective.rule.to_mean)

    def margin_rounding(self, u: np.ndarray) -> float:
        """How far off the margin of a row may be that is no further than typical from the center."""
        return float(np.finfo(float).eps) * (self._cancelled(u) + float(np.abs(u).sum()))

    @property
    def is_far_from_zero(self) -> bool:
        """Whether columns are so far from 0 that `near_origin` has something to move."""
        return self.objective.origin_for(self.center, self.spread) is not None

    def _cancelled(self, u: np.ndarray) -> float:
        """What the intercept takes back of w x, in sum over the columns."""
        return dot(self._means_in_deviations, np.abs(u))

    @property
    def has_quasi_newton(self) -> bool:
        """Whether `quasi_newton` is there, and faster than going step by step."""
        return self.objective.has_quasi_newton

    def quasi_newton(self, descent: Descent, M: Approximation, rule: StoppingRule, hessian: Price, ridge: float,
                     record: np.ndarray) -> bool:
        """At most `len(record)` updates in one compiled call, see `fastlr.backends`; whether J may be lowered further."""
        return bool(self.objective.quasi_newton(descent, M, self.scale, rule, hessian, ridge, record))


def standardised(objective: Objective, theta: np.ndarray | None) -> tuple[Standardised, np.ndarray]:
    """The objective in standardised coordinates, and where to start in them: at theta, or for None at the null model."""
    if theta is None:
        theta = objective.null_model()
        if not objective.has_quasi_newton:      # where a read takes less than a second function takes to compile
            objective.first_read(theta)
    problem = Standardised(objective, *objective.standardisation)
    return problem, problem.u_of(theta)
