"""The covariance of a model's parameters, and its likelihoods.

Let N be the number of examples, which is the sum of the weights, and H the Hessian of the mean loss plus penalty at the optimum.
The covariance of theta is H^-1 / N.  Without a penalty that is the inverse of the observed information.  With one it is
Laplace's approximation of the posterior's covariance, for a normal prior of w with the precision N l2 on the mean scale.
"""

import contextlib
import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from fastlr import backends, solvers
from fastlr.data import arguments
from fastlr.data.dataset import Dataset
from fastlr.machine import blas
from fastlr.machine.wording import listed
from fastlr.problem.better_coordinates import known_constants, where_curvature_fits
from fastlr.problem.cost_model import MOST_SIDE
from fastlr.problem.problem import Problem
from fastlr.problem.self_concordance import self_concordance
from fastlr.solvers import firth
from fastlr.solvers.separation import recession_direction

# Standard errors between the model and the optimum beyond which no standard errors are shown.
_MOST_STANDARD_ERRORS_FROM_OPTIMUM = 0.1
# The eigenvalue of the Hessian, scaled to a diagonal of ones, up to which J is flat along a direction.
_FLAT_EIGENVALUE = 1e-11
# The part of a flat direction, as a share of its length, from which on it leaves a parameter open.
_TOUCHING_SHARE = 1e-5
# The relative change of J that is larger than rounding, so that the data must have been changed.
_CHANGED_J = 1e-6
_FAR = "The parameters are "
_COLLINEAR = "Collinear, so that the data do not determine them and they have no standard errors: "
_STILL_RISING = (f"{_FAR}where the likelihood still rises toward its supremum, which no parameters reach.  With two classes "
                 "summary(tests='likelihood_ratio') follows it there.")
_SEPARATED = "The classes are separated: the likelihood has no maximum, and no standard errors exist."
# The relative rounding of a sum of weights, at most.
_ROUNDING_OF_WEIGHTS = 1e-9
_PENALIZED_BY_FIRTH = ("Firth's penalty: standard errors are those by the information at these estimates; where the classes are "
                       "separated Wald's intervals are poor, and summary(tests='likelihood_ratio') has better ones.  There is no "
                       "likelihood, deviance, AIC, BIC or R2.")
_NONE_OF = "no standard errors, no likelihood, deviance, AIC, BIC or R2"


class Solved(NamedTuple):
    """A problem that was solved, in coordinates u that suit its solution."""

    problem: Problem
    u: np.ndarray               # (n + 1,) or (K (n + 1),) where the model is
    cost: float                 # J there
    grad: np.ndarray            # its gradient, in the shape of u
    cost_gradient: Callable[[np.ndarray], tuple[float, np.ndarray]]


class Training(NamedTuple):
    """What a Model and its copies remember of their training, for `summary()`; pickles and files don't."""

    data: Dataset
    backend: str
    objective_options: dict[str, Any]
    n_threads: int | None
    has_class_weight: bool
    has_minimum: bool | None    # whether J has been proved to have a minimum, or to have none; None if neither
    firth: bool = False         # whether J has Firth's penalty

    @contextlib.contextmanager
    def rows(self) -> Iterator[Dataset]:
        """The data with the backend and the threads of the training, for as long as a `with` block takes."""
        kernel, data = backends.load(self.backend), self.data
        with np.errstate(all="ignore"), backends.threads(kernel, self.n_threads, data.size) as count:
            yield data.with_backend(kernel, count)

    @property
    def left_out(self) -> np.ndarray:
        """Which columns, (n,), a penalty factor of infinity leaves out."""
        factors = self.objective_options["penalty_factors"]
        return np.zeros(self.data.shape[1], bool) if factors is None else np.isinf(factors)


