"""Intervals of the profile likelihood: the values of one parameter that the data don't reject, all others at their best.

Let D(t) be the deviance at the best model whose parameter is t, less that of the best model of all.  The interval has the t with
D(t) at most the square of the normal quantile.  D is convex.  So on either side of the estimate the root of D is increasing, and
Newton's method finds where it is the quantile: the slope of the least J is that of J by t.  Where classes are separated, D falls
without end on one side, and the interval ends at infinity there.

D(0) is the statistic of the likelihood ratio test that the parameter is 0.
"""

import math
from typing import NamedTuple

import numpy as np

from fastlr.inference.distributions import normal_quantile
from fastlr.inference.statistics import Solved, Training, refuse_weights, solved
from fastlr.machine.warnings import ConvergenceWarning, warn

# The decrease of the deviance that a step promises, up to which the others are at their best.
_AT_REST = 1e-10
# The factor by which a step shrinks the decrease that the next one promises, at least, where its Hessian serves once more.
_SHRINKS = 1e-3
# The most steps for one value of the parameter.
_MOST_STEPS = 100
# The relative difference between the root of D and the quantile at which a bound is found.
_CLOSE = 1e-9
# The most values of the parameter that are tried on one side.
MOST_VALUES = 60
# The first step of the parameter, at most, in deviations of its column.
_LONGEST_FIRST = 10.0
# The factor by which the distance from the estimate grows, at most, as long as no bound is known.
_GROWTH = 4.0
# The distance from the estimate, in deviations of the column, from which on D is taken never to reach the quantile.
_ENDLESS = 1e4
# The share of the Hessian's diagonal at the null model that is added, so that a flat Hessian has an inverse.
_RIDGE = 1e-12
# Halvings of a step.
_MOST_HALVINGS = 40
# The share of the decrease that a linear model of J promises, which a step has to bring.
_SUFFICIENT = 1e-4


class _Rest(NamedTuple):
    """The best model whose parameter is t."""

    u: np.ndarray               # (k,) the free coordinates
    H: np.ndarray               # (k, k) a Hessian of the deviance, near u
    deviance: float             # as far as J has it
    tangent: np.ndarray         # (k,) how u moves with t
    slope: float                # the first derivative of the deviance by t
    curvature: float            # the second


