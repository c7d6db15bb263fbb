"""How well a model fits each example: residuals, leverages and Cook's distances (Pregibon, 1981).

An example is a group of n_i trials, k_i of which are successes, and a_i is its fitted probability.  A row with a label is a group
of s_i trials of one outcome, with its weight s_i; without weights it is one trial.  With the model's covariance V and
v_i = [x_i, 1],

    Pearson     r_i = (k_i - n_i a_i) / sqrt(n_i a_i (1 - a_i))
    deviance    d_i, with its sign and d_i^2 = 2 n_i (p_i log(p_i / a_i) + (1 - p_i) log((1 - p_i) / (1 - a_i))),  p_i = k_i / n_i
    leverage    h_i = n_i a_i (1 - a_i) v_i^T V v_i
    Cook's      r_i^2 h_i / (k (1 - h_i)^2) for k parameters

With K classes there are leverages and Cook's distances (Lesaffre and Albert, 1989), see `class_leverages`.
"""

from typing import NamedTuple

import numpy as np

from fastlr.backends.logistic import curvature, sigmoid
from fastlr.backends.numpy_vectorized import margins
from fastlr.data.dataset import InMemory, merged_by
from fastlr.data.passes import margins_and_forms
from fastlr.inference.class_leverages import leverages_and_moves
from fastlr.inference.covariance import of_design, to_design
from fastlr.inference.hypotheses import ChiSquaredTest
from fastlr.inference.statistics import Statistics, Training
from fastlr.problem.loss import of_classes

# The difference of a share and its probability, relative to the smaller of them, below which the logarithms would cancel.
_NEAR = 0.1


class Outcomes(NamedTuple):
    """What is observed of each example, and what the model says of it.

    Attributes
    ----------
    trials, successes : (m,) float64
    margin : (m,) float64
        0 where there are no trials.
    leverage : (m,) float64
        a (1 - a) v^T V v, which is the leverage of one trial; 0 where no V was given.
    """

    trials: np.ndarray
    successes: np.ndarray
    margin: np.ndarray
    leverage: np.ndarray


@merged_by(lambda first, second: np.concatenate([first, second], axis=1))
def outcomes_of_rows(part: InMemory, theta: np.ndarray, center: np.ndarray, V: np.ndarray | None) -> np.ndarray:
    """The weight, the successes, the margin and the leverage of one trial of every row, (4, r)."""
    s = part.weights
    z, forms = ((margins(part.X, part.offset, theta), np.zeros(s.size)) if V is None else
                margins_and_forms(part, theta, center, V))
    return np.array([s, s * part.y, z, curvature(z) * forms])


def outcomes(training: Training, theta: np.ndarray, center: np.ndarray | None = None, V: np.ndarray | None = None) -> Outcomes:
    """Find the outcomes of all examples by one read of X.

    Parameters
    ----------
    training : Training
    theta : (n + 1,)
    center : (n,), optional
    V : (n + 1, n + 1), optional
        The covariance of the parameters for features x - center.
    """
    center = np.zeros(theta.size - 1) if center is None else center
    with training.rows() as data:
        rows = data.reduce(outcomes_of_rows, theta, center, V)
    if data.example_of_rows is None:
        return Outcomes(*rows)
    example = data.example_of_rows()
    trials, successes = (np.bincount(example, values, data.n_examples) for values in rows[:2])
    margin, leverage = np.zeros((2, data.n_examples))
    margin[example], leverage[example] = rows[2:]
    return Outcomes(trials, successes, margin, leverage)


def pearson(found: Outcomes) -> np.ndarray:
    """Pearson's residuals (m,); 0 where there are no trials."""
    n, k, z, _ = found
    failures, root_of_odds = n - k, np.exp(0.5 * z)
    difference = np.where(k > 0.0, k / root_of_odds, 0.0) - np.where(failures > 0.0, failures * root_of_odds, 0.0)
    return difference / np.sqrt(np.where(n > 0.0, n, 1.0))


def deviance(found: Outcomes) -> np.ndarray:
    """The deviance residuals (m,), the sum of whose squares is the residual deviance; 0 where there are no trials."""
    n, k, z, _ = found
    p = k / np.where(n > 0.0, n, 1.0)
    loss = p * np.maximum(-z, 0.0) + (1.0 - p) * np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))
    of_a_trial = np.where(p > 0.5, 1.0, -1.0) * np.sqrt(2.0 * loss)
    mixed = np.flatnonzero((p > 0.0) & (p < 1.0))
    of_a_trial[mixed] = _of_shares(p[mixed], z[mixed], loss[mixed])
    return np.sqrt(n) * of_a_trial


def _of_shares(p: np.ndarray, z: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """The deviance residuals of one trial for shares p strictly between 0 and 1."""
    q = 1.0 - p
    difference = np.where(p < 0.5, p - sigmoid(z), sigmoid(-z) - q)
    far = loss + p * np.log(p) + q * np.log(q)
    near = -p * np.log1p(-difference / p) - q * np.log1p(difference / q)
    is_near = np.abs(difference) < _NEAR * np.minimum(p, q)
    return np.sign(difference) * np.sqrt(2.0 * np.maximum(np.where(is_near, near, far), 0.0))


def leverages_and_distances(training: Training, theta: np.ndarray, statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """Find the leverages (m,) and Cook's distances (m,) of the examples.

    A distance is about how far theta moves without the example, squared, in standard errors, per parameter.  That is one read of
    X, or three where the model has no covariance of all parameters.
    """
    center, V, parameters = of_design(training, theta, statistics)
    n_margins = of_classes(training.data.classes.size).n_margins
    if n_margins > 1:
        Theta = theta.reshape(n_margins, -1) @ to_design(center).T
        leverages, moves = training.data.reduce(leverages_and_moves, Theta, center, V)
        return leverages, moves / parameters
    found = outcomes(training, theta, center, V)
    leverages = found.trials * found.leverage
    return leverages, pearson(found) ** 2 * leverages / (parameters * (1.0 - leverages) ** 2)


def hosmer_lemeshow(found: Outcomes, groups: int) -> ChiSquaredTest:
    """Test the fit in groups of about equal numbers of trials, by their fitted probabilities."""
    n, k, z, _ = found
    a = sigmoid(z)
    bounds = np.unique(_quantiles(a, n, np.linspace(0.0, 1.0, groups + 1)))
    if bounds.size < 4:
        raise ValueError(f"groups={groups} gives {bounds.size - 1} group(s) of different fitted probabilities, and it needs "
                         "three")
    place = np.clip(np.searchsorted(bounds, a), 1, bounds.size - 1)             # bounds belong to the group below
    observed, expected, size = (np.bincount(place, weights)[1:] for weights in (k, n * a, n))
    chi2 = float(((observed - expected) ** 2 * (1.0 / expected + 1.0 / (size - expected))).sum())
    return ChiSquaredTest.of(chi2, bounds.size - 3)


def _quantiles(values: np.ndarray, counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The quantiles of values that are there so many times, as R and NumPy interpolate them."""
    order = np.argsort(values, kind="stable")
    values, until = values[order], np.cumsum(counts[order])
    place = shares * (until[-1] - 1.0)
    below = np.floor(place)
    first, second = (values[np.minimum(np.searchsorted(until, at, side="right"), values.size - 1)] for at in (below, below + 1.0))
    return first + (place - below) * (second - first)
