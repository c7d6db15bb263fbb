"""The path of an elastic net: a model for each penalty, and the scores of a cross-validation."""

import math
import os
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from fastlr.data import arguments
from fastlr.inference import plots
from fastlr.model import file
from fastlr.model.model import Model, model_of, values_of
from fastlr.problem.loss import of_classes

# The share of a penalty that may be rounding.
_SAME = 1e-9


class Scores(NamedTuple):
    """The scores of a cross-validation.

    Attributes
    ----------
    name : {"deviance", "accuracy", "auc"}
        The deviance is -2 log-likelihood for each held-out example: the smaller the better.  The others are better if larger.
    of_folds : (K, L) float64
        One row for each fold, one column for each lambda.
    """

    name: str
    of_folds: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The mean over the folds, (L,) float64."""
        return self.of_folds.mean(axis=0)

    @property
    def standard_error(self) -> np.ndarray:
        """The standard error of the mean, (L,) float64, from how much folds differ; NaN for a single fold."""
        count, length = self.of_folds.shape
        return self.of_folds.std(axis=0, ddof=1) / math.sqrt(count) if count > 1 else np.full(length, math.nan)

    @property
    def losses(self) -> np.ndarray:
        """The mean with the sign that makes the smallest the best."""
        return self.mean if self.name == "deviance" else -self.mean


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Path:
    """What `fastlr.path` returns: `path[i]` is the Model for `lambdas[i]`, and `len(path)` is their number.

    Attributes
    ----------
    lambdas : (L,) float64
        The penalties, falling: l1 = lambda l1_ratio and l2 = lambda (1 - l1_ratio).
    l1_ratio : float
    models : tuple of Model
        One for each lambda.
    deviance_explained : (L,) float64
        The share of the deviance of the best model with w = 0 that each model explains.
    elapsed : float
        The seconds that `path` took, folds included.
    scores : Scores or None
        The scores of the cross-validation, if there was one.
    """

    lambdas: np.ndarray
    l1_ratio: float
    models: tuple[Model, ...]
    deviance_explained: np.ndarray
    elapsed: float
    scores: Scores | None = None

    def __post_init__(self) -> None:
        for array in (self.lambdas, self.deviance_explained):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.models)

    def __getitem__(self, i: int) -> Model:
        return self.models[i]

    def __repr__(self) -> str:
        best = "" if self.scores is None else f", best by {self.scores.name} at {self.lambdas[self.best]:.4g}"
        return (f"<fastlr.Path: {len(self)} penalties from {self.lambdas[0]:.4g} to {self.lambdas[-1]:.4g}, "
                f"{self.n_nonzero[0]} to {self.n_nonzero[-1]} of {self.models[0].w.shape[-1]} columns{best}>")

    @property
    def w(self) -> np.ndarray:
        """The coefficients, (L, n) or (L, K, n) float64."""
        return np.array([model.w for model in self.models])

    @property
    def b(self) -> np.ndarray:
        """The intercepts, (L,) or (L, K) float64."""
        return np.array([model.b for model in self.models])

    @property
    def n_nonzero(self) -> np.ndarray:
        """The number of columns that a model uses, (L,): those whose w is not 0, with K classes for one of them at least."""
        return np.array([self._columns(i).size for i in range(len(self))])

    def _columns(self, i: int) -> np.ndarray:
        """The places of the columns that model i uses."""
        return np.flatnonzero(np.atleast_2d(self.models[i].w).any(axis=0))

    @property
    def gap(self) -> np.ndarray:
        """An upper bound on J - J* of each model, (L,) float64."""
        return np.array([model.gap for model in self.models])

    def at(self, lambda_: float) -> Model:
        """Return the Model of the penalty that is nearest, by their ratio.

        Raises
        ------
        ValueError
            lambda_ is not between the first and the last penalty.

        Examples
        --------
        >>> import numpy as np, fastlr
        >>> X = np.random.default_rng(0).standard_normal((100, 5))
        >>> path = fastlr.path(X, X[:, 0] + X[:, 1] > 0.3, lambdas=20)
        >>> path.at(path.lambdas[7] * 1.01) is path[7]
        True
        """
        value, first, last = arguments.number("lambda_", lambda_, above=0.0), self.lambdas[0], self.lambdas[-1]
        if not last * (1.0 - _SAME) <= value <= first * (1.0 + _SAME):
            raise ValueError(f"lambda_ is {value:g}, and the path goes from {first:g} to {last:g}; choose one between these, or "
                             "make the path longer by smallest=")
        return self.models[int(np.argmin(np.abs(np.log(self.lambdas / value))))]

    @property
    def score_mean(self) -> np.ndarray:
        """The mean score over the folds, (L,) float64."""
        return self._scored("score_mean").mean

    @property
    def score_se(self) -> np.ndarray:
        """The standard error of the mean score, (L,) float64; NaN for a single fold."""
        return self._scored("score_se").standard_error

    @property
    def best(self) -> int:
        """The index of the penalty with the best mean score; the strongest among equals."""
        return int(np.argmin(self._scored("best").losses))

    @property
    def best_1se(self) -> int:
        """The index of the strongest penalty whose mean score is at most one standard error worse than the best.

        Raises
        ------
        ValueError
            There is no cross-validation; or it has a single fold, which gives no standard error.
        """
        scores, best = self._scored("best_1se"), self.best
        if len(scores.of_folds) == 1:
            raise ValueError("best_1se needs a standard error, and there is a single fold, which gives none; make two folds or "
                             "more, or take best")
        return int(np.argmax(scores.losses <= scores.losses[best] + scores.standard_error[best]))

    def _scored(self, what: str) -> Scores:
        if self.scores is None:
            raise ValueError(f"{what} needs a cross-validation; call fastlr.path with folds=10, for example")
        return self.scores

    def plot(self, ax: Any = None, labels: int = 10, class_label: Any = None) -> Any:
        """Draw the coefficients, of the columns as they are, against lambda; needs matplotlib.

        With K >= 3 classes each has a picture of its own.

        Parameters
        ----------
        ax : matplotlib Axes, or K of them, optional
            The axes to draw in; by default those of a new figure.
        labels : int
            The number of columns that are labeled: those with the largest coefficients at the end.
        class_label : optional
            The label of the one class, of three or more, that is drawn.

        Returns
        -------
        matplotlib Axes, or an array of K
        """
        labels, model = arguments.integer("labels", labels, at_least=0), self.models[0]
        w = self.w.reshape(len(self), -1, model.w.shape[-1])
        drawn, loss = range(w.shape[1]) if class_label is None else [self._row(class_label)], of_classes(model.classes.size)
        axes, used = plots.axes_of("plot()", ax, len(drawn)), np.unique(w.nonzero()[-1])
        for k, each in zip(drawn, axes, strict=True):
            plots.path(self.lambdas, w[:, k], used, model._names, labels, loss.of_class(model.classes, k), each)
        return axes if axes.size > 1 else axes[0]

    def _row(self, class_label: Any) -> int:
        """The row of w that belongs to a class."""
        labels = self.models[0]._labels
        if len(labels) == 2:
            raise ValueError("class_label is for three classes or more, and with two there is only one w to draw; leave it out")
        if class_label not in labels:
            raise ValueError(f"class_label must be one of {labels}, not {class_label!r}")
        return labels.index(class_label)

    def plot_scores(self, ax: Any = None) -> Any:
        """Draw the mean score and its standard error against lambda, with `best` and `best_1se`; needs matplotlib.

        A single fold gives neither the standard error nor `best_1se`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            The axes to draw in; by default those of a new figure.

        Returns
        -------
        matplotlib Axes
        """
        scores = self._scored("plot_scores()")
        chosen = {"best": self.best} | ({"best_1se": self.best_1se} if len(scores.of_folds) > 1 else {})
        return plots.scores(self.lambdas, scores.mean, scores.standard_error, self.n_nonzero, scores.name, chosen, ax)

    def save(self, path: str | os.PathLike) -> None:
        """Write the path to a JSON file that `Path.load` reads, with every bit of every number.

        Parameters
        ----------
        path : str or os.PathLike
        """
        scores = None if self.scores is None else self.scores._asdict()
        file.write_path({"lambdas": self.lambdas, "l1_ratio": self.l1_ratio, "deviance_explained": self.deviance_explained,
                         "elapsed": self.elapsed, "scores": scores}, list(map(values_of, self.models)), path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read a path that `save` has written.

        Raises
        ------
        ValueError
            The file is not a path that this version of fastlr can read; the text says what is wrong, and where.
        """
        values, models = file.read_path(path)
        scores = values.pop("scores")
        return cls(**values, models=tuple(map(model_of, models)), scores=None if scores is None else Scores(**scores))
