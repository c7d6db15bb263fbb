"""The optimum in a few reads of X: samples first, then all rows, with Hessians only where they pay.

On s rows the optimum is known up to their sampling error: J exceeds J* by about n / (2 s) there.  To get that far takes a
small part of a read of X.  From there on, a step on all rows with the Hessian of the sample shrinks the gradient by about
sqrt(n / s).  Samples grow up to a fifth of X, or 64 MB; a problem with too few rows for that is solved on all of them from
the start.
"""

import numpy as np

from fastlr._objective import Objective
from fastlr._standardised import Standardised, standardised
from fastlr.solvers import Options, Result, newton
from fastlr.solvers._quasi_newton import Metric, hessian_pays, iterates
from fastlr.solvers._run import run

_ROWS_A_FEATURE = 10            # of the first sample
_FEWEST_ROWS = 500
_GROWTH = 5                     # from sample to sample, and from the last to X
_OF_SAMPLING_ERROR = 0.6        # what is left of J when a sample has told all it knows
_STEPS_A_SAMPLE = 30            # a sample may be separable though X is not


def expected_steps(options: Options) -> int:
    """See `fastlr.solvers`."""
    return 30


def solve(objective: Objective, theta: np.ndarray, options: Options) -> Result:
    """Minimise J from theta; where theta is nothing but zeros, from the optima of samples."""
    if newton.is_wide(objective):
        return newton.solve(objective, theta, options)
    sizes = _sample_sizes(objective.rows_that_count, objective.shape[1], objective.most_rows_of_samples)
    if theta.any() or not sizes:
        problem, u = standardised(objective, theta)
        metric = Metric(problem)
    else:
        problem, u, metric = _after_samples(objective, sizes, options.tol)
    points = iterates(problem, u, metric, options.tol, problem.steps_a_hessian(), **options.how_many)
    return run(problem, points, options)


def _sample_sizes(m: int, n: int, most: int) -> list[int]:
    rows, sizes = max(_FEWEST_ROWS, _ROWS_A_FEATURE * n), []
    while rows <= min(m // _GROWTH, most):
        sizes.append(rows)
        rows *= _GROWTH
    return sizes


def _after_samples(objective: Objective, sizes: list[int], tol: float) -> tuple[Standardised, np.ndarray, Metric]:
    """The objective in coordinates in which the columns of the first sample are standardised; the optimum of the last, and the
    metric there.

    Mean and deviation of all rows are needed for the certificate alone, and come with the first evaluation.  Where a column does
    not vary in the sample, they are the coordinates.
    """
    start = objective.null_model()
    problem: Standardised | None = None
    for sample in objective.samples(sizes):
        if problem is None:
            sample.first_read(start)
            problem = Standardised(objective, *(objective if sample.has_constant_columns else sample).standardisation)
            u, metric = problem.u_of(start), Metric(problem)
        u, metric = _optimum_of(sample, problem, u, metric, tol)
    assert problem is not None
    objective.first_read(problem.theta_of(u))
    return problem.certified(), u, metric


def _optimum_of(objective: Objective, problem: Standardised, u: np.ndarray, metric: Metric,
                tol: float) -> tuple[np.ndarray, Metric]:
    """The optimum of a sample of the problem's rows, up to its sampling error, and the metric there.

    On the sample a Hessian has to save steps on the sample; at its end, steps on all rows, at the rate that the metric there has
    shown.
    """
    sample = problem.on_sample(objective)
    enough, left = _OF_SAMPLING_ERROR * sample.sampling_error(), sample.sampling_gradient()
    points = iterates(sample, u, metric, max(tol, left), sample.steps_a_hessian(), enough, _STEPS_A_SAMPLE)
    for _, point in zip(range(_STEPS_A_SAMPLE), points, strict=False):
        metric = point.metric or metric
        if point.gap <= enough:
            break
    rate = max(metric.expected_rate(sample), metric.rate(evidence=0.0))
    if hessian_pays(sample, left, rate, tol, sample.time_of_hessian() / problem.time_of_step()):
        metric = Metric.hessian(sample, point.u)
    return point.u, metric
