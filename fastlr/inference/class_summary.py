"""The table of a model of K classes: how the log-odds of each class against one of them, the base, depend on the features.

Softmax leaves open what all classes have in common, so that the data determine differences of two classes' parameters only.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlr.inference.hypotheses import ChiSquaredTest
from fastlr.inference.statistics import Statistics, far_from_optimum
from fastlr.inference.summary import Summary, places_of, values_of
from fastlr.inference.table import ClassTable


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ClassSummary(ClassTable, Summary):
    """The table that `Model.summary` returns for K classes, as Stata's mlogit and statsmodels' MNLogit print it.

    It has the attributes and methods of `Summary` and `ClassTable`, and these:

    Attributes
    ----------
    base : object
        The label of the class that the others are compared with.
    odds_ratio : (k,) float64
        e^estimate: the factor by which one unit of the feature multiplies the odds of the class against the base.
    likelihood_ratio : ChiSquaredTest
        The test of all features, against the best model with w = 0; NaN with a penalty, and far from the optimum.
    """

    base: Any

    @property
    def likelihood_ratio(self) -> ChiSquaredTest:
        free = len(set(self.class_of)) * self.fit_intercept
        is_no_maximum = self.is_penalised or far_from_optimum(self.notes)
        chi2 = math.nan if is_no_maximum else 2.0 * (self.log_likelihood - self.null_log_likelihood)
        return ChiSquaredTest.of(chi2, self.parameters - free)

    def to_dict(self) -> dict[str, Any]:
        return {"base": self.base} | super().to_dict()

    def _likelihoods(self) -> list[tuple[str, str]]:
        facts = [("log-likelihood", f"{self.log_likelihood:.4f}, and {self.null_log_likelihood:.4f} without features")]
        chi2, df, p_value = self.likelihood_ratio
        if not math.isnan(chi2):
            facts.append(("likelihood ratio", f"chi2 = {chi2:.2f} on {df} degrees of freedom, p = {p_value:.4g}"))
        return facts


def class_summary(Theta: np.ndarray, V: np.ndarray, names: tuple[str, ...], classes: list[Any], base: int, head: dict[str, str],
                  statistics: Statistics, level: float) -> ClassSummary:
    """Make the table of Theta (K, n + 1) less the row of the base, where V (K (n + 1), K (n + 1)) is the covariance of Theta."""
    V = V.reshape(*Theta.shape, *Theta.shape)
    V = np.delete(V - V[base], base, axis=0)
    V = np.delete(V - V[:, :, base, None], base, axis=2)
    values = values_of(np.delete(Theta - Theta[base], base, axis=0), V, names, head, statistics, level)
    class_of = (label for k, label in enumerate(classes) if k != base for _ in places_of(Theta.shape[1], statistics))
    return ClassSummary(**values, class_of=tuple(class_of), base=classes[base])
