"""What statistics says of a trained model: the covariance of its parameters, and likelihoods.

With N examples (the sum of the weights) and H the second derivatives of the mean loss plus penalty at the optimum, the
covariance of theta is H^-1 / N.  Without a penalty that is the inverse of the observed information; with one, the covariance of
the posterior where w is normal beforehand, with the precision N l2 on the mean scale (Laplace's approximation).
"""

import math
import time
from typing import Any, NamedTuple

import numpy as np

from fastlr import backends, solvers
from fastlr.data.arrays import Data
from fastlr.machine import blas
from fastlr.problem.certificate import self_concordance
from fastlr.problem.objective import Objective
from fastlr.problem.standardised import MOST_SIDE, Standardised
from fastlr.solvers.separation import recession_direction

_FAR = 0.1                      # standard errors from the optimum
_SINGULAR = 1e-11               # an eigenvalue of the Hessian scaled to a diagonal of ones: a direction that J does not feel
_TOUCHES = 1e-5                 # of a unit vector: a parameter that such a direction changes
_CHANGED = 1e-6                 # of J, relative: no rounding is so large
_SEPARATED = "The classes are separated: the likelihood has no maximum, and no standard errors exist."
_MOST_NAMES = 8                 # in a note
_ROUNDING = 1e-9                # of a sum of weights, relative
_NONE_OF = "no standard errors, no likelihood, deviance, AIC, BIC or R2"


class Training(NamedTuple):
    """What a Model of `train` and its copies remember of the training, and pickles and files don't."""

    data: Data
    backend: str
    objective_options: dict[str, Any]
    n_threads: int | None
    has_class_weight: bool
    has_minimum: bool | None    # whether J has been proved to have a minimum, or to have none; None if neither


class Statistics(NamedTuple):
    """What `statistics` finds.

    Attributes
    ----------
    covariance : (n + 1, n + 1) float64
        Of w and b, b last; NaN where the data determine nothing or it would mean nothing.
    examples : float
        The sum of the weights, where these count examples; otherwise the number of rows with a weight other than 0.
    parameters : int
        How many the data determine.
    log_likelihood, null_log_likelihood : float
        Natural logarithms of the probability of all labels, by the model and by the best model with w = 0.  NaN where the weights
        don't count examples.
    l2 : float
        The penalty that was trained with.
    fit_intercept : bool
    notes : tuple of str
        What to know when reading the standard errors.
    """

    covariance: np.ndarray
    examples: float
    parameters: int
    log_likelihood: float
    null_log_likelihood: float
    l2: float
    fit_intercept: bool
    notes: tuple[str, ...]


def names_of(feature_names: tuple[str, ...] | None, n: int) -> tuple[str, ...]:
    """Of n features, whether they have names or not."""
    return tuple(f"x{j}" for j in range(n)) if feature_names is None else feature_names


def statistics(training: Training, names: tuple[str, ...], theta: np.ndarray, cost: float) -> Statistics:
    """The statistics at theta (n + 1,), where J was `cost`: one pass each for moments, gradient and Hessian.

    Raises
    ------
    ValueError
        There are so many features that their covariance is out of proportion; or J has another value there now: the arrays have
        been changed since.
    """
    data, options = training.data, training.objective_options
    n = data.X.shape[1]
    if n > MOST_SIDE:
        raise ValueError(f"summary() needs the covariance of all parameters, and that of {n} features is a matrix of "
                         f"{8e-9 * n ** 2:.2g} GB; it goes as far as {MOST_SIDE} features.  Train on fewer, or without standard "
                         "errors: w, b, cost and score() are there")
    kernel = backends.load(training.backend)
    with np.errstate(all="ignore"), backends.threads(kernel, training.n_threads, data.X.size) as count:
        objective = Objective(kernel, data, **options, n_threads=count)
        problem = Standardised(objective, *objective.standardisation)
        u = problem.u_of(theta)
        now, grad = problem.cost_gradient(u)
        if not abs(now - cost) <= _CHANGED * abs(cost) + problem.rounding(u, cost):
            raise ValueError(f"the data have changed since training: J was {cost:.10g}, and now it is {now:.10g}.  Train again, "
                             "or call summary() before changing X, y, sample_weight or offset")
        finer = problem.where_curvature_fits(u)
        if finer is not problem:
            problem, u = finer, finer.from_other(problem, u)
            _, grad = problem.cost_gradient(u)
        why_not = _why_weights_count_nothing(training, objective)
        examples = objective.examples if why_not is None else float(objective.rows_that_count)
        covariance, parameters, notes = _covariance(training, names, problem, u, grad, examples)
        if why_not is None:
            penalty = 0.5 * options["l2"] * float(theta[:-1] @ theta[:-1])
            log_likelihood = -examples * objective.rule.to_mean * (now - penalty)
            null_log_likelihood = _null_log_likelihood(objective, theta[-1])
            is_weighted = training.data.sample_weight.size > 0 or examples != objective.rows_that_count
            if is_weighted and not np.isnan(covariance).all():
                notes.append(f"sample_weight counts examples: standard errors are those of {examples:.12g} examples.")
        else:
            covariance[:] = log_likelihood = null_log_likelihood = math.nan
            notes.append(why_not)
        return Statistics(covariance, examples, parameters, log_likelihood, null_log_likelihood, options["l2"],
                          options["fit_intercept"], tuple(notes))