class Statistics(NamedTuple):
    """The covariance and the likelihoods of a model.

    Attributes
    ----------
    covariance : (n + 1, n + 1) or (K (n + 1), K (n + 1)) float64
        The covariance of w and b, with b last.  With K classes it goes class by class, and is that of parameters that add up to 0
        over the classes.  NaN where it would mean nothing.  Where the data leave parameters open, it is a generalized inverse,
        which holds for what they determine: `is_open` tells.
    examples : float
        The sum of the weights, where these count examples; otherwise the number of rows with a weight other than 0.
    parameters : int
        The number of parameters that the data determine.
    log_likelihood, null_log_likelihood : float
        Natural logarithms of the probability of all labels, by the model and by the best model with w = 0.  NaN where the weights
        don't count examples.
    l2 : float
        The penalty that was trained with.
    fit_intercept : bool
    notes : tuple of str
        Sentences to read beside the standard errors.
    l1 : float
        The penalty l1 that was trained with.
    flat : (d, k) float64
        The directions that the data leave open, in coordinates u; orthonormal.
    to_theta : (n + 1, n + 1) float64
        The matrix that makes theta of u, class by class; empty where the data determine everything.
    """

    covariance: np.ndarray
    examples: float
    parameters: int
    log_likelihood: float
    null_log_likelihood: float
    l2: float
    fit_intercept: bool
    notes: tuple[str, ...]
    l1: float = 0.0
    flat: np.ndarray = np.empty(0)
    to_theta: np.ndarray = np.empty(0)

    def is_open(self, R: np.ndarray) -> np.ndarray:
        """Which of the combinations R theta, for rows of R (..., k), flat directions change by more than rounding."""
        if not self.flat.size:
            return np.zeros(R.shape[:-1], bool)
        by_u = (R.reshape(-1, len(self.to_theta)) @ self.to_theta).reshape(R.shape)
        return np.linalg.norm(by_u @ self.flat.T, axis=-1) > _TOUCHING_SHARE * np.linalg.norm(by_u, axis=-1)

    def of_parameters(self, V: np.ndarray) -> np.ndarray:
        """The covariance V (k, k) with NaN for parameters that the data leave open."""
        is_open = self.is_open(np.eye(len(V)))
        return np.where(is_open | is_open[:, None], np.nan, V)

    def why_open(self) -> str:
        """The one of the notes that names the parameters that the data leave open."""
        return next(note for note in self.notes if note.startswith(_COLLINEAR))

    def penalty(self, verb: str = "=") -> str:
        """The penalty in words, such as "l2 = 0.1"; empty without one."""
        return " and ".join(f"{name} {verb} {value:g}" for name, value in (("l1", self.l1), ("l2", self.l2)) if value > 0.0)


def far_from_optimum(notes: tuple[str, ...]) -> str:
    """The one of a model's notes, which files keep, that says how far it is from its optimum; empty where it is near."""
    return next((note for note in notes if note.startswith(_FAR)), "")


def place_of(argument: str, column: Any, names: tuple[str, ...]) -> int:
    """The place of a column that is given by name or place; ValueError where there is none."""
    if isinstance(column, str):
        if column in names:
            return names.index(column)
    elif (place := arguments.integer(argument, column, at_least=0)) < len(names):
        return place
    raise ValueError(f"{argument} has {column!r}, which is not a column of X; X has {len(names)} columns, and the first is "
                     f"{names[0]!r}")


def refuse_changed(name: str, before: float, now: float, rounding: float = 0.0) -> None:
    """Raise ValueError where a number of this name has changed by more than rounding, and so the data have."""
    if not abs(now - before) <= _CHANGED_J * abs(before) + rounding:
        raise ValueError(f"the data have changed since training: {name} was {before:.10g}, and now it is {now:.10g}.  Train "
                         "again, or call summary() before changing X, y, sample_weight or offset")


@contextlib.contextmanager
def solved(training: Training, theta: np.ndarray, cost: float) -> Iterator[Solved]:
    """Make the problem again that theta, (n + 1,) or (K (n + 1),), solved with J = cost, for as long as a `with` block takes.

    Raises
    ------
    ValueError
        There are too many features for a Hessian, or the arrays have been changed: J has another value at theta now.
    """
    n = training.data.shape[1]
    rows = theta.size // (n + 1)
    if rows * n > MOST_SIDE:
        of_classes = f" and {rows} classes" if rows > 1 else ""
        raise ValueError(f"standard errors and intervals need the covariance of all parameters, and that of {n} features"
                         f"{of_classes} is a matrix of {8e-9 * (rows * n) ** 2:.2g} GB; it goes as far as {MOST_SIDE // rows} "
                         "features.  Train on fewer, or without standard errors: w, b, cost and score() are there")
    own = firth.cost_gradient if training.firth else Problem.evaluate
    with training.rows() as data:
        problem = Problem.of_theta(data, **training.objective_options)
        if training.firth:
            problem = problem.standardised()
            now, grad = own(problem, problem.coordinates.u_of(theta))
        else:
            now, grad = problem.evaluate(theta, with_moments=not problem.has_quasi_newton)
            problem = problem.standardised()
            grad = problem.coordinates.by_u(grad)
        u = problem.coordinates.u_of(theta)
        refuse_changed("J", cost, now, problem.rounding(u, cost))
        finer = where_curvature_fits(problem, u)
        if finer is not problem:
            problem, u = finer, finer.coordinates.from_other(problem.coordinates, u)
            _, grad = own(problem, u)
        yield Solved(problem, u, now, grad, functools.partial(own, problem))


