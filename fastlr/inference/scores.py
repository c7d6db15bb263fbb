"""Scores of margins against labels.

Margins z are (m,) for two classes, and (m, K) for K.
"""

from collections.abc import Callable

import numpy as np

from fastlr.problem.loss import Loss

Score = Callable[[Loss, np.ndarray, np.ndarray, np.ndarray], float]
"""(loss, y, z, s) -> the score of the margins z of rows with labels 0 .. K - 1 and weights s."""


def deviance(loss: Loss, y: np.ndarray, z: np.ndarray, s: np.ndarray) -> float:
    """-2 log-likelihood for each example."""
    return 2.0 * float(np.average(loss.value(y, z.reshape(y.size, loss.n_margins)), weights=s))


def accuracy(loss: Loss, y: np.ndarray, z: np.ndarray, s: np.ndarray) -> float:
    """The share of the examples whose label is the most probable one."""
    return float(np.average(loss.decide(z) == y, weights=s))


def auc(y: np.ndarray, z: np.ndarray, s: np.ndarray) -> float:
    """The area under the ROC curve: the chance that one of the second class has a larger margin than one of the first."""
    if np.unique(y).size < 2:
        raise ValueError("a fold has held-out examples of one class only, for which there is no area under a curve; make fewer "
                         "folds, or choose another score")
    _, place = np.unique(z, return_inverse=True)
    second, first = np.bincount(place, s * y), np.bincount(place, s * (1 - y))
    smaller = np.cumsum(first) - 0.5 * first
    return float(second @ smaller / (second.sum() * first.sum()))


def calibrated(y: np.ndarray, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities (m,) that calibration is about, and whether each came true: (occurs, p).

    They are those of the second of two classes, or those of the predicted one of more.

    Parameters
    ----------
    y : (m,) int
        The place of each row's label among the classes.
    P : (m, K) float64
        The probability of each class.
    """
    if P.shape[1] == 2:
        return y == 1, P[:, 1]
    return y == P.argmax(axis=1), P.max(axis=1)


SCORES: dict[str, Score] = {"deviance": deviance, "accuracy": accuracy, "auc": lambda loss, y, z, s: auc(y, z, s)}
