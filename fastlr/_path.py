"""path: data -> J for a falling sequence of penalties -> Path, with the scores of a cross-validation."""

import dataclasses
import functools
import itertools
import time
from typing import Any

import numpy as np

from fastlr import backends, solvers
from fastlr._train import backend_for, has_minimum, model_of, refuse_many_classes, solver_of_l1
from fastlr.backends.csr import as_float64
from fastlr.data import arguments, arrays, door
from fastlr.data.dataset import InMemory, columns_of, rows_of
from fastlr.data.folds import folds as folds_of
from fastlr.data.folds import training_rows
from fastlr.inference.scores import SCORES, Score
from fastlr.inference.statistics import Training
from fastlr.machine import stopwatch
from fastlr.machine.warnings import warn
from fastlr.model.path import Path, Scores
from fastlr.problem.loss import of_classes
from fastlr.problem.penalty import ElasticNet
from fastlr.problem.problem import Problem
from fastlr.solvers.path import Found, follow
from fastlr.solvers.progress import Progress

# What bounds the gap, relative to J, and the gradient, unless a tol is given.
DEFAULT_TOL = 1e-6


def path(X: Any, y: Any, *, l1_ratio: float = 1.0, lambdas: Any = 100, smallest: float | None = None, penalty_factors: Any = None,
         folds: Any = None, score: str = "deviance", seed: int = 0, fit_intercept: bool = True, sample_weight: Any = None,
         class_weight: Any = None, offset: Any = None, backend: str = "auto", tol: float | None = None,
         n_threads: int | None = None, progress: bool = False) -> Path:
    """Train a logistic regression for each of many penalties, from one that leaves w = 0 down; choose one by cross-validation.

    Each model minimizes, over w and b,

        J(w, b) = (1/m) sum_i loss_i + lambda sum_j f_j (l1_ratio |w_j| + (1 - l1_ratio) w_j^2 / 2)

    on the columns as they are, as R's glmnet does with ``standardize = FALSE``.  With K >= 3 labels w is (K, n), with the loss of
    `fastlr.train`, and the penalty is on each w_kj, as that of ``family = "multinomial"``.

    Parameters
    ----------
    X, y, sample_weight, class_weight, offset, fit_intercept, penalty_factors, backend, n_threads
        Data and options, as for `fastlr.train`.  X must be in memory.
    l1_ratio : float
        The share of l1 in the penalty, from 0 to 1.
    lambdas : int or array_like, (L,)
        The penalties; or how many are made, from the least that leaves w = 0 down, each by the same factor.  Such a path ends
        early, where weaker penalties no longer move the deviance.
    smallest : float, optional
        The last penalty that is made, as a share of the first.  By default it is 1e-4, or 0.01 where there are no more rows than
        columns.
    folds : int, scikit-learn splitter, or iterable of (train, test), optional
        A number of folds, each with its share of every class; an object whose `split` gives the indices of the rows; or these
        indices themselves.  By default there is no cross-validation.  A splitter or a list may give a single fold, which has no
        standard error and no `best_1se`.
    score : {"deviance", "accuracy", "auc"}
        The score of held-out rows: -2 log-likelihood for each, the share of them that is predicted, or for two classes the
        area under the ROC curve.  Rows count by their weights, those of classes included.
    seed : int
        The seed of the random assignment of rows to folds, where `folds` is a number.
    tol : float, optional
        The bound on the gradient, and on the gap relative to J, as for `fastlr.train`; 1e-6 by default.
    progress : bool
        Whether to show tqdm's bar.

    Returns
    -------
    Path
        The models; with folds also the scores, and which penalty is best.

    Raises
    ------
    TypeError, ValueError
        The input can't be trained on; the text names the argument, the place, and the way out.
    NotImplementedError
        X is a stream or a Dask collection, or `score` is "auc" and y has three classes or more.

    Warns
    -----
    ConvergenceWarning
        Some of the models have not converged.

    Examples
    --------
    >>> import numpy as np, fastlr
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 30))
    >>> y = X[:, 0] - X[:, 1] + rng.logistic(size=200) > 0
    >>> path = fastlr.path(X, y, folds=5)
    >>> path.n_nonzero[[0, path.best_1se]], np.flatnonzero(path[path.best_1se].w)[:2]
    (array([0, 3]), array([0, 1]))

    Three classes:

    >>> y = np.argmax(2.0 * X[:, :3] + rng.gumbel(size=(200, 3)), axis=1)
    >>> path = fastlr.path(X, y, lambdas=[0.2, 0.1])
    >>> path.w.shape, path[1].w[:, :3].round(1).tolist()
    ((2, 3, 30), [[0.5, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.7]])
    """
    start, compiled = time.perf_counter(), stopwatch.seconds()
    ratio = arguments.share("l1_ratio", l1_ratio)
    grid = _lambdas(lambdas)
    smallest = arguments.optional(arguments.number, "smallest", smallest, above=0.0)
    if smallest is not None and smallest >= 1.0:
        raise ValueError(f"smallest must be a share of the first penalty, below 1, not {smallest!r}")
    tol = DEFAULT_TOL if tol is None else arguments.number("tol", tol, above=0.0)
    of_margins = SCORES[arguments.one_of("score", score, tuple(SCORES))]
    seed = arguments.integer("seed", seed, at_least=0)
    fit_intercept = arguments.flag("fit_intercept", fit_intercept)
    n_threads = arguments.optional(arguments.integer, "n_threads", n_threads, at_least=1)
    options = solvers.Options(None, None, tol, None, start)
    with np.errstate(all="ignore"):
        data = door.data(X, y, sample_weight, class_weight, offset)
    if not isinstance(data, InMemory):
        raise NotImplementedError("path needs X in memory, and X is a stream or a Dask collection; load it, or call train once "
                                  "for each l1 and l2")
    if score == "auc":
        refuse_many_classes("score='auc'", data.classes.size, "choose 'deviance' or 'accuracy'")
    factors = arguments.optional(arguments.factors, "penalty_factors", penalty_factors, n=data.shape[1],
                                 names=data.feature_names)
    penalty = ElasticNet(ratio, 1.0 - ratio, np.ones(data.shape[1]) if factors is None else factors)
    pairs = [] if folds is None else folds_of(folds, data, seed)
    solver = solver_of_l1(data)
    backend = backend_for(backend, data, solver, options, n_threads)
    kernel = backends.load(backend)
    if arguments.flag("progress", progress):
        count = grid if isinstance(grid, int) else grid.size
        options = options._replace(progress=Progress(0.0, count * (1 + len(pairs)), "models"))
    try:
        with np.errstate(all="ignore"), backends.threads(kernel, n_threads, data.size) as threads:
            rows = data.with_backend(kernel, threads)
            make = functools.partial(problem_of, penalty, "mean", fit_intercept)
            make(rows).refuse_not_finite(moments_are_needed=True)
            problems = map(make, itertools.chain([rows], training_rows(rows, pairs)))
            found = follow(problems, options, solver.Optimizer, grid, smallest)
            scored = [scores_of(rows, test, np.array([result.theta for result in results]), of_margins, rows.weights)
                      for (_, test), results in zip(pairs, found.results[1:], strict=True)]
    finally:
        if options.progress is not None:
            options.progress.close()
    models = []
    for lambda_, result, seconds in zip(found.lambdas, found.results[0], found.seconds, strict=True):
        objective = {"l1": float(lambda_) * ratio, "l2": float(lambda_) * (1.0 - ratio), "penalty_factors": factors,
                     "reduction": "mean", "fit_intercept": fit_intercept}
        training = Training(data, backend, objective, n_threads, class_weight is not None, has_minimum(result))
        models.append(dataclasses.replace(model_of(result, training, threads, start, compiled),
                                          elapsed=float(seconds), compile_time=0.0))
    _warn_of_unconverged(found)
    return Path(lambdas=found.lambdas, l1_ratio=ratio, models=tuple(models), deviance_explained=found.deviance_explained,
                elapsed=time.perf_counter() - start, scores=Scores(score, np.array(scored)) if pairs else None)