def statistics(training: Training, names: tuple[str, ...], theta: np.ndarray, cost: float) -> Statistics:
    """Find the statistics at theta, (n + 1,) or (K (n + 1),), where J was `cost`.

    There are two passes: one for moments and gradient, and one for the Hessian.  Errors are those of `solved`.
    """
    data, options = training.data, training.objective_options
    with solved(training, theta, cost) as (problem, u, now, grad, _):
        why_not = why_weights_count_nothing(training)
        examples = problem.examples if why_not is None else float(problem.data.count.rows)
        unknown = Statistics(np.full((u.size, u.size), np.nan), examples, 0, math.nan, math.nan, options["l2"],
                             options["fit_intercept"], (), options["l1"])
        found = (_chosen(unknown, names, theta) if options["l1"] > 0.0 else
                 _estimated(unknown, training, names, problem, u, grad))
        if training.firth:
            found = found._replace(notes=(*found.notes, _PENALIZED_BY_FIRTH))
        if why_not is not None:
            return found._replace(covariance=unknown.covariance, notes=(*found.notes, why_not))
        if training.firth:
            return found
        if (data.has_weights or examples != problem.data.count.rows) and not np.isnan(found.covariance).all():
            counted = f"sample_weight counts examples: standard errors are those of {examples:.12g} examples."
            found = found._replace(notes=(*found.notes, counted))
        penalty = problem.penalty.value(u.reshape(problem.shape), problem.coordinates.scales)
        return found._replace(log_likelihood=-examples * problem.to_mean * (now - penalty),
                              null_log_likelihood=_null_log_likelihood(problem, problem.coordinates.rows(theta)[:, -1]))


def _chosen(unknown: Statistics, names: tuple[str, ...], theta: np.ndarray) -> Statistics:
    """Count the parameters that l1 has left other than 0, and say why they have no covariance."""
    rows = theta.reshape(-1, len(names) + 1)
    chosen = np.flatnonzero(rows[:, :-1].any(axis=0))
    known = f": {listed([names[j] for j in chosen])}" if chosen.size else ""
    parameters = np.count_nonzero(rows[:, :-1]) + unknown.fit_intercept * max(1, len(rows) - 1)
    return unknown._replace(parameters=int(parameters), notes=(
        f"l1 = {unknown.l1:g} has chosen {chosen.size} of {len(names)} columns{known}.",
        "There are no standard errors: l1 has chosen the columns by these data and shrinks what it keeps, so the estimates are "
        "not normal around the truth, and many are exactly 0.  For tests, train without l1 on other rows, with only the chosen "
        "columns."))


def why_weights_count_nothing(training: Training) -> str | None:
    """Say why the weighted likelihood is not that of any data; None where each weight is a count of examples.

    A row that counts is at least one example.  So counts add up to no less than the number of rows that count.
    """
    if training.has_class_weight:
        return f"With class_weight the likelihood is not that of the data: {_NONE_OF}."
    total, rows = training.data.count.total, training.data.count.rows
    if total < (1.0 - _ROUNDING_OF_WEIGHTS) * rows:
        if training.data.example_of_rows is not None:
            return (f"The trials of y add up to {total:.6g} over {rows} rows of successes or failures, so y doesn't count "
                    f"examples: {_NONE_OF}.  Where y holds shares, pass their numbers of trials as sample_weight.")
        return (f"sample_weight adds up to {total:.6g} over {rows} rows, so it doesn't count examples: {_NONE_OF}.  If each row "
                f"is one example on average, multiply it by {rows / total:.6g}.")
    return None


def refuse_weights(training: Training, what: str) -> None:
    """Raise ValueError, with what there is not then, where the weights don't count examples."""
    why_not = why_weights_count_nothing(training)
    if why_not is not None:
        raise ValueError(f"{what}: {why_not}")


