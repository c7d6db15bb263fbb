"""Training a batch at a time: what earlier batches have told is remembered as a quadratic.

From theta_0 = 0 and H_0 = 0, each batch makes one step of

    theta_t = argmin  sum_i s_i loss_i(theta) + 1/2 (theta - theta_(t-1))^T (H_(t-1) + penalty) (theta - theta_(t-1))
    H_t     = H_(t-1) + sum_i s_i a_i (1 - a_i) v_i v_i^T            at theta_t, with v_i = [x_i, 1]

where the sums go over the rows of the batch alone.  It is Laplace's approximation of the posterior, batch after batch, and
has no learning rate.  The first batch gives its optimum; on rows in random order theta_t stays close to the optimum of all rows
so far, against its standard errors.  Rows that come again count again.

The penalty is l2 on every w_j, and at least WEAKEST in units of the deviation of column j in all rows so far, on the intercept
too: a few rows, or rows of one class, have no optimum without.  With more than MOST_FEATURES features only the diagonal of H is
kept.  The rule is the same then, and learns more slowly where columns are correlated.
"""

import math
import time
from typing import NamedTuple, Self

import numpy as np

from fastlr import backends
from fastlr.backends import choice
from fastlr.backends.engine import DIAGONAL, DUE
from fastlr.data import moments, passes
from fastlr.data.dataset import Dataset, InMemory
from fastlr.inference.statistics import Training
from fastlr.machine import stopwatch
from fastlr.machine.warnings import ConvergenceWarning
from fastlr.model.model import Model
from fastlr.problem.coordinates import Coordinates
from fastlr.problem.loss import of_classes
from fastlr.problem.penalty import Quadratic, Ridge
from fastlr.problem.problem import Problem
from fastlr.solvers import weights_and_intercept
from fastlr.solvers.history import Recorder
from fastlr.solvers.quasi_newton import InverseHessian, iterates, kernels

WEAKEST = 0.01                  # what a 25th of an example of probability 1/2 tells
MOST_FEATURES = 1000            # for which H takes 8 MB, and a step some tenths of a second
MOST_FEATURES_OF_FIT = 64       # of which `fit` leaves a memory: 34 kB, a fraction of a millisecond
_ROWS_OF_FIT = 2048             # that the Hessian of that memory is made from
_STEPS = 10                     # on a batch, roughly, for the choice of a backend


class Memory(NamedTuple):
    """All that is kept of the batches so far; no array of it is ever written to."""

    l2: float
    fit_intercept: bool
    rows: int
    total: float                # the sum of their weights
    center: np.ndarray          # (n,) the mean of the first batch; zeros without intercept
    first: np.ndarray           # (n,) the sum of s_i (x_i - center), and
    second: np.ndarray          # (n,) that of s_i (x_i - center)^2
    theta: np.ndarray           # (k,) w, and the margin at the center; k is n + 1, or K (n + 1) for K classes
    curvature: np.ndarray       # H for v_i = [x_i - center, 1]: (k, k), or its diagonal (k,)

    @classmethod
    def before(cls, rows: Dataset, l2: float, fit_intercept: bool) -> Self:
        """What there is before the first batch."""
        problem, n = Problem.of_theta(rows, 0.0, "sum", fit_intercept), rows.shape[1]
        k, is_full = problem.size, n <= MOST_FEATURES and problem.costs.is_whole
        return cls(l2, fit_intercept, 0, 0.0, problem.standardisation[0], np.zeros(n), np.zeros(n), np.zeros(k),
                   np.zeros((k, k) if is_full else k))

    def with_moments(self, rows: Dataset) -> Self:
        """With those of a batch; what it tells of theta comes later."""
        first, second = rows.reduce(passes.moments, self.center)
        return self._replace(rows=self.rows + rows.shape[0], total=self.total + rows.count.total, first=self.first + first,
                             second=self.second + second)

    def spread(self) -> np.ndarray:
        """(n,) the deviation of every column."""
        return moments.standardisation(self.center, self.first, self.second, self.total, self.fit_intercept)[1]

    def penalty(self) -> np.ndarray:
        """(k,) the diagonal of the penalty in the quadratic that the next step adds."""
        return np.resize(np.append(np.maximum(self.l2, WEAKEST * self.spread() ** 2), WEAKEST), self.theta.size)

    def problem(self, rows: Dataset) -> Problem:
        """The loss of a batch and the quadratic for all that came before it; the moments of the batch are in the memory."""
        penalty = np.diag(self.penalty()) if self.curvature.ndim == 2 else self.penalty()
        problem = Problem(rows, of_classes(rows.classes.size), Quadratic(self.theta, self.curvature + penalty),
                          Coordinates(self.center, self.spread()), "sum", self.fit_intercept, examples=self.total)
        problem.diagonal = problem.penalty_diagonal + problem.loss.largest_curvature * rows.count.total
        return problem