def _why_weights_count_nothing(training: Training, objective: Objective) -> str | None:
    """Why the weighted likelihood is not that of any data; None where each weight says how often its row counts as an example.

    A row that counts is one example at least, so that counts add up to no less than the number of these rows.
    """
    if training.has_class_weight:
        return f"With class_weight the likelihood is not that of the data: {_NONE_OF}."
    total, rows = objective.examples, objective.rows_that_count
    if total < (1.0 - _ROUNDING) * rows:
        return (f"sample_weight adds up to {total:.6g} over {rows} rows, so it doesn't count examples: {_NONE_OF}.  If each row "
                f"is one example on average, multiply it by {rows / total:.6g}.")
    return None


def _covariance(training: Training, names: tuple[str, ...], problem: Standardised, u: np.ndarray, grad: np.ndarray,
                examples: float) -> tuple[np.ndarray, int, list[str]]:
    """The covariance of theta, how many parameters are determined, and what to say about both."""
    size = u.size
    free = size if training.objective_options["fit_intercept"] else size - 1
    unknown = np.full((size, size), np.nan)
    if training.has_minimum is False:
        return unknown, free, [_SEPARATED]
    l2, to_examples = training.objective_options["l2"], problem.objective.rule.to_mean * examples
    H = problem.hessian(u)[:free, :free] * to_examples
    scale = np.sqrt(np.where(H.diagonal() > 0.0, H.diagonal(), 1.0))
    inverse, flat = _inverse(H / np.outer(scale, scale))
    inverse /= np.outer(scale, scale)
    g = grad[:free] * to_examples
    distance = math.sqrt(max(float(g @ inverse @ g), 0.0))
    parameters = free - flat.shape[1]
    if not (training.has_minimum or problem.is_penalised):
        gap = 0.5 * distance ** 2 / to_examples
        is_proved = self_concordance(problem, problem.objective, u, grad, gap).has_minimum
        if not is_proved and recession_direction(problem, u, grad, -grad / problem.diagonal) is not None:
            return unknown, free, [_SEPARATED]
    if not distance <= _FAR:
        return unknown, parameters, [f"The parameters are {distance:.2g} standard errors from the optimum: standard errors would "
                                     "mean nothing.  Train without a learning rate, or with more updates."]
    to_theta = np.array([problem.parameters(each) for each in np.eye(size)[:free]]).T
    touched = _touched(to_theta, flat / scale[:, None])
    covariance = to_theta @ inverse @ to_theta.T
    covariance[touched] = covariance[:, touched] = np.nan
    notes = []
    if touched.any():
        undetermined = np.array([*names, "(intercept)"])[touched]
        others = undetermined.size - _MOST_NAMES
        listed = ", ".join(undetermined[:_MOST_NAMES]) + (f" and {others} more" if others > 0 else "")
        notes.append(f"Collinear, so that the data leave them open and they have no standard errors: {listed}.")
    if l2 > 0.0:
        notes.append(f"l2 = {l2:g} shrinks the estimates: std. error and interval are those of the posterior under the normal "
                     "prior that it stands for; z and p would test nothing.")
    return covariance, parameters, notes


def _inverse(R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of R with a diagonal of ones, but for the directions where it is flat; these, (size, k), orthonormal."""
    try:
        P = blas.inverse_factor(R)
        inverse = P.T @ P
        if inverse.diagonal().max() < 0.1 / _SINGULAR:
            return inverse, np.empty((len(R), 0))
    except np.linalg.LinAlgError:
        pass
    eigenvalues, V = np.linalg.eigh(R)
    curved = eigenvalues > _SINGULAR
    return (V[:, curved] / eigenvalues[curved]) @ V[:, curved].T, V[:, ~curved]


def _touched(to_theta: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Which of theta's components the flat directions change, beyond rounding."""
    if flat.shape[1] == 0:
        return np.zeros(len(to_theta), bool)
    flat = flat / np.linalg.norm(flat, axis=0)
    moved = np.linalg.norm(to_theta @ flat, axis=1)
    return moved > _TOUCHES * np.linalg.norm(to_theta, axis=1)


def _null_log_likelihood(objective: Objective, b: float) -> float:
    """Of the best model with w = 0; of the b that there is, where it is not fitted."""
    null = objective.of_null_model()
    start = np.array([0.0, 0.0 if objective.rule.intercept else b])
    result = solvers.load("newton").solve(null, start, solvers.Options(None, None, 1e-10, None, time.perf_counter()))
    return -objective.examples * objective.rule.to_mean * float(result.history.cost[-1])
