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

A batch of few rows is solved by as many unknowns as it has rows, see `fastlr.sklearn.short_batches`.  The penalty of such batches
is one that was up to date when the inverse of H + penalty was made, and is made anew where it has changed by a factor of 2.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import numpy as np

from fastlr import backends
from fastlr._train import model_of
from fastlr.backends import choice, logistic, numpy_vectorized
from fastlr.backends.engine import DIAGONAL, DUE
from fastlr.data import passes
from fastlr.data.dataset import Dataset, InMemory
from fastlr.data.moments import Columns
from fastlr.inference.statistics import Training
from fastlr.machine import stopwatch
from fastlr.machine.blas import product
from fastlr.machine.warnings import ConvergenceWarning
from fastlr.model.model import Model
from fastlr.problem.coordinates import Coordinates
from fastlr.problem.loss import of_classes
from fastlr.problem.penalty import Quadratic, Ridge
from fastlr.problem.problem import Problem
from fastlr.sklearn.short_batches import Inverse, Point, points
from fastlr.solvers import Ending, Options, Result
from fastlr.solvers.quasi_newton import InverseHessian, Target, iterates, kernels
from fastlr.solvers.recorder import Recorder

WEAKEST = 0.01                  # The curvature that the penalty has at least: that of a 25th of an example of probability 1/2.
MOST_FEATURES = 1000            # The most features of a whole H: it and its inverse take 8 MB each, a step tenths of a second.
MOST_FEATURES_OF_FIT = 64       # The most features, times K - 1, of which `fit` leaves a memory: 34 kB, under a millisecond.
MOST_FEATURES_SOLVED_FOR = 32   # The most features for which each batch solves for all of them.
_ROWS_APART = 4                 # Batches of up to n / 4 rows are short, and so many rows stay apart in an `Inverse`.
_ROWS_OF_FIT = 2048             # The most rows that the Hessian of that memory is made from.
_TOO_LARGE = "this batch leads to numbers too large for float64; scale the features or the weights"
_STEPS = 10                     # The number of steps on a batch, roughly, that a backend is chosen by.


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
    inverse: Inverse | None = None      # of H and a penalty, after batches of few rows; H has to get the rows that this has since

    @classmethod
    def begun(cls, rows: Dataset, l2: float, fit_intercept: bool) -> Self:
        """Begin with the moments of the first batch; what it tells of theta comes later."""
        problem, n, total = Problem.of_theta(rows, 0.0, "sum", fit_intercept), rows.shape[1], rows.count.total
        k, is_full = problem.size, n <= MOST_FEATURES and problem.costs.is_whole
        return cls(l2, fit_intercept, rows.shape[0], total, problem.columns.center, np.zeros(n),
                   total * problem.columns.deviation ** 2, np.zeros(k), np.zeros((k, k) if is_full else k))

    def with_moments(self, rows: Dataset) -> Self:
        """Add the moments of one more batch; what it tells of theta comes later."""
        first, second = rows.reduce(passes.moments, self.center)
        return self._replace(rows=self.rows + rows.shape[0], total=self.total + rows.count.total, first=self.first + first,
                             second=self.second + second)

    def spread(self) -> np.ndarray:
        """The deviation of every column in all rows so far, (n,)."""
        return Columns.of(self.center, self.first, self.second, self.total, self.fit_intercept).spread

    def penalty(self) -> np.ndarray:
        """The diagonal of the penalty in the quadratic that the next step adds, (k,)."""
        return np.resize(np.append(np.maximum(self.l2, WEAKEST * self.spread() ** 2), WEAKEST), self.theta.size)

    def settled(self) -> Self:
        """Put rows that were kept apart into H."""
        if self.inverse is None or not len(self.inverse.told):
            return self
        told = self.inverse.told
        return self._replace(curvature=self.curvature + product(told.T, told), inverse=self.inverse.settled())

    def with_inverse(self) -> Self:
        """Make the inverse anew, unless the penalty in it is within a factor of 2 of `penalty`."""
        penalty = self.penalty()
        if self.inverse is not None and np.abs(np.log2(penalty / self.inverse.diagonal)).max() <= 1.0:
            return self
        made = Inverse.of(self.curvature, penalty)
        if self.inverse is not None and len(self.inverse.told):
            made = made.with_rows(self.inverse.told, made.times(self.inverse.told))
        return self._replace(inverse=made)

    def problem(self, rows: Dataset) -> Problem:
        """The loss of a batch and the quadratic for all that came before it; the moments of the batch are in the memory."""
        penalty = np.diag(self.penalty()) if self.curvature.ndim == 2 else self.penalty()
        problem = Problem(rows, of_classes(rows.classes.size), Quadratic(self.theta, self.curvature + penalty),
                          Coordinates(self.center, self.spread()), "sum", self.fit_intercept, examples=self.total)
        problem.diagonal = problem.penalty_diagonal + problem.loss.largest_curvature * rows.count.total
        return problem