@np.errstate(all="ignore")
def memory_of_fit(training: Training, theta: np.ndarray) -> Memory | None:
    """What the rows of a training would have left as the first batch; None where there are too many features to keep it.

    Many rows have their Hessian estimated from some, spread evenly over them.  The penalty of a first batch, where it is stronger
    than that of the training, moves theta (k,), where the training has led, by one Newton step.
    """
    if training.data.shape[1] * (training.data.classes.size - 1) > MOST_FEATURES_OF_FIT:
        return None
    kernel = backends.load("numpy")
    l2, fit_intercept = training.objective_options["l2"], training.objective_options["fit_intercept"]
    whole = training.data
    some, = whole.samples([min(_ROWS_OF_FIT, whole.count.rows)])
    weight = some.sample_weight if some.sample_weight.size else np.ones(some.y.size)
    some = some.with_weights(weight * (whole.count.total / weight.sum()))
    some = some.with_backend(kernel, 1)
    memory = Memory.before(some, l2, fit_intercept).with_moments(some)
    problem = memory.problem(some)
    u, scales = problem.coordinates.u_of(theta), problem.of_all_rows(problem.coordinates.scales)
    of_training = problem.of_all_rows(Ridge(l2).diagonal(np.ones(problem.shape[-1])))
    pull = scales ** 2 * (memory.penalty() - of_training) * u
    u = u - np.linalg.solve(problem.hessian(u), pull)
    return memory._replace(rows=whole.shape[0], theta=u * scales, curvature=_told(problem, u, is_full=True))


def _told(problem: Problem, u: np.ndarray, is_full: bool) -> np.ndarray:
    """What a batch tells of theta, as `Memory` has it: the second derivatives of its loss at u, or their diagonal."""
    coordinates = problem.coordinates
    if not is_full:
        _, diagonal = problem.loss.hessian_product(problem.data, coordinates.theta_of(u).reshape(problem.shape))
        return problem.to_cost * diagonal(coordinates.center).ravel()
    centered = Coordinates(coordinates.center, np.ones_like(coordinates.spread))
    return problem.in_coordinates(centered).loss_hessian(u * problem.of_all_rows(coordinates.scales))


class Learned(NamedTuple):
    """What `learn` returns."""

    memory: Memory
    model: Model                # of all batches; what else it says, cost and history and all, is about this batch's step
    warning: Warning | None


@np.errstate(all="ignore")                  # what is not finite is found at the end
def learn(memory: Memory | None, data: InMemory, *, l2: float, fit_intercept: bool, tol: float, max_iter: int, backend: str,
          n_threads: int | None) -> Learned:
    """Learn from one more batch.

    Parameters
    ----------
    memory : Memory or None
        What the batches before have left; None for the first.
    data : InMemory
        The batch, in which a class may be missing; without an offset.
    l2, fit_intercept
        For the first batch; afterwards they are in the memory.
    tol : float
        How far to go: a bound on the gradient in standardised coordinates, on the mean scale of all rows so far.
    max_iter : int
        The most updates.
    backend, n_threads
        As for `train`.

    Raises
    ------
    ValueError
        X and weights are too large for float64.
    """
    began, compiled = time.perf_counter(), stopwatch.seconds()
    backend = choice.choose(backend, data.X, _STEPS, kernels(is_small=True))
    kernel = backends.load(backend)
    if memory is not None:
        fit_intercept = memory.fit_intercept
    with backends.threads(kernel, n_threads, data.size) as count:
        data = data.with_backend(kernel, count)
        if memory is None:
            memory = Memory.before(data, l2, fit_intercept)
        memory = memory.with_moments(data)
        problem, is_full = memory.problem(data), memory.curvature.ndim == 2
        scales = problem.of_all_rows(problem.coordinates.scales)
        recorder, start = Recorder(began), memory.theta / scales
        for point in iterates(problem, start, InverseHessian(problem, DUE if is_full else DIAGONAL), tol,
                              problem.costs.steps_a_hessian if is_full else math.inf):
            recorder.add(point.before)
            if point.grad_norm <= tol or recorder.n_iter == max_iter:
                break
        told = _told(problem, point.u, is_full)
    w, b = weights_and_intercept(problem.coordinates.theta_of(point.u).reshape(problem.shape))
    memory = memory._replace(theta=point.u * scales, curvature=memory.curvature + told)
    if not all(np.isfinite(part).all() for part in (memory.second, memory.theta, memory.curvature)):
        raise ValueError("this batch leads to numbers too large for float64; scale the features or the weights")

    converged, warning = point.grad_norm <= tol, None
    if converged:
        reason = f"the gradient is at most tol={tol:g}"
    elif recorder.n_iter < max_iter:
        reason = "no step lowers J any more: what is left of the gradient is rounding"
    else:
        reason = f"max_iter={max_iter} updates were made"
        if tol > 0.0:
            warning = ConvergenceWarning(f"after {max_iter} updates on this batch the gradient is {point.grad_norm:.3g}, above "
                                         f"tol={tol:g}.  Raise max_iter or set a larger tol")
    history, compile_time = recorder.history(point.cost, point.grad_norm), stopwatch.seconds() - compiled
    model = Model(w=w, b=b, classes=data.classes.copy(), cost=point.cost,
                  costs=history.cost[:-1], history=history, n_iter=recorder.n_iter, converged=converged, stop_reason=reason,
                  grad_norm=point.grad_norm, gap=point.gap, gap_kind="estimate",
                  solver="newton" if is_full else "lbfgs", backend=backend, n_threads=count,
                  elapsed=time.perf_counter() - began - compile_time, compile_time=compile_time,
                  feature_names=data.feature_names, has_offset=False)
    return Learned(memory, model, warning)

