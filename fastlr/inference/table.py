"""Tables of estimates with standard errors, tests and intervals, also of several classes: in text, HTML, a DataFrame or JSON."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastlr.inference.distributions import normal_quantile, normal_tails
from fastlr.machine.distribution import needed

# Parameters in a table of text or HTML, at most.
_MOST_LINES = 200
# Characters of a name in such a table, at most.
_LONGEST_NAME = 40


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Table:
    """Estimates with their covariance: print it, show it in a notebook, or take its numbers.

    Attributes
    ----------
    names : tuple of str
        The names of the k estimates.
    estimate : (k,) float64
    standard_error : (k,) float64
        NaN where there is none; `notes` say why.
    z, p_value : (k,) float64
        estimate / standard_error, and the two-sided p-value of Wald's test that the estimate is 0; NaN with a penalty.
    lower, upper : (k,) float64
        The confidence interval at `level`.
    covariance : (k, k) float64
        The covariance of the estimates, of the kind that was asked for.
    level : float
        The probability with which an interval covers its parameter.
    is_penalised : bool
        Whether the model was trained with a penalty.
    head : dict of str to str
        Lines about what was estimated.
    notes : tuple of str
        Sentences to read beside the table.
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    covariance: np.ndarray
    level: float
    is_penalised: bool
    head: dict[str, str]
    notes: tuple[str, ...]

    title: ClassVar[str]
    """The first line of the table."""
    columns: ClassVar[tuple[str, ...]] = ("estimate", "standard_error", "z", "p_value", "lower", "upper")
    """The attributes that the table has a column for."""
    numbers: ClassVar[tuple[str, ...]] = ("level",)
    """The attributes that are numbers of the whole."""

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

    def to_dict(self) -> dict[str, Any]:
        """All numbers under their names, as JSON takes them: None for NaN and infinity."""
        columns = {name: [_or_none(value) for value in getattr(self, name).tolist()] for name in self.columns}
        numbers = {name: _or_none(getattr(self, name)) for name in self.numbers}
        return {"names": list(self.names)} | columns | numbers | {"head": self.head, "notes": list(self.notes)}

    def to_frame(self) -> Any:
        """The table as a pandas DataFrame, one estimate a row; needs pandas."""
        columns = dict(zip(self._heads(), (getattr(self, name) for name in self.columns), strict=True))
        return needed("pandas", "pandas", "to_frame()").DataFrame(columns, index=list(self.names))

    def _heads(self) -> tuple[str, ...]:
        return tuple(_HEADS[name].format(100.0 * self.level) for name in self.columns)

    def _facts(self) -> list[tuple[str, str]]:
        """Names and values of further lines above the table."""
        return []

    def _lines(self) -> list[tuple[str, ...]]:
        """The table in text, one tuple a row; at most `_MOST_LINES`."""
        columns = [[_FORMATS.get(name, _number)(value) for value in getattr(self, name)[:_MOST_LINES].tolist()]
                   for name in self.columns]
        names = [name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME - 1] + "…" for name in self.names[:_MOST_LINES]]
        return list(zip(names, *columns, strict=True))

    def _all_notes(self) -> list[str]:
        hidden = len(self.names) - _MOST_LINES
        return [*self.notes, *([f"{hidden} more parameters are not shown; to_frame() has all."] if hidden > 0 else [])]

    def __str__(self) -> str:
        facts = [*self.head.items(), *self._facts()]
        width = max(len(name) for name, _ in facts)
        lines = [self.title, *(f"  {name:<{width}}  {value}" for name, value in facts), ""]
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
        return f"<div><b>{self.title}</b><table>{facts}</table><table>{table}</table>{notes}</div>"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ClassTable(Table):
    """Estimates of one class behind another.

    Attributes
    ----------
    names : tuple of str
        The names of the k estimates, once for each class.
    class_of : tuple
        The label of the class that each estimate belongs to.
    """

    class_of: tuple[Any, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"classes": list(self.class_of)} | super().to_dict()

    def to_frame(self) -> Any:
        frame = super().to_frame()
        import pandas as pd  # which has just made the frame

        return frame.set_axis(pd.MultiIndex.from_arrays([self.class_of, self.names], names=["class", None]))

    def _lines(self) -> list[tuple[str, ...]]:
        lines: list[tuple[str, ...]] = []
        for i, line in enumerate(super()._lines()):
            if i == 0 or self.class_of[i] != self.class_of[i - 1]:
                lines.append((repr(self.class_of[i]), *("" for _ in self.columns)))
            lines.append((f"  {line[0]}", *line[1:]))
        return lines


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


# The heads of columns, some with the level in percent.
_HEADS = {"estimate": "estimate", "standard_error": "std. error", "z": "z", "chi2": "chi2", "p_value": "p",
          "lower": "{:g} % from", "upper": "to", "odds_ratio": "odds ratio"}
# How columns are shown that don't have six significant digits.
_FORMATS = {"z": _two_digits, "chi2": _two_digits, "p_value": _probability}
