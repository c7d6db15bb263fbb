"""The choice of C and of l1_ratio by cross-validation, as a scikit-learn classifier."""

import dataclasses
import functools
import time
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import _check_method_params

from fastlr import backends, solvers
from fastlr._path import problem_of, scores_of
from fastlr._train import backend_for, model_of, solver_of_l1
from fastlr.data import arguments, door, weights
from fastlr.data.dataset import InMemory
from fastlr.data.folds import Fold, folds, training_rows
from fastlr.inference.scores import SCORES, Score, deviance
from fastlr.inference.statistics import Training
from fastlr.machine import stopwatch, warnings
from fastlr.model.model import Model
from fastlr.problem.penalty import ElasticNet
from fastlr.sklearn.conventions import (
    SMALLEST_C,
    WITHOUT,
    ConvergenceWarning,
    in_scikit_learns_words,
    n_threads_of,
    named,
    refuse_counts,
    warn_of_a_column,
)
from fastlr.sklearn.estimator import LogisticRegression
from fastlr.solvers.path import follow

# The exponents of ten between which a number of Cs is spread.
_DECADES = -4.0, 4.0
# Scores that are made of margins; others ask the estimator.
_OF_MARGINS: dict[str, Score] = {"accuracy": SCORES["accuracy"], "roc_auc": SCORES["auc"],
                                 "neg_log_loss": lambda loss, y, z, s: -0.5 * deviance(loss, y, z, s)}


class _Missing:
    """A method that the class does without, though its base has it."""

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        raise AttributeError("LogisticRegressionCV has no partial_fit, since folds need all rows at once")


