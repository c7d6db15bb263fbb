"""What a model predicts for rows, and how good that is."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlr.data import arguments, arrays, frames, labels, trials, weights
from fastlr.inference import plots, scores
from fastlr.machine.arrays import plain
from fastlr.problem.loss import of_classes


def part_by_part(method: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """Let a method take a stream or a path, and a Dask collection: that gives a Dask array, and is worked on where it lies."""
    @functools.wraps(method)
    def with_parts(self: "Predictor", X: Any, offset: Any = None, **given: Any) -> Any:
        of_part = functools.partial(getattr(self, method.__name__), **given)
        if arrays.is_in_blocks(X):
            from fastlr.data.stream.predictions import predicted

            return predicted(of_part, X, self.feature_names, offset)
        if arrays.is_dask(X):
            from fastlr.data import dask

            return dask.predicted(of_part, X, offset)
        return method(self, X, offset, **given)
    return with_parts


class Predictor:
    """The part of `Model` that predicts: it needs the parameters, and nothing that is known of the training."""

    w: np.ndarray
    b: Any
    classes: np.ndarray
    feature_names: tuple[str, ...] | None
    has_offset: bool

    @property
    def _theta(self) -> np.ndarray:
        """The parameters, (n + 1,) with b last, or K such rows, (K, n + 1)."""
        theta = np.empty((*self.w.shape[:-1], self.w.shape[-1] + 1))
        theta[..., :-1], theta[..., -1] = self.w, self.b
        return theta

    @property
    def _labels(self) -> list[Any]:
        """The classes as Python's own values; arrays of objects may hold NumPy scalars."""
        return [plain(label) for label in self.classes.tolist()]

    @property
    def _names(self) -> tuple[str, ...]:
        """The names of the columns, which are x0, x1 and so on where they have none."""
        return self.feature_names or tuple(f"x{j}" for j in range(self.w.shape[-1]))

    @part_by_part
    def decision_function(self, X: Any, offset: Any = None) -> np.ndarray:
        """Return z = X w + b + offset: the log-odds of the second class, or with K classes the margin of each.

        Parameters
        ----------
        X : array_like or SciPy sparse matrix, (m, n)
            A data frame must have the columns of the training frame, in their order.  A Dask array or DataFrame gives a Dask
            array, nothing of which is computed yet.  A stream, or the path of a file, is read a block at a time; of a table the
            columns that the model was trained on are read, and the offset may be the name of another.
        offset : array_like, (m,) or (m, K), optional
            Required if the model was trained with one.

        Returns
        -------
        (m,) or (m, K) float64

        Raises
        ------
        ValueError
            X has another number of features, other columns or values that are not finite; a margin is too large for float64; or
            an offset is missing.
        """
        return self._predicted(X, offset, as_probabilities=False)

    @part_by_part
    def predict_proba(self, X: Any, offset: Any = None) -> np.ndarray:
        """Return the probability of each class, (m, 2) or (m, K) float64, with columns in the order of `classes`.

        Parameters and errors are those of `decision_function`.

        Examples
        --------
        >>> import fastlr
        >>> model = fastlr.train([[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"], learning_rate=0.1, max_iter=100)
        >>> model.predict_proba([[2.5]]).round(4)
        array([[0.3241, 0.6759]])
        """
        return self._predicted(X, offset, as_probabilities=True)

    @np.errstate(all="ignore")
    def _predicted(self, X: Any, offset: Any, as_probabilities: bool) -> np.ndarray:
        A, names, offset = self._checked(X, offset)
        theta, predict = self._theta, of_classes(self.classes.size).predictor(A)
        predicted, is_finite = predict(A, offset, theta, as_probabilities)
        if not is_finite:
            arrays.refuse_not_finite(A, names, largest=math.inf)
            z = predict(A, offset, theta, False)[0] if as_probabilities else predicted
            _refuse_infinite_margins(z, self.w)
        return predicted

    def _checked(self, X: Any, offset: Any) -> tuple[Any, Any, np.ndarray]:
        """X as kernels take it, the names of its columns and the offset; whether all is finite is not known yet."""
        frames.refuse_other_order(X=X, offset=offset)
        A, names = arrays.real_matrix(X, self.feature_names, self.w.shape[-1])
        if self.has_offset and offset is None:
            raise ValueError("the model was trained with an offset, so predicting needs one too: pass offset= (zeros for none)")
        return A, names, arrays.real_offset(offset, A.shape[0], self.classes)

    @part_by_part
    def predict(self, X: Any, offset: Any = None) -> np.ndarray:
        """Return the most probable class of each row, as its original label, (m,).

        Parameters and errors are those of `decision_function`.  The first of equally probable classes is returned.
        """
        return self.classes[of_classes(self.classes.size).decide(self.decision_function(X, offset))]

    def score(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Return the accuracy: the (weighted) share of rows, or of trials, whose label is predicted, between 0 and 1.

        Parameters
        ----------
        X, offset
            As for `decision_function`.
        y : array_like, (m,) or (m, 2), str or None
            Original labels; a label that the model does not know counts as predicted wrongly.  If the classes are 0 and 1, it may
            hold counts or shares of successes, as for `train`.  Where X is a stream or a path, it may be the name of a column, or
            None for blocks that bring it.
        sample_weight : array_like, (m,), or str, optional
            How often each row counts; of shares, the numbers of trials.

        Raises
        ------
        ValueError
            As for `decision_function`; y holds several labels or labels of another kind, and none of them is a class; or y holds
            counts or shares, and the classes are not 0 and 1.
        """
        if arrays.is_dask(X):
            raise TypeError("X is a Dask collection, and score takes arrays in memory; (model.predict(X) == y).mean() is the "
                            "same as a Dask array")
        frames.refuse_other_order(X=X, y=y, sample_weight=sample_weight, offset=offset)
        if arrays.is_in_blocks(X):
            from fastlr.data.stream.predictions import predicted_beside

            predicted, y, sample_weight = predicted_beside(self.predict, X, self.feature_names, y, sample_weight, offset)
        else:
            predicted = self.predict(X, offset)
        outcomes, s = self._outcomes(y, predicted.size), weights.checked(sample_weight, predicted.size)
        if outcomes.ndim == 2:
            rows = trials.rows_of(outcomes, s, np.empty(0))
            trials.refuse_no_trial(rows.y.size > 0)
            predicted, outcomes, s = predicted[rows.example], rows.y, rows.sample_weight
        right = predicted == outcomes
        if not right.any():
            labels.refuse_strangers(outcomes, self.classes)
        return float(np.average(right, weights=s if s.size else None))

    def _outcomes(self, y: Any, m: int) -> np.ndarray:
        """Labels (m,), or successes and failures (m, 2) where y holds counts or shares that are no classes."""
        outcomes = trials.labels_or_counts(y, m)
        if outcomes.ndim == 1 or not (trials.has_counts(y) or set(outcomes[:, 0].tolist()) - {0.0, 1.0, *self._labels}):
            return labels.labels_as_given(y, m)
        if self._labels != [0, 1]:
            raise ValueError(f"y holds counts or shares of successes, and the model's classes are {self._labels}; score a model "
                             "whose classes are 0 and 1, or pass labels, one row for each trial")
        return outcomes

    def plot_calibration(self, X: Any, y: Any, bins: int = 10, offset: Any = None, ax: Any = None) -> Any:
        """Draw how often a class occurs against its probability; needs matplotlib and scikit-learn.

        The class is the second of two, or each row's predicted one of three or more.  Rows are put into bins of about equal size
        by their probability.  A well calibrated model is near the diagonal.

        Parameters
        ----------
        X, y, offset
            As for `score`, preferably of rows that the model was not trained on.
        bins : int
            The number of bins.
        ax : matplotlib Axes, optional
            The axes to draw in; by default those of a new figure.

        Returns
        -------
        matplotlib Axes
        """
        bins = arguments.integer("bins", bins, at_least=1)
        return plots.calibration(*scores.calibrated(*self._labelled(X, y, offset)), self._labels, bins, ax)

    def plot_roc(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None, ax: Any = None) -> Any:
        """Draw the ROC curve: the true positive rate against the false positive rate, at every threshold.

        The second class is positive.  The legend has the area under the curve.  It needs matplotlib and scikit-learn.

        Parameters
        ----------
        X, y, sample_weight, offset
            As for `score`.
        ax : matplotlib Axes, optional
            The axes to draw in; by default those of a new figure.

        Returns
        -------
        matplotlib Axes
        """
        self._refuse_many_classes("plot_roc()")
        is_second, p = scores.calibrated(*self._labelled(X, y, offset, sample_weight))
        s = weights.checked(sample_weight, p.size)
        return plots.roc(is_second, p, s if s.size else None, repr(self._labels[1]), ax)

    def _labelled(self, X: Any, y: Any, offset: Any, sample_weight: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """The place (m,) of each row's label among the classes, and the probabilities (m, K)."""
        frames.refuse_other_order(X=X, y=y, offset=offset, sample_weight=sample_weight)
        P = self.predict_proba(X, offset)
        return labels.places(labels.labels_as_given(y, len(P)), self.classes), P

    def _refuse_many_classes(self, what: str) -> None:
        if self.classes.size > 2:
            raise NotImplementedError(f"{what} is for models of two classes, and this one has {self.classes.size}")


def _refuse_infinite_margins(z: np.ndarray, w: np.ndarray) -> None:
    """Raise ValueError, naming the row, if a margin of finite X and w is too large for float64."""
    bad = ~np.isfinite(z)
    if bad.any():
        i, z = int(np.argmax(bad)) // (z.size // len(z)), z[bad]
        raise ValueError(f"X and w together are too large for float64: {np.count_nonzero(bad)} margin(s) X w + b overflow, and "
                         f"the first is {float(z[0])!r} at row {i}; w is up to {float(np.abs(w).max()):.3g} in magnitude.  "
                         "Scale the features, and train again")