@np.errstate(all="ignore")
def memory_of_fit(training: Training, theta: np.ndarray) -> Memory | None:
    """Make the memory that the rows of a training would have left as the first batch.

    It is None where there are too many features to keep it, or l1.

    Many rows have their Hessian estimated from some, spread evenly over them.  The penalty of a first batch, where it is stronger
    than that of the training, moves theta (k,), where the training has led, by one Newton step.
    """
    has_l1, free = training.objective_options["l1"] > 0.0, training.data.shape[1] * (training.data.classes.size - 1)
    if has_l1 or free > MOST_FEATURES_OF_FIT:
        return None
    l2, fit_intercept = training.objective_options["l2"], training.objective_options["fit_intercept"]
    whole = training.data
    some, = whole.samples([min(_ROWS_OF_FIT, whole.count.rows)])
    some, total = some.with_backend(numpy_vectorized, 1), whole.count.total
    if some.count.total != total:               # they stand for all
        some = some.with_weights(some.weights * (total / some.count.total))
    memory = Memory.begun(some, l2, fit_intercept)
    problem = memory.problem(some)
    u, scales = problem.coordinates.u_of(theta), problem.of_all_rows(problem.coordinates.scales)
    of_training = problem.of_all_rows(Ridge(l2).diagonal(np.ones(problem.shape[-1])))
    pull = scales ** 2 * (memory.penalty() - of_training) * u
    u = u - np.linalg.solve(problem.hessian(u), pull)
    return memory._replace(rows=whole.shape[0], theta=u * scales, curvature=_told(problem, u, is_full=True))


def _told(problem: Problem, u: np.ndarray, is_full: bool) -> np.ndarray:
    """The second derivatives of a batch's loss at u by theta, or their diagonal: what `Memory` keeps of the batch."""
    coordinates = problem.coordinates
    if not is_full:
        _, diagonal = problem.loss.hessian_product(problem.data, coordinates.theta_of(u).reshape(problem.shape))
        return problem.to_cost * diagonal(coordinates.center).ravel()
    H, scales = problem.loss_hessian(u), problem.of_all_rows(coordinates.scales)
    H /= scales
    H /= scales[:, None]
    return H


_Step = tuple[Iterator[Point], Callable[[Point], Memory]]        # the points of a batch, and the memory after it at one of them


def _of_many_rows(memory: Memory, rows: InMemory, tol: float) -> _Step:
    """A step by the problem of all features, by Newton's method, or by L-BFGS where only a diagonal is kept."""
    memory = memory.settled()._replace(inverse=None)
    problem, is_full = memory.problem(rows), memory.curvature.ndim == 2
    scales = problem.of_all_rows(problem.coordinates.scales)
    found = iterates(problem, memory.theta / scales, InverseHessian(problem, DUE if is_full else DIAGONAL), Target(tol),
                     problem.costs.steps_a_hessian if is_full else math.inf)

    def after(point: Point) -> Memory:
        return memory._replace(theta=point.theta, curvature=memory.curvature + _told(problem, point.theta / scales, is_full))

    return (Point(at.u * scales, at.cost, at.gap, at.grad_norm, np.asarray(at.before)) for at in found), after


