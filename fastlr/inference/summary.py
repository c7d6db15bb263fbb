"""The table of a trained model: estimates, standard errors, tests, and measures of fit."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlr.inference.distributions import chi_squared_tail
from fastlr.inference.profile import likelihood_ratios
from fastlr.inference.statistics import Statistics, Training
from fastlr.inference.table import Table


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Summary(Table):
    """The table that `Model.summary` returns: print it, show it in a notebook, or take its numbers.

    Attributes
    ----------
    names : tuple of str
        The names of the k parameters: "(intercept)" if one was fitted, then the features.
    estimate : (k,) float64
    standard_error : (k,) float64
        NaN where there is none; `notes` say why.
    z, p_value : (k,) float64
        estimate / standard_error, and the two-sided p-value of Wald's test that the parameter is 0.
    lower, upper : (k,) float64
        The confidence interval at `level`.
    odds_ratio : (k,) float64
        e^estimate: the factor by which one unit of the feature multiplies the odds of the second class.
    covariance : (k, k) float64
        The covariance of the estimates, of the kind that was asked for.
    level : float
        The probability with which an interval covers its parameter.
    examples : float
        The sum of the weights, where these count examples; otherwise the number of rows with a weight other than 0.
    parameters : int
        The number of parameters that the data determine.
    is_penalised, fit_intercept : bool
        Whether the model was trained with a penalty, and with an intercept.
    log_likelihood, null_log_likelihood : float
        Natural logarithms of the likelihoods of this model and of the best model with w = 0.  They and all that is made of them
        are NaN where the weights don't count examples; `notes` say why.
    deviance, null_deviance : float
        -2 log_likelihood, and -2 null_log_likelihood.
    aic, bic : float
        deviance + 2 parameters, and deviance + log(examples) parameters; NaN with a penalty.
    pseudo_r2 : float
        1 - deviance / null_deviance (McFadden's).
    head : dict of str to str
        Lines about how the model was trained.
    notes : tuple of str
        Sentences to read beside the table.
    """

    examples: float
    parameters: int
    fit_intercept: bool
    log_likelihood: float
    null_log_likelihood: float

    title = "Logistic regression"
    columns = (*Table.columns, "odds_ratio")
    numbers = ("level", "examples", "parameters", "log_likelihood", "null_log_likelihood", "deviance", "null_deviance", "aic",
               "bic", "pseudo_r2")

    @property
    def odds_ratio(self) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.exp(self.estimate)

    @property
    def deviance(self) -> float:
        return -2.0 * self.log_likelihood

    @property
    def null_deviance(self) -> float:
        return -2.0 * self.null_log_likelihood

    @property
    def aic(self) -> float:
        return math.nan if self.is_penalised else self.deviance + 2.0 * self.parameters

    @property
    def bic(self) -> float:
        return math.nan if self.is_penalised else self.deviance + math.log(self.examples) * self.parameters

    @property
    def pseudo_r2(self) -> float:
        return 1.0 - self.log_likelihood / self.null_log_likelihood

    def _facts(self) -> list[tuple[str, str]]:
        if math.isnan(self.log_likelihood):
            return []
        return [*self._likelihoods(), *([] if self.is_penalised else [("AIC, BIC", f"{self.aic:.2f}, {self.bic:.2f}")]),
                ("pseudo R2 (McFadden)", f"{self.pseudo_r2:.4f}")]

    def _likelihoods(self) -> list[tuple[str, str]]:
        """Lines about the likelihoods, with their names."""
        return [("log-likelihood", f"{self.log_likelihood:.4f}"),
                ("null deviance", f"{self.null_deviance:.2f}{_on(self.examples - self.fit_intercept)}"),
                ("residual deviance", f"{self.deviance:.2f}{_on(self.examples - self.parameters)}")]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LikelihoodRatioSummary(Summary):
    """A summary whose tests and intervals are those of the likelihood ratio, as R's logistf prints them.

    Attributes
    ----------
    chi2 : (k,) float64
        The statistics of the tests that a parameter is 0, with all others at their best; NaN with l2.
    p_value : (k,) float64
        Their p-values, with one degree of freedom.
    lower, upper : (k,) float64
        The intervals of the profile likelihood; they may be infinite where the classes are separated.
    """

    chi2: np.ndarray
    bounds: np.ndarray

    columns = ("estimate", "standard_error", "chi2", "p_value", "lower", "upper", "odds_ratio")

    @property
    def p_value(self) -> np.ndarray:
        return np.array([chi_squared_tail(chi2, 1) for chi2 in self.chi2])

    @property
    def lower(self) -> np.ndarray:
        return self.bounds[:, 0]

    @property
    def upper(self) -> np.ndarray:
        return self.bounds[:, 1]


def summary(theta: np.ndarray, V: np.ndarray, names: tuple[str, ...], head: dict[str, str], statistics: Statistics, level: float,
            training: Training | None = None, cost: float = math.nan) -> Summary:
    """Make the table of the parameters theta (n + 1,), with their covariance V (n + 1, n + 1), and of their statistics.

    Tests are Wald's, or those of the likelihood ratio where the training is given, with J at theta.
    """
    order = places_of(theta.size, statistics)
    values = values_of(theta[None], V[None, :, None], names, head, statistics, level)
    if training is None:
        return Summary(**values)
    chi2, bounds = likelihood_ratios(training, theta, cost, order, level, with_chi2=not values["is_penalised"])
    return LikelihoodRatioSummary(**values, chi2=chi2, bounds=bounds)


def places_of(side: int, statistics: Statistics) -> list[int]:
    """The places of the parameters (n + 1,) in the order of a table: the intercept first, if it was fitted."""
    return [*([side - 1] if statistics.fit_intercept else []), *range(side - 1)]


def values_of(Theta: np.ndarray, V: np.ndarray, names: tuple[str, ...], head: dict[str, str], statistics: Statistics,
              level: float) -> dict[str, Any]:
    """What a table has of the parameters Theta (r, n + 1), with their covariance V (r, n + 1, r, n + 1), and their statistics."""
    order, all_names = places_of(Theta.shape[1], statistics), (*names, "(intercept)")
    estimate = Theta[:, order].ravel()
    return {"names": tuple(all_names[j] for _ in Theta for j in order), "estimate": estimate,
            "covariance": V[:, order][..., order].reshape(estimate.size, estimate.size), "level": level, "head": head,
            "is_penalised": statistics.penalty() != "", "examples": statistics.examples, "parameters": statistics.parameters,
            "fit_intercept": statistics.fit_intercept, "log_likelihood": statistics.log_likelihood,
            "null_log_likelihood": statistics.null_log_likelihood, "notes": statistics.notes}


def _on(freedom: float) -> str:
    """Show degrees of freedom; nothing where there are more parameters than examples, which a penalty allows."""
    return f" on {freedom:.12g} degrees of freedom" if freedom >= 0.0 else ""
