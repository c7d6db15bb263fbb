"""Gradient descent: w := w - alpha dw, b := b - alpha db, over all examples in each step.

It has a loop of its own.  `run` is given the gradient where each call has led, and that would take one more in every call.
"""

import functools
import math
import time

import numpy as np

from fastlr.backends.descent import CONVERGED, DIVERGED, GOING, SUMS, Rule, descend
from fastlr.backends.ranges import pieces
from fastlr.data import passes
from fastlr.data.dataset import InMemory
from fastlr.machine.limits import SECONDS_A_CALL
from fastlr.machine.warnings import ConvergenceWarning
from fastlr.problem.penalty import Ridge
from fastlr.problem.problem import Problem
from fastlr.solvers import Ending, Options, Result, refuse_infinite_start
from fastlr.solvers.recorder import Recorder
from fastlr.solvers.verdict import Verdict

# Steps are as many as the user asks for, at most.
EXPECTED_STEPS = None
# The multiple of the first cost above which the learning rate is far too large.
_CEILING = 1e6


def kernels(is_driven: bool, n_threads: int) -> tuple[str, ...]:
    """The compiled kernels that gradient descent calls: one for many steps, or two for each."""
    return ("cost_gradient", "descend") if n_threads == 1 else ("cost_gradient", "step")


def solve(problem: Problem, theta: np.ndarray | None, options: Options) -> Result:
    """Descend from theta, or from zeros, until the gradient is at most `tol` and J is proved to be near its minimum, or for
    `max_iter` updates.

    Without a learning rate the step is 1/L, L the largest curvature J has anywhere: J never rises.  With `tol` 0 exactly
    `max_iter` updates are made, and nothing is looked at but J.
    """
    theta = np.zeros(problem.shape) if theta is None else theta.reshape(problem.shape)
    recorder = Recorder(options)
    ridge = problem.penalty.of_norm()       # which kernels know; None where the penalty is another
    rule = _rule(problem, ridge, options)
    previous = theta.copy()
    steps, status = 1, GOING
    verdict: Verdict | None = None          # once the gradient is small

    while status == GOING and not recorder.is_over:
        record = np.empty((min(steps, options.most_updates - recorder.n_iter), 2))
        call = time.perf_counter()
        updates, status = _descend(problem, ridge is not None, theta, previous, rule, record)
        if recorder.n_iter == 0:    # the first call is one step: its cost sets the ceiling for all others, its time their number
            rule = rule._replace(ceiling=_CEILING * max(record[0, 0], problem.loss.of_guessing / problem.to_mean))
        recorder.add(np.column_stack([record[:updates], np.full(updates, rule.alpha)]))
        recorder.show(*record[max(updates - 1, 0)].tolist())
        if options.callback is None:
            steps = max(1, int(len(record) * SECONDS_A_CALL / (time.perf_counter() - call)))
        if status == GOING:
            recorder.ask(problem, theta.ravel())
        if status == CONVERGED:
            verdict = _verdict(problem, theta, options.tol, recorder.n_iter)
            if not (verdict.is_optimum or verdict.way is not None):
                rule, status = rule._replace(tol=verdict.closer * verdict.grad_norm), GOING

    cost = float(record[updates, 0]) if status == DIVERGED else problem.evaluate(theta.ravel()).cost
    if not (math.isfinite(cost) and cost <= rule.ceiling):
        if recorder.n_iter == 0:
            refuse_infinite_start(cost)
        return _diverged(problem, previous, recorder, cost, rule.alpha)
    if options.tol > 0.0 and status != CONVERGED:
        verdict = _verdict(problem, theta, options.tol, recorder.n_iter)
    reason = (Ending.AT_REST if verdict is not None and verdict.is_optimum else recorder.ending).told(options)
    if verdict is None:                     # nobody has asked for the optimum
        return Result(theta, recorder.history(cost, math.nan), False, reason, "gd")
    advice = "" if recorder.is_stopped else "Raise max_iter, bring the features to one scale, or set a larger tol"
    return verdict.result(problem, theta.ravel(), recorder, "gd", reason, advice)


def _rule(problem: Problem, ridge: Ridge | None, options: Options) -> Rule:
    rule = SUMS._replace(intercept=float(problem.fit_intercept), to_mean=problem.to_mean, tol=options.tol)
    if ridge is not None:
        rule = rule._replace(scale=problem.to_cost, l2=ridge.l2)
    if options.tol > 0.0:
        center, spread = problem.standardisation
        rule = rule._replace(center=center, spread=spread)
    return rule._replace(alpha=options.learning_rate or 1.0 / max(problem.lipschitz(), np.finfo(float).tiny))


def _descend(problem: Problem, is_for_kernels: bool, theta: np.ndarray, previous: np.ndarray, rule: Rule,
             record: np.ndarray) -> tuple[int, int]:
    """At most `len(record)` steps in place, see `descent.descend`; in one call of a backend that can."""
    data, cost_gradient = problem.data, problem.loss.cost_gradient
    if is_for_kernels and cost_gradient is passes.cost_gradient and isinstance(data, InMemory):
        if hasattr(data.backend, "descend") and len(pieces(data.X)) == 1:
            updates, status = data.backend.descend(*data.prepared, theta, previous, rule, record)
            return updates, status
        return descend(functools.partial(data.backend.cost_gradient, *data.prepared), theta, previous, rule, record)

    def into(theta: np.ndarray, grad: np.ndarray) -> float:
        cost, by_theta = data.reduce(cost_gradient, theta) if is_for_kernels else problem.evaluate(theta.ravel())
        grad[:] = by_theta.reshape(grad.shape)
        return float(cost)

    return descend(into, theta, previous, rule, record)


def _verdict(problem: Problem, theta: np.ndarray, tol: float, steps: int) -> Verdict:
    """Judge theta, with the gap that a diagonal Hessian lets expect."""
    problem = problem.standardised()
    u = problem.coordinates.u_of(theta.ravel())
    cost, grad = problem.evaluate(u)
    p = -grad / problem.diagonal
    verdict = Verdict(problem, u, cost, grad, -0.5 * float(grad @ p), tol, steps)
    if not (verdict.is_optimum and verdict.has_minimum):
        verdict.look_for_separation(p)
    return verdict


def _diverged(problem: Problem, previous: np.ndarray, recorder: Recorder, cost: float, alpha: float) -> Result:
    """Return the parameters before the last update, which is the one that led to `cost`."""
    history = recorder.history(problem.evaluate(previous.ravel())[0], math.nan, n_iter=recorder.n_iter - 1)
    reason = f"diverged: J rose from {history.cost[0]:.3g} to {cost:.3g} at update {recorder.n_iter}"
    warning = ConvergenceWarning(
        f"gradient descent {reason}; the parameters before that update are returned.  The learning rate {alpha:g} is far too "
        "large for features of this scale: lower it, bring the features to one scale, or leave it out for a step that is "
        "guaranteed to descend")
    return Result(previous, history, False, reason, "gd", warning=warning)