def likelihood_ratios(training: Training, theta: np.ndarray, cost: float, places: list[int], level: float,
                      with_chi2: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Find the statistics D(0), (k,), of parameters at some places of theta (n + 1,), and the bounds of their intervals, (k, 2).

    The statistics are NaN where nobody wants them, and bounds may be infinite.

    Raises
    ------
    ValueError
        The weights don't count examples, so that there is no likelihood; or the data have changed since training.

    Warns
    -----
    ConvergenceWarning
        The search for a bound ended before it was found; the last value is returned.
    """
    refuse_weights(training, "there is no interval of the profile likelihood")
    chi2, bounds, quantile = np.full(len(places), np.nan), np.empty((len(places), 2)), normal_quantile(level)
    with solved(training, theta, cost) as at:
        u, H = at.u, None
        for i, place in enumerate(places):
            profile = _Profile(at, place)
            best = profile.best(u[:profile.free], along=None, H=H)
            u, H = best.u, best.H
            bounds[i] = profile.bound(best, -1.0, quantile), profile.bound(best, 1.0, quantile)
            if with_chi2:
                chi2[i] = max(profile.at_value(0.0, best).deviance - best.deviance, 0.0)
    return chi2, bounds


class _Profile:
    """The least deviance for every value of one parameter, which is t = direction . u."""

    def __init__(self, at: Solved, place: int) -> None:
        self.at = at
        problem = at.problem
        self.free = at.u.size if problem.fit_intercept else at.u.size - 1
        self.fixed = at.u[self.free:]
        self.to_deviance = 2.0 * problem.to_mean * problem.examples
        self.direction = np.array([problem.coordinates.parameters(each)[place] for each in np.eye(at.u.size)[:self.free]])
        self.others = np.linalg.qr(self.direction[:, None], mode="complete").Q[:, 1:]
        self.ridge = np.diag(_RIDGE * problem.diagonal[:self.free] * self.to_deviance)

    def deviance(self, u: np.ndarray) -> tuple[float, np.ndarray]:
        """The deviance at u (k,) and its gradient, (k,)."""
        J, grad = self.at.cost_gradient(np.append(u, self.fixed))
        return self.to_deviance * J, self.to_deviance * grad[:self.free]

    def hessian(self, u: np.ndarray) -> np.ndarray:
        """The second derivatives of the deviance at u (k,), (k, k), and a small ridge."""
        H = self.at.problem.hessian(np.append(u, self.fixed))[:self.free, :self.free]
        return self.to_deviance * H + self.ridge

    def at_value(self, t: float, near: _Rest) -> _Rest:
        """The best model whose parameter is t, from another one."""
        return self.best(near.u + (t - float(self.direction @ near.u)) * near.tangent, self.others, near.H)

    def best(self, u: np.ndarray, along: np.ndarray | None, H: np.ndarray | None = None) -> _Rest:
        """Minimize the deviance from u along directions (k, l), or along all; by Newton's method.

        A Hessian H (k, k) from near u serves as long as steps by it shrink the gradient fast.
        """
        B = np.eye(self.free) if along is None else along
        deviance, grad = self.deviance(u)
        H, before = self.hessian(u) if H is None else H, math.inf
        for _ in range(_MOST_STEPS):
            step, promised = self._step(H, B, grad)
            if promised > max(_SHRINKS * before, _AT_REST):
                H = self.hessian(u)
                step, promised = self._step(H, B, grad)
            if promised <= _AT_REST:
                break
            before = promised
            for halving in range(_MOST_HALVINGS):
                tried = u + 0.5 ** halving * step
                found, its_grad = self.deviance(tried)
                if found <= deviance - _SUFFICIENT * 0.5 ** halving * promised:
                    break
            else:
                break                           # rounding hides any further decrease
            u, deviance, grad = tried, found, its_grad
        unit = self.direction / float(self.direction @ self.direction)
        C = self.others
        tangent = unit - C @ np.linalg.solve(C.T @ H @ C, C.T @ H @ unit)
        return _Rest(u, H, deviance, tangent, float(grad @ unit), float(tangent @ H @ tangent))

    @staticmethod
    def _step(H: np.ndarray, B: np.ndarray, grad: np.ndarray) -> tuple[np.ndarray, float]:
        """Newton's step (k,) along B (k, l), and the decrease that it promises, doubled."""
        step = -B @ np.linalg.solve(B.T @ H @ B, B.T @ grad) if B.size else np.zeros_like(grad)
        return step, -float(grad @ step)

    def bound(self, best: _Rest, side: float, quantile: float) -> float:
        """Find where the root of the deviance, less that of the best model, is the quantile."""
        t, unit = float(self.direction @ best.u), float(np.linalg.norm(self.direction))
        center = t
        wald = quantile * math.sqrt(2.0 / best.curvature) if best.curvature > 0.0 else math.inf
        distance, below, above, here = min(wald, _LONGEST_FIRST * unit), 0.0, math.inf, best
        for _ in range(MOST_VALUES):
            t = center + side * distance
            here = self.at_value(t, here)
            root = math.sqrt(max(here.deviance - best.deviance, 0.0))
            if abs(root - quantile) <= _CLOSE * quantile:
                return t
            below, above = (distance, above) if root < quantile else (below, distance)
            if above == math.inf and distance >= _ENDLESS * unit:
                return side * math.inf
            slope = side * here.slope
            target = distance + 2.0 * root * (quantile - root) / slope if slope > 0.0 else math.inf
            if above < math.inf:
                distance = target if below < target < above else 0.5 * (below + above)
            else:
                distance = min(target, _GROWTH * distance) if target > distance else _GROWTH * distance
        warn(ConvergenceWarning(
            f"the search for a bound of the profile likelihood did not converge: after {MOST_VALUES} values of the parameter "
            f"the root of the deviance is {root:.6g} at the value that is returned, and should be {quantile:.6g}; look for "
            "columns that are nearly equal, and for a value of a different order of magnitude from the rest of its column"))
        return t