def _lambdas(given: Any) -> int | np.ndarray:
    """The number of penalties, or the penalties, falling."""
    if np.ndim(given) == 0:
        return arguments.integer("lambdas", given, at_least=1)
    values = arrays.as_array("lambdas", given)
    if values.ndim != 1 or not values.size or values.dtype.kind not in "iuf":
        raise TypeError(f"lambdas must be a number of penalties, or a list of them, not {values.dtype} of shape {values.shape}")
    bad = ~(np.isfinite(values) & (values > 0.0))
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"lambdas must be finite and above 0, and lambdas[{i}] is {values[i]:g}; for no penalty call train")
    return np.unique(values.astype(np.float64))[::-1].copy()


def problem_of(penalty: ElasticNet, reduction: str, fit_intercept: bool, rows: InMemory) -> Problem:
    """J of some rows, with a penalty that is to be multiplied."""
    return Problem.of_theta(rows, 0.0, reduction, fit_intercept).with_penalty(penalty)


def scores_of(data: InMemory, test: np.ndarray, thetas: np.ndarray, score: Score, s: np.ndarray) -> np.ndarray:
    """The scores (L,) of some rows, (m,) bool, with weights s (m,), by each of thetas, (L, n + 1) or (L, K, n + 1)."""
    rows, loss = np.flatnonzero(test), of_classes(data.classes.size)
    return np.array([score(loss, data.y[rows], z, s[rows]) for z in _margins(data, rows, thetas)])


def _margins(data: InMemory, rows: np.ndarray, thetas: np.ndarray) -> np.ndarray:
    """The margins (L, k) of some rows by each of thetas (L, n + 1), of which most columns are 0; for K classes (L, k, K)."""
    W, b = thetas[..., :-1].reshape(-1, thetas.shape[-1] - 1), thetas[..., -1].reshape(-1, 1)
    held = np.flatnonzero(W.any(axis=0))
    z: np.ndarray = W[:, held] @ as_float64(columns_of(rows_of(data.X, rows), held), slice(None)).T + b
    z = np.moveaxis(z.reshape(*thetas.shape[:-1], rows.size), -1, 1)
    return z + data.offset[rows] if data.offset.size else z


def _warn_of_unconverged(found: Found) -> None:
    results = found.results[0]
    warnings = [(lambda_, result.warning) for lambda_, result in zip(found.lambdas, results, strict=True) if result.warning]
    if warnings:
        lambda_, warning = warnings[0]
        warn(type(warning)(f"{len(warnings)} of {len(results)} models have not converged; the first, with lambda = "
                           f"{lambda_:.4g}: {warning}"))