def _of_few_rows(memory: Memory, rows: InMemory, tol: float) -> _Step:
    """A step by as many unknowns as the batch has rows."""
    if memory.inverse is not None and len(memory.inverse.told) > rows.shape[1] // _ROWS_APART:
        memory = memory.settled()
    try:
        memory = memory.with_inverse()
    except np.linalg.LinAlgError:
        raise ValueError(_TOO_LARGE) from None
    inverse = memory.inverse
    assert inverse is not None
    V = np.column_stack([rows.dense(slice(None)) - memory.center, np.full(rows.y.size, float(memory.fit_intercept))])
    s, inverse_times_V = rows.weights, inverse.times(V)

    def after(point: Point) -> Memory:
        root = np.sqrt(s * logistic.curvature(np.vecdot(V, point.theta)))[:, None]
        return memory._replace(theta=point.theta, inverse=inverse.with_rows(root * V, root * inverse_times_V))

    unit = np.append(1.0 / memory.spread(), 1.0) / memory.total
    return points(V, rows.y, s, memory.theta, inverse_times_V, unit), after


@np.errstate(all="ignore")                  # what is not finite is found at the end
def learn(memory: Memory | None, data: InMemory, *, l2: float, fit_intercept: bool, tol: float, max_iter: int, backend: str,
          n_threads: int | None) -> tuple[Memory, Model, Warning | None]:
    """Learn from one more batch, without an offset, in which a class may be missing.

    The memory is what the batches before have left, None for the first.  l2 and fit_intercept are for the first batch; afterwards
    they are in the memory.  `tol` bounds the gradient in standardized coordinates, on the mean scale of all rows so far.

    Returns
    -------
    The memory with this batch; the Model of all batches, whose cost, history and so on are about this one; and a warning, if any.
    """
    began, compiled = time.perf_counter(), stopwatch.seconds()
    backend = choice.choose(backend, data.X, _STEPS, of_classes(data.classes.size).kernels(kernels(is_driven=True, n_threads=1)))
    kernel = backends.load(backend)
    if memory is not None:
        fit_intercept = memory.fit_intercept
    with backends.threads(kernel, n_threads, data.size) as count:
        data = data.with_backend(kernel, count)
        memory = Memory.begun(data, l2, fit_intercept) if memory is None else memory.with_moments(data)
        n, is_full, loss = data.shape[1], memory.curvature.ndim == 2, of_classes(data.classes.size)
        is_short = is_full and loss.n_margins == 1 and n > MOST_FEATURES_SOLVED_FOR and data.shape[0] <= n // _ROWS_APART
        found, after = (_of_few_rows if is_short else _of_many_rows)(memory, data, tol)
        options = Options(None, max_iter, tol, None, began)
        recorder = Recorder(options)
        for point in found:
            recorder.add(point.before)
            if point.grad_norm <= tol or recorder.n_iter == max_iter:
                break
        memory = after(point)
    theta = Coordinates(memory.center, np.ones(n)).theta_of(point.theta).reshape(loss.shape(n + 1))
    if not all(np.isfinite(part).all() for part in (memory.second, memory.theta, memory.curvature)):
        raise ValueError(_TOO_LARGE)

    ending = Ending.AT_REST if point.grad_norm <= tol else recorder.ending
    warning = None
    if ending is Ending.MAX_ITER and tol > 0.0:
        warning = ConvergenceWarning(f"after {max_iter} updates on this batch the gradient is {point.grad_norm:.3g}, above "
                                     f"tol={tol:g}.  Raise max_iter or set a larger tol")
    history, solver = recorder.history(point.cost, point.grad_norm), "newton" if is_full else "lbfgs"
    result = Result(theta, history, ending is Ending.AT_REST, ending.told(options), solver, point.grad_norm, point.gap,
                    "estimate", warning)
    training = Training(data, backend, {}, n_threads, False, None)
    return memory, model_of(result, training, count, began, compiled), warning
