"""The optimum in a few reads of X: samples first, then all rows, with Hessians only where they pay.

On s rows the optimum is known up to their sampling error: J exceeds J* by about n / (2 s) there.  To get that far takes a
small part of a read of X.  From there on, a step on all rows with the Hessian of the sample shrinks the gradient by about
sqrt(n / s).  Samples grow up to a fifth of X, or 64 MB; a problem with too few rows for that is solved on all of them from
the start, and so is one that is small, where steps on all rows cost less than samples.  Where the first sample is a large part
of X, or the user knows where to start, a sample gives no more than its Hessian, once the steps turn out to need one.  Where
Hessians are too dear and steps without one are slow, conjugate gradients go on.
"""

import math
from collections.abc import Iterator

import numpy as np

from fastlr.backends import engine
from fastlr.backends.engine import DIAGONAL, DUE, Price
from fastlr.data.dataset import InMemory
from fastlr.problem.coordinates import Coordinates
from fastlr.problem.problem import Evaluation, Problem
from fastlr.solvers import Options, Result, newton, quasi_newton
from fastlr.solvers.conjugate_gradients import or_conjugate_gradients
from fastlr.solvers.quasi_newton import InverseHessian, Iterate, SampleHessian, Target, iterates
from fastlr.solvers.run import run

_ROWS_A_FEATURE = 10            # The first sample has so many rows a feature.
_FEWEST_ROWS = 500              # The first sample has at least so many rows.
_GROWTH = 5                     # A sample has so many times the rows of the one before, and X at least so many times its own.
CHEAP = 0.05                    # of the rows: solving a larger sample costs as much as the steps that it saves
_ON_THE_WAY = 2.0               # times n / s: the variance of a sample's Hessian before the optimum, for which it is soon too old
_OF_SAMPLING_ERROR = 0.6        # what is left of J when a sample has told all it knows
_STEPS_A_SAMPLE = 30            # a sample may be separable though X is not

EXPECTED_STEPS, kernels = quasi_newton.EXPECTED_STEPS, quasi_newton.kernels


def solve(problem: Problem, theta: np.ndarray | None, options: Options) -> Result:
    """Minimize J from theta, or from the null model; or, where there are many rows, from the optima of samples."""
    if newton.is_wide(problem):
        return newton.solve(problem, theta, options)
    sizes, of_sample = _sample_sizes(problem), None
    start: Evaluation | None
    if sizes and theta is None and options.may_start_elsewhere and sizes[0] <= CHEAP * problem.data.count.rows:
        problem, u, M, start = _after_samples(problem, sizes, options)
    else:
        problem, u, start = problem.start(theta)
        M = InverseHessian(problem)
        of_sample = _hessian_of_sample(problem, sizes[-1]) if sizes else None
    return solve_from(problem, u, M, options, start, of_sample)


def solve_from(problem: Problem, u: np.ndarray, M: InverseHessian, options: Options, start: Evaluation | None = None,
               of_sample: SampleHessian | None = None) -> Result:
    """Minimize J from u with an inverse Hessian to begin with; J at u may be known, and a sample may have a Hessian to give."""
    costs, target, steps = problem.costs, Target(options.target), problem.costs.steps_a_hessian
    points = iterates(problem, u, M, target, steps, sample=of_sample, start=start, **options.how_many)

    def descend(problem: Problem, u: np.ndarray, target: Target, options: Options) -> Iterator[Iterate]:
        M = InverseHessian(problem, DUE if costs.has_room_for_hessian else DIAGONAL)
        points = iterates(problem, u, M, target, steps, **options.how_many)
        return or_conjugate_gradients(problem, points, target, steps)

    return run(problem, or_conjugate_gradients(problem, points, target, steps), target, options, descend)


def _sample_sizes(problem: Problem) -> list[int]:
    data = problem.data
    rows, sizes = max(_FEWEST_ROWS, _ROWS_A_FEATURE * problem.free_features), []
    most = 0 if problem.costs.is_small else min(data.count.rows // _GROWTH, data.most_bytes_of_samples // data.bytes_a_row)
    while rows <= most:
        sizes.append(rows)
        rows *= _GROWTH
    return sizes


def _hessian_of_sample(problem: Problem, rows: int) -> SampleHessian:
    data, costs = problem.data, problem.costs
    steps = costs.hessian(rows / data.count.rows) / costs.step

    def factor(u: np.ndarray) -> np.ndarray | None:
        sample = problem.on_sample(data.samples([rows])[0])
        return quasi_newton.inverse_factor_of_hessian(sample, sample.hessian(u))

    return SampleHessian(Price(steps, math.sqrt(_ON_THE_WAY * problem.free_features / rows), steps), factor)


def _after_samples(given: Problem, sizes: list[int],
                   options: Options) -> tuple[Problem, np.ndarray, InverseHessian, Evaluation]:
    """J in coordinates in which the columns of the first sample are standardized; the optimum of the last, and the inverse
    Hessian and J there.

    Mean and deviation of all rows are needed for the certificate alone, and come with the first evaluation.  Where a column does
    not vary in the sample, they are the coordinates.
    """
    theta, samples = given.null_model(), given.data.samples(sizes)
    first = given.on_sample(samples[0])
    cost, grad = first.evaluate(theta, with_moments=True)
    problem = given.in_coordinates(Coordinates(*(given if first.columns.is_constant.any() else first).standardisation))
    u, M = problem.coordinates.u_of(theta), InverseHessian(problem)
    start: Evaluation | None = Evaluation(cost, problem.coordinates.by_u(grad))
    for sample in samples:
        u, M = _optimum_of(sample, problem, u, M, options, start)
        start = None
    at_end = problem.evaluate(u, with_moments=True)
    return problem.measured_by_all_rows(), u, M, at_end


def _optimum_of(rows: InMemory, problem: Problem, u: np.ndarray, M: InverseHessian, options: Options,
                start: Evaluation | None) -> tuple[np.ndarray, InverseHessian]:
    """The optimum of a sample of the problem's rows, up to its sampling error, and the inverse Hessian there.

    On the sample a Hessian has to save steps on the sample; at its end, steps on all rows, at the rate that the approximation
    there has shown.
    """
    sample, tol = problem.on_sample(rows), options.target
    most = min(_STEPS_A_SAMPLE, options.most_updates)
    enough, left = _OF_SAMPLING_ERROR * sample.sampling_error(), sample.sampling_gradient()
    points = iterates(sample, u, M, Target(max(tol, left)), sample.costs.steps_a_hessian, enough, most, start=start)
    for _, point in zip(range(most), points, strict=False):
        if point.gap <= enough:
            break
    rate = max(M.expected_rate(sample), engine.rate(M.arrays, evidence=0.0))
    if engine.pays(quasi_newton.price_of_hessian(sample, sample.costs.hessian() / problem.costs.step), left, rate, tol):
        M = InverseHessian.at(sample, point.u)
    return point.u, M
