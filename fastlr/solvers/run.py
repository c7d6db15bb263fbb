"""The loop around every solver but gradient descent: it follows the iterates, stops, proves what it can, and makes the Result."""

from collections.abc import Callable, Iterator

import numpy as np

from fastlr.problem.better_coordinates import where_curvature_fits
from fastlr.problem.problem import Problem
from fastlr.solvers import Ending, Options, Result, refuse_infinite_start
from fastlr.solvers.quasi_newton import Iterate, Target
from fastlr.solvers.recorder import Recorder
from fastlr.solvers.separation import is_without_error
from fastlr.solvers.verdict import Verdict

Descend = Callable[[Problem, np.ndarray, Target, Options], Iterator[Iterate]]
"""(problem, u, target, options) -> the iterates from u on."""

# Rounds of going closer to the optimum, at most, because too little is proved where the gradient is small.
_MOST_ROUNDS = 12
# Updates after which the coordinates are judged anew; twice as many each time.
_SLOW = 200
# Rounds that continue the descent; later rounds start a new one.
_SAME_DESCENT = 2


def run(problem: Problem, points: Iterator[Iterate], target: Target, options: Options, descend: Descend) -> Result:
    """Follow the iterates until the gradient is at most `tol` and J is proved to be near its minimum, or something else ends it.

    The points are the start, then one after each update, or after several; they end where J can't be lowered any more.  `descend`
    goes on from a point whose gradient is small while J may not be.
    """
    tol, recorder, given = options.tol, Recorder(options), problem
    point = next(points)
    refuse_infinite_start(point.cost)
    recorder.add(point.before)

    verdict: Verdict | None = None          # about the point, if tol asks for one
    patience = _SLOW                        # the updates at which to stop and look
    rounds, is_asked = 0, False             # whether it has been asked if the classes are separated
    while rounds < _MOST_ROUNDS:
        before = recorder.n_iter
        point, ending = _follow(problem, point, points, target, options, patience, recorder)
        if tol == 0.0:
            break
        is_going = rounds < _SAME_DESCENT and ending is Ending.AT_REST
        verdict = Verdict(problem, point.u, point.cost, point.grad, point.gap, tol, recorder.n_iter, is_going)
        if ending is Ending.WITHOUT_ERROR:
            verdict.is_separated_along(point.u)
        if verdict.is_optimum and not is_asked:
            verdict.look_for_separation(point.p)
        if verdict.is_optimum or ending not in (Ending.AT_REST, Ending.EXHAUSTED, Ending.SLOW):
            break
        finer = problem if is_going and (verdict.kind == "bound" or verdict.waits) else where_curvature_fits(problem, point.u)
        is_anew = rounds >= _SAME_DESCENT or ending is Ending.EXHAUSTED or finer is not problem
        if (is_anew or ending is Ending.SLOW) and not is_asked:
            verdict.look_for_separation(point.p)
            is_asked = True
        is_stuck = ending is Ending.EXHAUSTED and rounds > 0 and recorder.n_iter == before and finer is problem
        if verdict.way is not None or is_stuck:
            break
        if ending is Ending.SLOW:
            patience *= 2
        else:
            target.grad_norm, rounds = verdict.closer * point.grad_norm, rounds + 1
        if is_anew:
            u, left = finer.coordinates.from_other(problem.coordinates, point.u), options.most_updates - recorder.n_iter
            problem, points = finer, descend(finer, u, target, options._replace(max_iter=left))
            point = next(points)
            recorder.add(point.before)
    theta = problem.coordinates.parameters(point.u)
    if verdict is not None and not (verdict.is_optimum or is_asked or ending is Ending.CALLBACK):
        verdict.look_for_separation(point.p)
    reason = ending.told(options)
    solver = "lbfgs" if point.inverse_hessian.is_diagonal else "newton"
    if verdict is None:
        history = recorder.history(point.cost, problem.bounded_by_tol(point.grad))
        return Result(theta.reshape(problem.shape), history, False, reason, solver, gap=point.gap, gap_kind="estimate")
    return verdict.result(given, theta, recorder, solver, reason, ending.advice)


def _follow(problem: Problem, point: Iterate, points: Iterator[Iterate], target: Target, options: Options,
            patience: int, recorder: Recorder) -> tuple[Iterate, Ending]:
    """The point where the gradient is small, by the target and by tol; or where something else ends the descent.

    Among that is the patience, a number of updates in all, unless tol is 0.
    """
    while True:
        bounded = problem.bounded_by_tol(point.grad)
        recorder.show(point.cost, bounded)
        if is_without_error(problem, point.cost, point.u):
            return point, Ending.WITHOUT_ERROR
        if bounded <= options.tol and point.grad_norm <= target.grad_norm:
            return point, Ending.AT_REST
        if recorder.n_iter >= options.most_updates:
            return point, Ending.MAX_ITER
        if recorder.n_iter >= patience and options.tol > 0.0:
            return point, Ending.SLOW
        following = next(points, None)
        if following is None:
            return point, Ending.EXHAUSTED
        point = following
        recorder.add(point.before)
        if len(point.before) and recorder.ask(problem, point.u):
            return point, Ending.CALLBACK
