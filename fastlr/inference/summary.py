"""The table of a trained model: estimates, standard errors, tests, and measures of fit."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlr.inference.distributions import normal_quantile, normal_tails
from fastlr.inference.statistics import Statistics

# Parameters in a table of text or HTML, at most.
_MOST_LINES = 200
# Characters of a name in such a table, at most.
_LONGEST_NAME = 40


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Summary:
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
        Whether the model was trained with l2 > 0, and with an intercept.
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

    names: tuple[str, ...]
    estimate: np.ndarray
    covariance: np.ndarray
    level: float
    examples: float
    parameters: int
    is_penalised: bool
    fit_intercept: bool
    log_likelihood: float
    null_log_likelihood: float
    head: dict[str, str]
    notes: tuple[str, ...]

    @property
    def standard_error(self) -> np.ndarray:
        return np.sqrt(self.covariance.diagonal())

    @property
    def z(self) -> np.ndarray:
        return np.full_like(self.estimate, np.nan) if self.is_penalised else self.estimate / self.standard_error

    @property
    def p_value(self) -> np.ndarray:
        return np.array([normal_tails(z) for z in self.z])

    @property
    def lower(self) -> np.ndarray:
        return self.estimate - normal_quantile(self.level) * self.standard_error

    @property
    def upper(self) -> np.ndarray:
        return self.estimate + normal_quantile(self.level) * self.standard_error

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

    def to_dict(self) -> dict[str, Any]:
        """All numbers under their names, as JSON takes them: None for NaN."""
        columns = {name: [_or_none(value) for value in getattr(self, name).tolist()]
                   for name in ("estimate", "standard_error", "z", "p_value", "lower", "upper", "odds_ratio")}
        numbers = {name: _or_none(getattr(self, name)) for name in (
            "level", "examples", "parameters", "log_likelihood", "null_log_likelihood", "deviance", "null_deviance", "aic", "bic",
            "pseudo_r2")}
        return {"names": list(self.names)} | columns | numbers | {"head": self.head, "notes": list(self.notes)}

    def to_frame(self) -> Any:
        """The table as a pandas DataFrame, one parameter a row; needs pandas."""
        import pandas as pd

        return pd.DataFrame(dict(zip(self._heads(), self._columns(), strict=True)), index=list(self.names))

    def _heads(self) -> tuple[str, ...]:
        return "estimate", "std. error", "z", "p", f"{100.0 * self.level:g} % from", "to", "odds ratio"

    def _columns(self) -> tuple[np.ndarray, ...]:
        return self.estimate, self.standard_error, self.z, self.p_value, self.lower, self.upper, self.odds_ratio

    def _facts(self) -> list[tuple[str, str]]:
        if math.isnan(self.log_likelihood):
            return []
        return [("log-likelihood", f"{self.log_likelihood:.4f}"),
                ("null deviance", f"{self.null_deviance:.2f}{_on(self.examples - self.fit_intercept)}"),
                ("residual deviance", f"{self.deviance:.2f}{_on(self.examples - self.parameters)}"),
                *([] if self.is_penalised else [("AIC, BIC", f"{self.aic:.2f}, {self.bic:.2f}")]),
                ("pseudo R2 (McFadden)", f"{self.pseudo_r2:.4f}")]

    def _lines(self) -> list[tuple[str, ...]]:
        """The table in text, one tuple a row; at most `_MOST_LINES`."""
        formats = (_number, _number, _two_digits, _probability, _number, _number, _number)
        columns = [[show(value) for value in values[:_MOST_LINES].tolist()]
                   for show, values in zip(formats, self._columns(), strict=True)]
        names = [name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME - 1] + "…" for name in self.names[:_MOST_LINES]]
        return list(zip(names, *columns, strict=True))

    def _all_notes(self) -> list[str]:
        hidden = len(self.names) - _MOST_LINES
        return [*self.notes, *([f"{hidden} more parameters are not shown; to_frame() has all."] if hidden > 0 else [])]

    def __str__(self) -> str:
        facts = [*self.head.items(), *self._facts()]
        width = max(len(name) for name, _ in facts)
        lines = ["Logistic regression", *(f"  {name:<{width}}  {value}" for name, value in facts), ""]
        rows = [("", *self._heads()), *self._lines()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for name, *values in rows:
            cells = (f"{value:>{width}}" for value, width in zip(values, widths[1:], strict=True))
            lines.append(f"  {name:<{widths[0]}}  {'  '.join(cells)}".rstrip())
        return "\n".join([*lines, *(["", *self._all_notes()] if self._all_notes() else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        import html

        def row(cells: tuple[str, ...], tag: str) -> str:
            first, *others = map(html.escape, cells)
            return (f'<tr><th style="text-align:left">{first}</th>'
                    + "".join(f'<{tag} style="text-align:right">{cell}</{tag}>' for cell in others) + "</tr>")

        facts = "".join(f'<tr><th style="text-align:left">{name}</th>'
                        f'<td style="text-align:left">{html.escape(value)}</td></tr>'
                        for name, value in [*self.head.items(), *self._facts()])
        table = row(("", *self._heads()), "th") + "".join(row(line, "td") for line in self._lines())
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self._all_notes())
        return f"<div><b>Logistic regression</b><table>{facts}</table><table>{table}</table>{notes}</div>"


def summary(theta: np.ndarray, names: tuple[str, ...], head: dict[str, str], statistics: Statistics, covariance: np.ndarray,
            level: float) -> Summary:
    """Make the table of the parameters theta (n + 1,), with their covariance (n + 1, n + 1), and of their statistics."""
    n = theta.size - 1
    order = [*([n] if statistics.fit_intercept else []), *range(n)]
    all_names = (*names, "(intercept)")
    return Summary(names=tuple(all_names[k] for k in order), estimate=theta[order],
                   covariance=covariance[np.ix_(order, order)], level=level, examples=statistics.examples,
                   parameters=statistics.parameters, is_penalised=statistics.l2 > 0.0, fit_intercept=statistics.fit_intercept,
                   log_likelihood=statistics.log_likelihood, null_log_likelihood=statistics.null_log_likelihood, head=head,
                   notes=statistics.notes)


def _on(freedom: float) -> str:
    """Show degrees of freedom; nothing where there are more parameters than examples, which a penalty allows."""
    return f" on {freedom:.12g} degrees of freedom" if freedom >= 0.0 else ""


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float) -> str:
    """Show six significant digits, without an exponent where that is readable."""
    if math.isnan(value):
        return ""
    if value == 0.0 or not 1e-5 <= abs(value) < 1e7:
        return f"{value:.5g}"
    return f"{value:.{max(0, 5 - math.floor(math.log10(abs(value))))}f}"


def _two_digits(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _probability(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}" if value >= 1e-4 else f"{value:.1e}" if value >= 1e-99 else "<1e-99"
