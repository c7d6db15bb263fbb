"""Which proof of how far J is above its minimum is worth its time: by the penalty, or by the curvature of a sample or all rows.

Let g be the gradient of J at a point, and A any set of rows.  The loss is convex, so J is nowhere below the function that keeps
the losses of A and replaces every other loss by its tangent at the point.  That function has the same value and the same gradient
there, and its Hessian H_A can be cheaper to compute.  So what bounds the fall of that function, see `self_concordance` and
`penalty_bounds`, bounds that of J.
"""

import math

import numpy as np

from fastlr.problem.cost_model import PASS_OVER_FEW_ROWS
from fastlr.problem.penalty_bounds import FEWEST_ROWS, at_best_intercepts, by_penalty_alone, strong_convexity
from fastlr.problem.problem import Problem
from fastlr.problem.self_concordance import NOTHING, Certificate, provable, self_concordance

_ROOM = 4.0                     # times the rows that a proof is expected to need, which a sample has
_WORTH_A_SAMPLE = 0.5           # of the time that a Hessian of all rows takes, the most that one of a sample may take
_ROWS_A_FEATURE = 4             # rows of a sample, for each feature
_TINY = float(np.finfo(float).tiny)


def certificate(problem: Problem, u: np.ndarray, grad: np.ndarray, gap: float, enough: float, budget: float) -> Certificate:
    """A bound on J - J* at u that is small enough; or else the best that can be had at this price.

    As many rows are taken as it is expected to need.  All of them are where fewer prove too little, or hardly save time.

    Parameters
    ----------
    problem : Problem
    u, grad : (n + 1,)
        The point, and the gradient of J by u there.
    gap : float
        What J - J* is expected to be.
    enough : float
        A bound that is small enough: a better one is not worth its time.
    budget : float
        Nanoseconds that it may take, by the cost model of the problem.  A Hessian may take longer where nothing else proves that
        J has a minimum.
    """
    whole, best, share = problem.costs.whole_hessian(), NOTHING, _share_of_sample(problem, gap, enough)
    if (whole if share >= 1.0 or problem.data.is_sparse else problem.costs.whole_hessian(share)) > PASS_OVER_FEW_ROWS:
        best = by_penalty_alone(problem, u, grad, enough)
        if best.gap <= enough:
            return best
    # Few rows of a sparse X have nothing in some columns, and prove nothing; and all rows take little longer.
    worth = 0.0 if problem.data.is_sparse else _WORTH_A_SAMPLE * whole
    if share <= _most_of_sample(problem, worth if whole <= budget else budget):
        sample, = problem.data.samples([math.ceil(share * problem.data.count.rows)])
        best = min(best, self_concordance(problem, problem.part(sample), u, grad, gap / share))
        if best.gap <= enough:
            return best
    if whole <= budget:
        found = self_concordance(problem, problem, u, grad, gap)
        return found if found.gap <= enough else min(found, strong_convexity(problem, u, grad, enough))
    best = min(best, strong_convexity(problem, u, grad, enough))
    if best.has_minimum or problem.is_penalised or whole == math.inf:
        return best._replace(is_dear=True)
    return self_concordance(problem, problem, u, grad, gap)       # whether J has a minimum at all is worth a Hessian


def obstacle(problem: Problem, grad: np.ndarray, gap: float, enough: float, budget: float) -> tuple[float, float]:
    """Two numbers: before the first has fallen to the second, `certificate` can't be expected to prove enough."""
    whole = problem.costs.whole_hessian()
    if whole <= budget:
        return gap, provable(problem)
    if not problem.is_penalised:
        return 0.0, enough
    most = _most_of_sample(problem, budget)
    if _share_of_sample(problem, 0.0, enough) <= most:          # a step or two more cost less than the way to the best intercept
        return gap, most / _ROOM * min(enough, provable(problem))
    return at_best_intercepts(problem, grad), enough


def _share_of_sample(problem: Problem, gap: float, enough: float) -> float:
    """The share of the rows whose Hessian can be expected to prove enough; it may be more than all."""
    fewest = max(FEWEST_ROWS, _ROWS_A_FEATURE * problem.size) / problem.data.count.rows
    return max(fewest, _ROOM * gap / max(min(enough, provable(problem)), _TINY))


def _most_of_sample(problem: Problem, budget: float) -> float:
    """The largest share of the rows for whose Hessian there is time, and for whose copy there is room."""
    data, at_least = problem.data, problem.costs.whole_hessian(0.0)
    if not at_least < budget:
        return 0.0
    in_time = (budget - at_least) / max(problem.costs.whole_hessian() - at_least, _TINY)
    return min(in_time, data.most_bytes_of_samples / (data.count.rows * data.bytes_a_row))