def _estimated(unknown: Statistics, training: Training, names: tuple[str, ...], problem: Problem, u: np.ndarray,
               grad: np.ndarray) -> Statistics:
    """Find the covariance of theta, the parameters that are determined, and what is open; or say why there is none."""
    side, left_out = problem.coordinates.scales.size, list(itertools.compress(names, training.left_out))
    parameters = (len(names) - len(left_out) + problem.fit_intercept) * problem.loss.n_free
    if left_out:
        return unknown._replace(parameters=parameters, notes=(
            f"penalty_factors leave out {listed(left_out)}.  For standard errors, train on the other columns only.",))
    V, flat = inverse_hessian(problem, u, unknown.examples)
    to_examples = problem.to_mean * unknown.examples
    distance = to_examples * math.sqrt(max(float(grad @ V @ grad), 0.0))
    is_near, unknown = distance <= _MOST_STANDARD_ERRORS_FROM_OPTIMUM, unknown._replace(parameters=parameters - flat.shape[1])
    if _is_separated(training, problem, u, grad, 0.5 * distance ** 2 / to_examples):
        return unknown._replace(notes=(_SEPARATED,) if is_near else (_SEPARATED, _STILL_RISING))
    if not is_near:
        return unknown._replace(notes=(f"{_FAR}{distance:.2g} standard errors from the optimum: standard errors would mean "
                                       "nothing.  Train without a learning rate, or with more updates.",))
    to_theta, notes = problem.coordinates.parameters(np.eye(side).ravel()).reshape(side, side).T, []
    for_classes = np.kron(np.eye(problem.loss.n_margins), to_theta)
    found = unknown._replace(covariance=for_classes @ V @ for_classes.T, flat=np.linalg.qr(flat).Q.T, to_theta=to_theta)
    is_open = found.is_open(np.eye(u.size))
    if is_open.any():
        of_columns = zip((*names, "(intercept)"), problem.coordinates.rows(is_open).T, strict=True)
        notes.append(f"{_COLLINEAR}{listed([name for name, each in of_columns if each.any()])}.")
    else:
        found = found._replace(flat=unknown.flat, to_theta=unknown.to_theta)
    if found.l2 > 0.0:
        notes.append(f"l2 = {found.l2:g} shrinks the estimates.  Standard errors and intervals are those of the posterior, under "
                     "the normal prior that l2 stands for.  There are no tests, since the penalty biases the estimates on "
                     "purpose.")
    return found._replace(notes=tuple(notes))


def _is_separated(training: Training, problem: Problem, u: np.ndarray, grad: np.ndarray, gap: float) -> bool:
    """Whether J, which is about this gap above its infimum, has no minimum."""
    if training.has_minimum is not None or problem.is_penalised:
        return training.has_minimum is False
    is_proved = self_concordance(problem, problem, u, grad, gap).has_minimum
    return not is_proved and recession_direction(problem, u, grad, -grad / problem.diagonal) is not None


def inverse_hessian(problem: Problem, u: np.ndarray, examples: float) -> tuple[np.ndarray, np.ndarray]:
    """Invert the Hessian of J at u, on the scale of a sum over so many examples, along what the data determine.

    Returns
    -------
    V : (k, k)
        The inverse for the k coordinates u.  It is 0 for an intercept that is not fitted, and along flat directions and what all
        classes have in common.
    flat : (k, d)
        The flat directions.
    """
    loss, side = problem.loss, problem.coordinates.scales.size
    free = problem.coordinates.rows(np.arange(u.size))[:, :side if problem.fit_intercept else side - 1].ravel()
    H = problem.loss_hessian(u)
    constant = problem.of_all_rows(np.append(known_constants(problem), False))
    H[constant] = H[:, constant] = 0.0
    problem.add_penalty(H)
    H = loss.with_common(H[np.ix_(free, free)] * (problem.to_mean * examples))
    scale = np.sqrt(np.where(H.diagonal() > 0.0, H.diagonal(), 1.0))
    inverse, directions = _pseudo_inverse(H / np.outer(scale, scale))
    inverse /= np.outer(scale, scale)
    V, flat = np.zeros((u.size, u.size)), np.zeros((u.size, directions.shape[1]))
    V[np.ix_(free, free)], flat[free] = inverse, directions / scale[:, None]
    by_class = V.reshape(loss.n_margins, side, loss.n_margins, side)
    loss.remove_common(by_class)
    loss.remove_common(np.moveaxis(by_class, 2, 0))
    return V, flat


def _pseudo_inverse(R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Invert R, with a diagonal of ones, except along its flat directions; return these too, (size, k), orthonormal."""
    try:
        P = blas.inverse_factor(R)
        inverse = P.T @ P
        if inverse.diagonal().max() < 0.1 / _FLAT_EIGENVALUE:
            return inverse, np.empty((len(R), 0))
    except np.linalg.LinAlgError:
        pass
    eigenvalues, V = np.linalg.eigh(R)
    curved = eigenvalues > _FLAT_EIGENVALUE
    return (V[:, curved] / eigenvalues[curved]) @ V[:, curved].T, V[:, ~curved]


def _null_log_likelihood(problem: Problem, b: np.ndarray) -> float:
    """The log-likelihood of the best model with w = 0; if b (r,) is not fitted, of the model with w = 0 and this b."""
    if not problem.data.has_offset:
        margins = problem.loss.null_margins(problem.shares) if problem.fit_intercept else b
        losses = problem.loss.value(np.arange(problem.shares.size), np.tile(margins, (problem.shares.size, 1)))
        return -problem.examples * float(losses @ problem.shares)
    start = np.column_stack([np.zeros(b.size), 0.0 * b if problem.fit_intercept else b]).ravel()
    options = solvers.Options(None, None, 1e-10, None, time.perf_counter())
    result = solvers.load("newton").solve(problem.of_null_model(), start, options)
    return -problem.examples * problem.to_mean * float(result.history.cost[-1])
