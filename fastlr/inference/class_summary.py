"""The table of a model of K classes: how the log-odds of each class against one of them, the base, depend on the features.

Softmax leaves open what all classes have in common, so that the data determine differences of two classes' parameters only.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastlr.inference.class_table import ClassTable
from fastlr.inference.hypotheses import ChiSquaredTest
from fastlr.inference.statistics import Statistics
from fastlr.inference.summary import Summary


class Differences(NamedTuple):
    """Parameters of all classes but the base, less those of the base.

    Attributes
    ----------
    estimate : (K - 1, p)
    covariance : (K - 1, p, K - 1, p)
    """

    estimate: np.ndarray
    covariance: np.ndarray

    @classmethod
    def to_base(cls, Theta: np.ndarray, V: np.ndarray, base: int) -> "Differences":
        """Those of the parameters Theta (K, p) with the covariance V (K p, K p) to the class with the number base."""
        blocks = V.reshape(*Theta.shape, *Theta.shape)
        blocks = np.delete(blocks - blocks[base], base, axis=0)
        blocks = np.delete(blocks - blocks[:, :, base, None], base, axis=2)
        return cls(np.delete(Theta - Theta[base], base, axis=0), blocks)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ClassSummary(ClassTable, Summary):
    """The table that `Model.summary` returns for K classes, as Stata's mlogit and statsmodels' MNLogit print it.

    Attributes and methods are those of `Summary` and `ClassTable`, and

    Attributes
    ----------
    base : object
        The label of the class that the others are compared with.
    odds_ratio : (k,) float64
        e^estimate: the factor by which one unit of the feature multiplies the odds of the class against the base.
    likelihood_ratio : ChiSquaredTest
        The test of all features, against the best model with w = 0.
    """

    base: Any

    @property
    def likelihood_ratio(self) -> ChiSquaredTest:
        free = len(set(self.class_of)) * self.fit_intercept
        chi2 = np.nan if self.is_penalised else 2.0 * (self.log_likelihood - self.null_log_likelihood)
        return ChiSquaredTest.of(chi2, self.parameters - free)

    def to_dict(self) -> dict[str, Any]:
        return {"base": self.base} | super().to_dict()

    def _facts(self) -> list[tuple[str, str]]:
        if np.isnan(self.log_likelihood):
            return []
        facts = [("log-likelihood", f"{self.log_likelihood:.4f}, and {self.null_log_likelihood:.4f} without features")]
        if not self.is_penalised:
            chi2, df, p_value = self.likelihood_ratio
            facts += [("likelihood ratio", f"chi2 = {chi2:.2f} on {df} degrees of freedom, p = {p_value:.4g}"),
                      ("AIC, BIC", f"{self.aic:.2f}, {self.bic:.2f}")]
        return [*facts, ("pseudo R2 (McFadden)", f"{self.pseudo_r2:.4f}")]


def class_summary(Theta: np.ndarray, names: tuple[str, ...], classes: list[Any], base: int, head: dict[str, str],
                  statistics: Statistics, covariance: np.ndarray, level: float) -> ClassSummary:
    """Make the table of the parameters Theta (K, n + 1), with their covariance (K (n + 1), K (n + 1))."""
    n = Theta.shape[1] - 1
    order = [*([n] if statistics.fit_intercept else []), *range(n)]
    all_names, others = (*names, "(intercept)"), [label for k, label in enumerate(classes) if k != base]
    estimate, blocks = Differences.to_base(Theta, covariance, base)
    blocks = blocks[:, order][..., order]
    return ClassSummary(names=tuple(all_names[j] for _ in others for j in order), estimate=estimate[:, order].ravel(),
                        class_of=tuple(label for label in others for _ in order), base=classes[base],
                        covariance=blocks.reshape(2 * (len(others) * len(order),)), level=level, examples=statistics.examples,
                        parameters=statistics.parameters, is_penalised=statistics.penalty() != "",
                        fit_intercept=statistics.fit_intercept, log_likelihood=statistics.log_likelihood,
                        null_log_likelihood=statistics.null_log_likelihood, head=head, notes=statistics.notes)
