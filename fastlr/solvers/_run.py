"""From a sequence of iterates to a Result: when to stop, and what to say about it."""

import math
from collections.abc import Iterator

import numpy as np

from fastlr._history import Recorder
from fastlr._standardised import Standardised
from fastlr._warnings import ConvergenceWarning, SeparationWarning
from fastlr.solvers import Options, Result, State
from fastlr.solvers._quasi_newton import Iterate
from fastlr.solvers._separation import is_without_error, way_without_end

_NEARLY = 100.0                 # times tol: from there on only what never comes to rest goes far


def run(problem: Standardised, points: Iterator[Iterate], options: Options) -> Result:
    """Follow the iterates until the gradient is at most `tol`, or something else ends it.

    Parameters
    ----------
    problem : Standardised
    points : iterator of Iterate
        The start, then one after each update, or after several; it ends where J can't be lowered any more.
    options : Options
    """
    max_iter = options.most_updates
    recorder = Recorder(options.start)
    point = next(points)
    if not math.isfinite(point.cost):
        raise ValueError(f"J is {point.cost} at the start: init and X together are too large for float64")

    recorder.add(point.before)
    landmark = point                        # the last point where the gradient is far from small enough
    advice = "set a larger tol"
    while True:
        if options.progress is not None:
            options.progress.show(recorder.n_iter, point.cost, point.grad_norm)
        if point.grad_norm <= options.tol and options.tol > 0.0:
            reason = f"the gradient is at most tol={options.tol:g}"
            break
        if is_without_error(problem, point):
            reason = "every example is on its right side"
            break
        if recorder.n_iter == max_iter:
            reason, advice = f"max_iter={max_iter} updates were made", "raise max_iter or set a larger tol"
            break
        following = next(points, None)
        if following is None:
            reason = "no step lowers J any more: what is left of the gradient is rounding"
            break
        point = following
        recorder.add(point.before)
        if point.grad_norm > _NEARLY * options.tol:
            landmark = point
        if options.callback is not None and len(point.before) and options.callback(_state(problem, point, recorder)):
            reason, advice = "the callback asked to stop", ""
            break

    theta = problem.theta_of(point.u)
    way = way_without_end(problem, landmark, point)
    converged = point.grad_norm <= options.tol and options.tol > 0.0 and way is None
    warning: ConvergenceWarning | None = None
    if way is not None:
        column = problem.objective.column(int(np.argmax(np.abs(way[:-1]))))
        reason = "the classes are separated: J has no minimum"
        warning = SeparationWarning(
            "some direction of the features tells the classes apart, so that J falls for ever as w grows along it, and has no "
            f"minimum; w after {recorder.n_iter} updates is returned (J = {point.cost:.3g}).  Set l2 > 0 (1/m is a mild one), or "
            f"drop the features that give the classes away; in units of its deviation {column} counts "
            "most in that direction")
    elif options.tol > 0.0 and not converged and advice:
        warning = ConvergenceWarning(
            f"training did not converge: after {recorder.n_iter} updates the gradient is {point.grad_norm:.3g}, above "
            f"tol={options.tol:g}, at J = {point.cost:.6g}, and {reason}.  To go on, {advice}")
    grad_norm = point.grad_norm if options.tol > 0.0 else math.nan
    method = "lbfgs" if point.metric is not None and point.metric.is_diagonal else "newton"
    return Result(theta, recorder.history(point.cost, point.grad_norm), converged, reason, grad_norm, point.gap, method, warning)


def _state(problem: Standardised, point: Iterate, recorder: Recorder) -> State:
    theta = problem.theta_of(point.u)
    return State(recorder.n_iter, float(point.before[-1][0]), theta[:-1], float(theta[-1]), recorder.elapsed())