class LogisticRegressionCV(LogisticRegression):
    """Logistic regression whose C, and perhaps l1_ratio, cross-validation chooses, as a scikit-learn classifier.

    It minimizes the objective of `LogisticRegression`.  For each fold and l1_ratio the models of all C are one path, from the
    smallest C on, each from the one before.

    Parameters
    ----------
    Cs : int or array_like, default=10
        The values of C; or how many there are between 1e-4 and 1e4, evenly spaced in the logarithm.
    l1_ratios : array_like, default=(0.0,)
        The values of l1_ratio, from 0 to 1.
    fit_intercept : bool, default=True
        Whether there is an intercept.
    cv : int, splitter or iterable of (train, test), default=None
        The folds, as everywhere in scikit-learn, a single one too; by default five.
    scoring : str or callable, default=None
        The score of held-out rows, as everywhere in scikit-learn; by default the accuracy.
    solver : {"auto"}, default="auto"
        The only choice.
    tol, max_iter, class_weight, n_jobs, verbose, random_state, backend
        Options, as for `LogisticRegression`; "balanced" weighs the classes of all rows.
    refit : bool, default=True
        Whether the final model is that of all rows with the best C and l1_ratio.  Otherwise coefficients, C and l1_ratio are the
        means of the best of each fold, and what else `model_` has is that of the first fold.

    Attributes
    ----------
    C_, l1_ratio_ : float
        The choice.
    Cs_ : (n_cs,) float64
    l1_ratios_ : (n_l1_ratios,) float64
    scores_ : (n_folds, n_l1_ratios, n_cs) float64
        The scores of held-out rows.
    coefs_paths_ : (n_folds, n_l1_ratios, n_cs, 1 or n_classes, n_dof) float64
        The coefficients, with the intercept last if there is one; one row for two classes, and a row for each of more.
    n_iter_ : (n_folds, n_l1_ratios, n_cs) int32
        The number of updates.
    coef_, intercept_, classes_, model_, n_features_in_, feature_names_in_, n_samples_seen_
        Attributes, as of `LogisticRegression`.

    Notes
    -----
    The differences from scikit-learn's class:

    - Attributes have the shapes of its ``use_legacy_attributes=False``, which is its default from 1.10 on.
    - The defaults of `l1_ratios` and `scoring` are what it does without them: l2, and the accuracy.
    - There is no `partial_fit`.
    - Each fold trains on examples of every class, or is refused.
    - The parameters `penalty`, `dual`, `intercept_scaling` and `use_legacy_attributes` don't exist.

    Examples
    --------
    >>> import fastlr
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> classifier = fastlr.LogisticRegressionCV(Cs=[0.01, 0.1, 1.0], l1_ratios=[1.0]).fit(scale(X), y)
    >>> classifier.C_, int((classifier.coef_ != 0).sum())
    (1.0, 16)
    """

    partial_fit: Any = _Missing()
    # The weights of `score` are for the scorer, which may ask for none.
    __metadata_request__score: ClassVar[dict[str, str]] = {"sample_weight": UNUSED}

    @arguments.refusing(WITHOUT)
    def __init__(self, *, Cs: Any = 10, l1_ratios: Any = (0.0,), fit_intercept: bool = True, cv: Any = None, scoring: Any = None,
                 solver: str = "auto", tol: float = 1e-9, max_iter: int = 100, class_weight: Any = None,
                 n_jobs: int | None = None, verbose: int = 0, refit: bool = True, random_state: Any = None,
                 backend: str = "auto") -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.scoring = scoring
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.refit = refit
        self.random_state = random_state
        self.backend = backend

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Self:
        """Choose C and l1_ratio, and train on X and y with them.

        Parameters, errors and warnings are those of `LogisticRegression.fit`.  With scikit-learn's metadata routing the splitter
        and the scorer get others, such as ``groups``.
        """
        (Cs, ratios), scorer = self._grid(), self._scorer()
        routed = self._routed("fit", params, sample_weight)
        refit = arguments.flag("refit", self.refit)
        with in_scikit_learns_words():
            A, names = self._checked(X, reset=True, y=y, sample_weight=sample_weight)
            data = door.data(named(A, names), y, sample_weight, self.class_weight)
        refuse_counts(data)
        if self.scoring == "roc_auc" and data.classes.size > 2:
            raise ValueError(f"scoring='roc_auc' is for two classes, and y has {data.classes.size}; choose 'roc_auc_ovr' "
                             "or 'roc_auc_ovo'")
        assert isinstance(data, InMemory)
        labels = data.classes[data.y]
        pairs = folds(list(check_cv(self.cv, labels, classifier=True).split(X, labels, **routed["splitter"]["split"])), data, 0)
        models = self._models(data, pairs, Cs, ratios)
        self._warn_of_unfinished([model for of_fold in models for path in of_fold for model in path])
        self.scores_ = self._scores(scorer, X, data, pairs, models, routed["scorer"]["score"])
        if np.isnan(self.scores_).any():
            k, j, i = np.argwhere(np.isnan(self.scores_))[0]
            raise ValueError(f"scoring={self.scoring!r} is nan in fold {k}, for C={Cs[i]:g} and l1_ratio={ratios[j]:g}, and no C "
                             "is the best; make fewer folds, or choose another score")
        if refit:
            best = np.unravel_index(np.argmax(self.scores_.mean(axis=0).T), (Cs.size, ratios.size))       # the least C of equals
            self.C_, self.l1_ratio_ = float(Cs[best[0]]), float(ratios[best[1]])
            super().fit(X, y, sample_weight)
        else:
            chosen = [np.unravel_index(np.argmax(scores.T), (Cs.size, ratios.size)) for scores in self.scores_]
            self.C_ = float(np.mean([Cs[i] for i, _ in chosen]))
            self.l1_ratio_ = float(np.mean([ratios[j] for _, j in chosen]))
            best_models = [models[k][j][i] for k, (i, j) in enumerate(chosen)]
            w, b = solvers.weights_and_intercept(np.mean([model._theta for model in best_models], axis=0))
            warn_of_a_column(y)
            self.n_samples_seen_ = A.shape[0]
            self._take(dataclasses.replace(best_models[0], w=w, b=b))
        self.Cs_, self.l1_ratios_ = Cs, ratios
        free = A.shape[1] + bool(self.fit_intercept)
        self.coefs_paths_ = np.array([[[np.atleast_2d(model._theta)[:, :free] for model in path] for path in of_fold]
                                      for of_fold in models])
        self.n_iter_ = np.array([[[model.n_iter for model in path] for path in of_fold] for of_fold in models], np.int32)
        return self

    def _grid(self) -> tuple[np.ndarray, np.ndarray]:
        """The values of C, rising, and those of l1_ratio."""
        if self.solver != "auto":
            raise ValueError(f"solver must be 'auto', since paths have solvers of their own, not {self.solver!r}")
        if np.ndim(self.l1_ratios) != 1 or not len(self.l1_ratios):
            raise ValueError(f"l1_ratios must be a list that holds one ratio at least, not {self.l1_ratios!r}")
        ratios = np.array([arguments.share("l1_ratios", each) for each in self.l1_ratios])
        if np.ndim(self.Cs) == 0:
            return np.logspace(*_DECADES, arguments.integer("Cs", self.Cs, at_least=1)), ratios
        if not len(self.Cs):
            raise ValueError("Cs must be a number of values, or a list that holds one value at least, not []")
        return np.sort([arguments.number("Cs", C, at_least=SMALLEST_C) for C in self.Cs]), ratios

    def _models(self, data: InMemory, pairs: list[Fold], Cs: np.ndarray, ratios: np.ndarray) -> list[list[list[Model]]]:
        """The models of each fold, for each ratio, by rising C."""
        options = solvers.Options(None, arguments.integer("max_iter", self.max_iter, at_least=0),
                                  arguments.number("tol", self.tol, at_least=0.0), None, time.perf_counter())
        compiled = stopwatch.seconds()
        fit_intercept = arguments.flag("fit_intercept", self.fit_intercept)
        solver = solver_of_l1(data)
        name = backend_for(self.backend, data, solver, options, n_threads_of(self.n_jobs))
        kernel, ones, models = backends.load(name), np.ones(data.shape[1]), [list[list[Model]]() for _ in pairs]
        training = Training(data, name, {}, None, False, None)
        with np.errstate(all="ignore"), backends.threads(kernel, n_threads_of(self.n_jobs), data.size) as threads:
            rows = data.with_backend(kernel, threads)
            rows.refuse_not_finite()
            for ratio in ratios:
                make = functools.partial(problem_of, ElasticNet(ratio, 1.0 - ratio, ones), "sum", fit_intercept)
                found = follow(map(make, training_rows(rows, pairs)), options, solver.Optimizer, 1.0 / Cs, of_all_rows=make(rows))
                for of_fold, results in zip(models, found.results, strict=True):
                    of_fold.append([model_of(each, training, threads, options.start, compiled) for each in results])
        return models

    def _warn_of_unfinished(self, models: list[Model]) -> None:
        count = sum(not model.converged and model.n_iter >= self.max_iter for model in models)
        if self.tol > 0.0 and count:
            warnings.warn(ConvergenceWarning(f"{count} of the {len(models)} models of folds have not converged after max_iter="
                                             f"{self.max_iter} updates; raise max_iter or set a larger tol"))

    def _scores(self, scorer: Any, X: Any, data: InMemory, pairs: list[Fold], models: list[list[list[Model]]],
                params: dict[str, Any]) -> np.ndarray:
        """The score of each model, (n_folds, n_l1_ratios, n_cs), on the rows that its fold holds out."""
        if "sample_weight" in params:
            params = params | {"sample_weight": weights.checked(params["sample_weight"], data.shape[0])}
        if self.scoring is None or (isinstance(self.scoring, str) and self.scoring in _OF_MARGINS):
            score, s = _OF_MARGINS[self.scoring or "accuracy"], params.get("sample_weight", np.ones(data.shape[0]))
            thetas = np.array([[[model._theta for model in path] for path in of_fold] for of_fold in models])
            return np.array([[scores_of(data, test, of_path, score, s) for of_path in of_fold]
                             for (_, test), of_fold in zip(pairs, thetas, strict=True)])
        judge = LogisticRegression()
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(judge, name, getattr(self, name))

        def judged(model: Model, rows: np.ndarray) -> float:
            judge._take(model)
            of_rows = _check_method_params(X, params, rows)
            return float(scorer(judge, _safe_indexing(X, rows), data.classes[data.y[rows]], **of_rows))

        return np.array([[[judged(model, np.flatnonzero(test)) for model in path] for path in of_fold]
                         for (_, test), of_fold in zip(pairs, models, strict=True)])

    def _train_options(self) -> dict[str, Any]:
        """Translate the parameters, with the choice, to those of `fastlr.train`."""
        chosen = LogisticRegression(C=self.C_, l1_ratio=self.l1_ratio_, tol=self.tol, fit_intercept=self.fit_intercept,
                                    class_weight=self.class_weight, max_iter=self.max_iter, verbose=self.verbose,
                                    n_jobs=self.n_jobs, backend=self.backend)
        return chosen._train_options()

    def score(self, X: Any, y: Any, sample_weight: Any = None, **score_params: Any) -> float:
        """Return the score of the predictions for X, by `scoring`.

        Parameters are those of `LogisticRegression.score`; with scikit-learn's metadata routing the scorer gets others.
        """
        more = self._routed("score", score_params, sample_weight)["scorer"]["score"]
        return super().score(X, y, **more) if self.scoring is None else float(self._scorer()(self, X, y, **more))

    def _scorer(self) -> Any:
        if not (self.scoring is None or isinstance(self.scoring, str) or callable(self.scoring)):
            raise TypeError(f"scoring must be the name of a score, or callable, not {self.scoring!r}")
        return get_scorer(self.scoring or "accuracy")

    def _routed(self, method: str, params: dict[str, Any], sample_weight: Any) -> Any:
        """The arguments of the splitter's `split` and of the scorer's `score`: without routing, the weights for the scorer."""
        _raise_for_params(params, self, method)
        given = params if sample_weight is None else params | {"sample_weight": sample_weight}
        if _routing_enabled():
            return process_routing(self, method, **given)
        return {"splitter": {"split": {}}, "scorer": {"score": given}}

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what metadata the estimator, its splitter and its scorer ask for, as scikit-learn's routing needs it."""
        to_score = MethodMapping().add(caller="fit", callee="score").add(caller="score", callee="score")
        return MetadataRouter(owner=self).add_self_request(self).add(
            splitter=self.cv, method_mapping=MethodMapping().add(caller="fit", callee="split")).add(
            scorer=self._scorer(), method_mapping=to_score)
