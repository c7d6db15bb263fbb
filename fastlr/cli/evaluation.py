"""How well predicted probabilities fit labels: log-loss, accuracy, AUC, calibration, confusion; as text, JSON or a picture."""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastlr.inference import plots, scores
from fastlr.machine import distribution, files

# Groups of rows of similar probability in the table of calibration.
_GROUPS = 10


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` finds."""

    examples: float             # the sum of the weights
    log_loss: float             # the mean of -log(probability of the label), and
    null_log_loss: float        # that by the share of each label in these rows
    accuracy: float             # the share of rows whose label is predicted, and
    null_accuracy: float        # that of the most frequent label
    # The chance that a row of the second label has a larger probability of it than a row of the first; None unless there are two
    # labels, both of which occur.
    auc: float | None
    # The number of rows in each of ten groups of similar probability, the mean probability, and the share of rows that have the
    # label.  The probability is that of the second of two labels, or that of the predicted one of three or more.
    calibration: list[dict[str, float]]
    labels: list[str]
    confusion: list[list[float]]        # the weight of the rows of each label (outer list) that are predicted to have each label

    def to_dict(self) -> dict[str, Any]:
        """All numbers under their names."""
        return asdict(self)

    def __str__(self) -> str:
        quoted = [repr(label) for label in self.labels]
        facts = [("examples", f"{self.examples:.12g}"),
                 ("log-loss", f"{self.log_loss:.6f}   ({self.null_log_loss:.6f} by the shares of the labels alone)"),
                 ("accuracy", f"{self.accuracy:.6f}   ({self.null_accuracy:.6f} by the most frequent label alone)")]
        if self.auc is not None:
            facts.append(("AUC", f"{self.auc:.6f}"))
        groups: list[tuple[str, ...]] = [
            ("rows", "mean probability", "share that has it"),
            *((f"{group['rows']}", f"{group['probability']:.4f}", f"{group['share']:.4f}") for group in self.calibration)]
        counts = [("", *(f"predicted {label}" for label in quoted))]
        for label, row in zip(quoted, self.confusion, strict=True):
            counts.append((f"is {label}", *(f"{weight:.12g}" for weight in row)))
        return "\n".join(["Evaluation", *(f"  {name:<10}{value}" for name, value in facts),
                          "", f"Calibration of the probability of {quoted[1] if len(quoted) == 2 else 'the predicted label'}",
                          *table(groups),
                          "", "Confusion", *table(counts)])


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of cells that stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]


def evaluate(y: np.ndarray, P: np.ndarray, s: np.ndarray, labels: list[str]) -> Evaluation:
    """Compare the places y (m,) of the rows' labels with the probabilities P (m, K) of all labels, by weights s (m,)."""
    K = len(labels)
    share = np.bincount(y, s, K) / s.sum()
    predicted = P.argmax(axis=1)
    with np.errstate(divide="ignore"):
        losses = -np.log(P[np.arange(y.size), y])
        null_log_loss = float(np.sum(share[share > 0.0] * -np.log(share[share > 0.0]))) + 0.0       # not -0
    confusion = np.bincount(K * y + predicted, s, K * K).reshape(K, K).astype(float)
    return Evaluation(float(s.sum()), float(np.average(losses, weights=s)), null_log_loss,
                      float(np.average(predicted == y, weights=s)), float(share.max()),
                      scores.auc(y, P[:, 1], s) if K == 2 and share.all() else None,
                      _calibration(*scores.calibrated(y, P), s), labels, confusion.tolist())


def _calibration(has_label: np.ndarray, p: np.ndarray, s: np.ndarray) -> list[dict[str, float]]:
    """Groups of about as many rows each, in the order of their probability."""
    order = np.argsort(p, kind="stable")
    groups = (rows for rows in np.array_split(order, _GROUPS) if s[rows].any())
    return [{"rows": int(rows.size), "probability": float(np.average(p[rows], weights=s[rows])),
             "share": float(np.average(has_label[rows], weights=s[rows]))} for rows in groups]


def plot(y: np.ndarray, P: np.ndarray, s: np.ndarray, labels: list[str], path: str) -> None:
    """Draw calibration, and for two labels the ROC curve beside it, into a file of the format that its name says."""
    with axes_of(path, 2 if len(labels) == 2 else 1) as axes:
        plots.calibration(*scores.calibrated(y, P), labels, _GROUPS, axes[0])
        if len(labels) == 2:
            plots.roc(y == 1, P[:, 1], s, repr(labels[1]), axes[1])


@contextlib.contextmanager
def axes_of(path: str, count: int) -> Iterator[Any]:
    """An array of axes beside each other, which are written to a file of the format that its name says."""
    distribution.needed("matplotlib", "matplotlib", "--plot").use("Agg")
    figure = distribution.needed("matplotlib.figure", "matplotlib", "--plot").Figure(figsize=(5, 5), layout="constrained")
    yield plots.axes_in(figure, count)
    with files.replacing(path) as file:
        figure.savefig(file, format=path.rpartition(".")[2].lower())
