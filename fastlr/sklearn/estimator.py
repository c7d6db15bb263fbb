"""fastlr.train as a scikit-learn classifier."""

import dataclasses
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from fastlr._train import train
from fastlr.backends import softmax
from fastlr.backends.csr import Csr
from fastlr.data import arguments, arrays, door, frames, labels, weights
from fastlr.data.dataset import InMemory
from fastlr.machine import warnings
from fastlr.model.model import Model
from fastlr.problem.loss import of_classes
from fastlr.sklearn import conventions
from fastlr.sklearn.in_batches import MOST_FEATURES_OF_FIT, learn, memory_of_fit


def _learns_batches(estimator: Any) -> bool:
    """Whether there is `partial_fit`; AttributeError says why not."""
    if isinstance(estimator.class_weight, str) and estimator.class_weight == "balanced":
        raise AttributeError("class_weight='balanced' needs all rows, and partial_fit sees one batch; pass a dict from "
                             "label to weight")
    if estimator.l1_ratio != 0:
        raise AttributeError(f"l1_ratio is {estimator.l1_ratio!r}, and partial_fit supports only the l2 penalty, l1_ratio=0")
    return True


_where_batches_are_learned: Callable[[Callable[..., Any]], Any] = available_if(_learns_batches)


class LogisticRegression(ClassifierMixin, BaseEstimator):
    """Logistic regression of two classes or more, trained by `fastlr.train`, as a scikit-learn classifier.

    It minimizes scikit-learn's objective C sum_i s_i loss_i + l1_ratio ||w||_1 + (1 - l1_ratio) ||w||^2 / 2, with the sample and
    class weights in s_i.  The intercept is not penalized.  With three classes or more the loss is the multinomial one, softmax.

    Parameters
    ----------
    C : float, default=1.0
        The inverse of the penalty's strength; np.inf for no penalty.
    l1_ratio : float, default=0.0
        The share of l1 in the penalty, from 0 to 1.  Above 0, many coefficients are exactly 0, and `solver` must be "auto".
    tol : float, default=1e-9
        A bound on the gradient in standardized coordinates, on the scale of the mean loss, as for `fastlr.train`.  With 0 exactly
        `max_iter` updates are made.
    fit_intercept : bool, default=True
        Whether there is an intercept.
    class_weight : dict or "balanced", default=None
        Factors of `sample_weight`: a dict from label to weight, or "balanced" for the same total in all classes.
    random_state : default=None
        No effect, since nothing is random.
    solver : {"auto", "newton", "lbfgs", "gd"}, default="auto"
        The way to the optimum, as for `fastlr.train`.
    max_iter : int, default=100
        The most updates.
    verbose : int, default=0
        Whether to show the progress: any number but 0 does.
    warm_start : bool, default=False
        Whether `fit` starts from `coef_` and `intercept_` if there are any.
    n_jobs : int, default=None
        The most threads: -1 is all processors, -2 all but one.  By default `fastlr.train` chooses.  The result has the same bits
        for any number of threads.
    backend : {"auto", "python", "numpy", "loop", "parallel", "fused"}, default="auto"
        The kernel, as for `fastlr.train`.

    Attributes
    ----------
    coef_ : (1, n_features) or (n_classes, n_features) float64
        The coefficients; with three classes or more, a row for each.  `coef_` and `intercept_` are what predicts: writing to them
        changes predictions, but not `model_`.
    intercept_ : (1,) or (n_classes,) float64
        The intercept; 0 without one.
    classes_ : (n_classes,)
        The labels, sorted.
    n_iter_ : (1,) int32
        The number of updates on all rows.
    model_ : fastlr.Model
        All that is known about the training: `converged`, `grad_norm`, `gap`, `stop_reason`, `costs` and so on.  After
        `partial_fit` its parameters are those of all batches, and the rest is about the last batch.  An estimator doesn't keep X
        and y, so `model_.summary()` is refused; the Model of `fastlr.train` has one.
    n_samples_seen_ : int
        The number of rows of `fit` and of all batches after it.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : (n_features,) of str
        The names of the columns, if X was a data frame or a table.

    Notes
    -----
    The differences from scikit-learn's class:

    - `tol` doesn't depend on the units of the columns.  Its default is a tenth of `fastlr.train`'s and leads to the
      optimum to some eight digits.  So integer weights and repeated rows predict the same to the 1e-7 that
      scikit-learn's checks ask for.
    - There is no `sparsify`.
    - The parameters `penalty` (deprecated there), `dual` and `intercept_scaling` (of liblinear) don't exist.
    - `n_jobs` has an effect.
    - Attributes and predictions are float64 for any X.
    - `predict_proba` and `predict_log_proba` are accurate at both ends: no probability is computed as 1 - p, and no
      logarithm is that of 0.
    - Data that can't be trained on are refused as by `fastlr.train`, with their place: NaN, infinity, masked values,
      dates, categories, columns of one name, y or weights with the index of X in another order, a `class_weight` for
      a label that y lacks.
    - `n_iter_` is 0 where a warm start, or the start from a sample of the rows, is the optimum already.

    Examples
    --------
    >>> import fastlr
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import cross_val_score
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> classifier = fastlr.LogisticRegression(C=10.0).fit(X, y)
    >>> round(float(classifier.score(X, y)), 2), classifier.model_.converged
    (0.97, True)
    >>> round(float(cross_val_score(classifier, X, y).mean()), 2)
    0.95
    """

    @arguments.refusing(conventions.WITHOUT)
    def __init__(self, *, C: float = 1.0, l1_ratio: float = 0.0, tol: float = 1e-9, fit_intercept: bool = True,
                 class_weight: Any = None, random_state: Any = None, solver: str = "auto", max_iter: int = 100,
                 verbose: int = 0, warm_start: bool = False, n_jobs: int | None = None, backend: str = "auto") -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.backend = backend

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X and y.

        Parameters
        ----------
        X : array_like or SciPy sparse matrix, (n_samples, n_features)
        y : array_like, (n_samples,)
            Two labels or more, of any kind.
        sample_weight : array_like, (n_samples,), optional
            How often each row counts; at least 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            The parameters or the data can't be trained on.

        Warns
        -----
        ConvergenceWarning, SeparationWarning
            The training has not converged, or the classes are separated; both are scikit-learn's ConvergenceWarning too.
        """
        options = self._train_options()
        with conventions.in_scikit_learns_words(), warnings.held_back() as held:
            A, names = self._checked(X, reset=True, y=y, sample_weight=sample_weight)
            model = train(conventions.named(A, names), y, sample_weight=sample_weight, **options)
        assert model._training is not None
        conventions.refuse_counts(model._training.data)
        conventions.warn_of_a_column(y)
        self._memory_ = memory_of_fit(model._training, model._theta.ravel())            # see partial_fit
        self.n_samples_seen_ = A.shape[0]
        self._take(model)
        for warning in held:
            warnings.warn(conventions.as_scikit_learns(warning))
        return self

    @_where_batches_are_learned
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from one more batch of rows, and forget the rows.

        The estimator keeps a quadratic in w and b that stands for the losses of earlier batches.  Its Hessian is the sum of their
        Hessians, each at the w and b that its batch led to.  A new batch minimizes its own losses plus that quadratic.  There is
        no learning rate to set, and the units of columns don't matter.  On rows in random order, w and b stay close to what `fit`
        finds for all rows so far.

        Parameters
        ----------
        X : array_like or SciPy sparse matrix, (n_samples, n_features)
            The batch.  One row is enough; larger batches take less time a row.
        y : array_like, (n_samples,)
            The labels.  Rows of one class only are fine.
        classes : array_like, (n_classes,), optional
            All labels.  They are needed on the first call, unless y holds all of them.
        sample_weight : array_like, (n_samples,), optional
            How often each row counts; at least 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            The parameters or the data can't be trained on; a label is none of the classes; the columns are not those of before;
            or `fit` has trained the estimator on more than 64 features, or 64 / (n_classes - 1).
        AttributeError
            `l1_ratio` is not 0, or `class_weight` is "balanced", which would need all rows: there is no such method then.

        Warns
        -----
        ConvergenceWarning
            `max_iter` updates were too few for this batch.

        Notes
        -----
        - After `fit`, learning goes on from its model.  `fit` keeps none of its rows.  With up to 64 features it
          keeps the quadratic that they would have left as the first batch, with the Hessian of 2048 of them.  With
          more features, call `partial_fit` for the first rows too.  `fit` itself always starts anew.
        - `C` and `fit_intercept` are those of the first batch.  `tol` bounds the gradient of all rows so far, with
          the quadratic in place of earlier batches.  `max_iter` bounds the updates on each batch.  `solver` and
          `warm_start` have no effect.
        - The first batch gives what `fit` gives to three or four digits.  In units of the columns' deviations there
          is a penalty of at least 0.01/2 w_j^2, on the intercept too, so J has a minimum from the first row on.
        - Rows count as often as they come.  A second pass leaves the penalty half of its weight.
        - Rows should come in random order.  If all rows of one class come first, the quadratic is a poor
          approximation of their losses.
        - Up to 1000 features take (n_features + 1)^2 numbers of memory, times n_classes^2 with three classes or
          more.  With more features only the Hessian's diagonal is kept, and correlated columns take longer to learn.

        Examples
        --------
        >>> import fastlr
        >>> from sklearn.datasets import load_breast_cancer
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> classifier = fastlr.LogisticRegression()
        >>> for start in range(0, 500, 50):
        ...     classifier = classifier.partial_fit(X[start:start + 50], y[start:start + 50], classes=[0, 1])
        >>> classifier.n_samples_seen_, round(float(classifier.score(X[500:], y[500:])), 2)
        (500, 0.97)
        """
        options = {name: value for name, value in self._train_options().items()
                   if name in ("l2", "fit_intercept", "tol", "max_iter", "n_threads", "backend")}
        arguments.flag("fit_intercept", self.fit_intercept)
        goes_on = hasattr(self, "classes_")
        with conventions.in_scikit_learns_words():
            A, names = self._checked(X, reset=not goes_on, y=y, sample_weight=sample_weight)
            arrays.refuse_not_finite(A, names)
            found = labels.label_array(y, A.shape[0])
            labels.refuse_missing(found)
            known = self.classes_ if goes_on and classes is None else _all_labels(classes, found)
            if goes_on and not np.array_equal(known, self.classes_):
                raise ValueError(f"classes={known.tolist()}, and those of the first call were {self.classes_.tolist()}")
            batch = self._batch(A, names, found, known, sample_weight)
        conventions.warn_of_a_column(y)
        memory = getattr(self, "_memory_", None)
        if memory is None and goes_on:
            most = MOST_FEATURES_OF_FIT // (self.classes_.size - 1)
            raise ValueError(f"partial_fit goes on from a fit of at most {most} features, not of {A.shape[1]}: "
                             "the Hessian that it needs is not kept then; call partial_fit in the place of fit, for the first "
                             "rows too")
        memory, model, warning = learn(memory, batch, **options)
        self._memory_ = memory
        self.n_samples_seen_ = memory.rows
        self._take(model)
        if warning is not None:
            warnings.warn(conventions.as_scikit_learns(warning))
        return self

    def _checked(self, X: Any, reset: bool, **vectors: Any) -> tuple[np.ndarray | Csr, tuple[str, ...] | None]:
        """Check X by fastlr's rules, then the names and the number of its columns by scikit-learn's; return X and the names.

        A reset remembers the columns of X, in place of comparing them with those of the training.  The vectors are arguments that
        have a value for each row.
        """
        conventions.refuse_dask(X=X, **vectors)
        frames.refuse_other_order(X=X, **vectors)
        X = frames.with_array(X)
        found = arrays.real_matrix(X)
        validate_data(self, X, vectors.get("y", "no_validation"), reset=reset, skip_check_array=True)
        return found

    def _batch(self, X: np.ndarray | Csr, names: tuple[str, ...] | None, y: np.ndarray, classes: np.ndarray,
               sample_weight: Any) -> InMemory:
        """Prepare a batch for `learn`."""
        codes = labels.places(y, classes)
        s = weights.of_rows(sample_weight, self.class_weight, codes, classes)
        vectors = door.vectors_as_given(X.shape[0], codes, s if s.size else None, None, classes.size)
        return InMemory(X, *vectors._replace(classes=classes), names)

    def _take(self, model: Model) -> None:
        """Set the attributes from a model, which is kept without its training data."""
        names = getattr(self, "feature_names_in_", None)
        self.model_ = dataclasses.replace(model, feature_names=model.feature_names if names is None else tuple(names),
                                          _training=None)
        self.classes_ = model.classes.copy()
        self.coef_ = np.atleast_2d(model.w).copy()
        self.intercept_ = np.atleast_1d(model.b).copy()
        self.n_iter_ = np.array([model.n_iter], np.int32)

    def _train_options(self) -> dict[str, Any]:
        """Translate the parameters to those of `fastlr.train`, and check those whose names it doesn't know."""
        strength, ratio = conventions.strength_of(self.C), arguments.share("l1_ratio", self.l1_ratio)
        start = None
        if arguments.flag("warm_start", self.warm_start) and hasattr(self, "coef_"):
            b = self.intercept_ if self.fit_intercept else np.zeros_like(self.intercept_)
            start = self.coef_, b if b.size > 1 else b[0]
        return {"reduction": "sum", "l1": ratio * strength, "l2": (1.0 - ratio) * strength,
                "tol": arguments.number("tol", self.tol, at_least=0.0),
                "fit_intercept": self.fit_intercept, "class_weight": self.class_weight, "solver": self.solver,
                "max_iter": arguments.integer("max_iter", self.max_iter, at_least=0), "progress": bool(self.verbose),
                "init": start, "n_threads": conventions.n_threads_of(self.n_jobs), "backend": self.backend}

    def decision_function(self, X: Any) -> np.ndarray:
        """Return z = X w + b: the log-odds of the second class, or with three classes or more the margin of each.

        Parameters
        ----------
        X : array_like or SciPy sparse matrix, (n_samples, n_features)

        Returns
        -------
        (n_samples,) or (n_samples, n_classes) float64
        """
        X = self._to_predict(X)
        return self._as_it_stands().decision_function(X)

    def _to_predict(self, X: Any) -> Any:
        """Check X for predicting."""
        check_is_fitted(self)
        with conventions.in_scikit_learns_words():
            return conventions.named(*self._checked(X, reset=False))

    def _as_it_stands(self) -> Model:
        """Make a Model from `coef_` and `intercept_`; it has no names, since scikit-learn's rules have checked them."""
        w, b = (self.coef_, self.intercept_) if len(self.coef_) > 1 else (self.coef_[0], float(self.intercept_[0]))
        return dataclasses.replace(self.model_, w=w.copy(), b=np.copy(b) if np.ndim(b) else b, feature_names=None)

    def predict(self, X: Any) -> np.ndarray:
        """Return the more probable class of each row, (n_samples,)."""
        z = self.decision_function(X)
        return self.classes_[of_classes(self.classes_.size).decide(z)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy: the (weighted) share of rows whose label is predicted, between 0 and 1.

        Parameters
        ----------
        X : array_like or SciPy sparse matrix, (n_samples, n_features)
        y : array_like, (n_samples,)
            The labels.  A label that is none of `classes_` counts as predicted wrongly, and a missing one is refused.  So are
            several labels, or labels of another kind, of which none is a class.
        sample_weight : array_like, (n_samples,), optional
            How often each row counts; at least 0.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        with conventions.in_scikit_learns_words():
            A, names = self._checked(X, reset=False, y=y, sample_weight=sample_weight)
            labels.refuse_missing(labels.label_array(y, A.shape[0]))
        return self._as_it_stands().score(conventions.named(A, names), y, sample_weight)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n_samples, n_classes) float64, with columns in the order of `classes_`."""
        X = self._to_predict(X)
        return self._as_it_stands().predict_proba(X)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of `predict_proba`, (n_samples, n_classes) float64, which is finite for any margin."""
        z = self.decision_function(X)
        with np.errstate(under="ignore"):
            return softmax.log_probabilities(z if z.ndim == 2 else np.column_stack([np.zeros(len(z)), z]))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _all_labels(classes: Any, y: np.ndarray) -> np.ndarray:
    """The classes in order: those that are given, or else those of the first batch."""
    if classes is None:
        found = labels.classes_among(y)
        if found.size == 1:
            raise ValueError(f"y holds one label only, {found.tolist()[0]!r}, and there must be two; pass classes= on the first "
                             "call of partial_fit")
        return found
    given = np.asarray(classes).ravel().tolist()
    if len({*given}) < 2 or any(map(arrays.is_missing, given)):
        raise ValueError(f"classes must hold two labels or more, none of which is missing, not {given}")
    return np.unique(np.asarray(classes))
