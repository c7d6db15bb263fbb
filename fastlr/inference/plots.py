"""Pictures: costs; how well probabilities fit labels, by scikit-learn's displays; the path of an elastic net, and its scores."""

from typing import Any

import numpy as np

from fastlr.machine.distribution import needed

# The most pictures beside each other.
_MOST_IN_A_ROW = 3
# Rounds of moving labels apart, for each of them.
_ROUNDS = 20


def costs(cost: np.ndarray, ax: Any) -> Any:
    """Draw J before the first update and after each, (n_iter + 1,); return the Axes."""
    ax, = axes_of("plot_costs()", ax, 1)
    ax.plot(np.arange(cost.size), cost)
    ax.set(xlabel="updates", ylabel="cost J")
    return ax


def calibration(occurs: np.ndarray, p: np.ndarray, labels: list[Any], bins: int, ax: Any) -> Any:
    """Draw how often a class occurs in bins of about equal size against its mean probability there; return the Axes.

    The class is the second of two labels, or the predicted one of more.
    """
    needed("matplotlib", "matplotlib", "plot_calibration()")
    displays = needed("sklearn.calibration", "scikit-learn", "plot_calibration()")
    display = displays.CalibrationDisplay.from_predictions(occurs, p, n_bins=bins, strategy="quantile", name="model", ax=ax)
    xlabel, ylabel = ((f"mean probability of {labels[1]!r}", f"share of {labels[1]!r}") if len(labels) == 2 else
                      ("mean probability of the predicted class", "share that is predicted right"))
    display.ax_.set(xlabel=xlabel, ylabel=ylabel)
    return display.ax_


def roc(is_second: np.ndarray, p: np.ndarray, sample_weight: np.ndarray | None, label: str, ax: Any) -> Any:
    """Draw the ROC curve of a class, by its label; return the Axes."""
    needed("matplotlib", "matplotlib", "plot_roc()")
    displays = needed("sklearn.metrics", "scikit-learn", "plot_roc()")
    display = displays.RocCurveDisplay.from_predictions(is_second, p, sample_weight=sample_weight, plot_chance_level=True,
                                                        name="model", ax=ax)
    display.ax_.set(xlabel=f"false positive rate ({label} is positive)", ylabel="true positive rate")
    return display.ax_


def path(lambdas: np.ndarray, w: np.ndarray, used: np.ndarray, names: tuple[str, ...], labels: int, of_class: str,
         ax: Any) -> None:
    """Draw the coefficients w (L, n) against the penalties, and label the largest at the end.

    `of_class` says whose coefficients these are.  The columns that any class uses, in order, give a column the same color in the
    pictures of all classes.
    """
    chosen = np.flatnonzero(w.any(axis=0))
    lines = ax.plot(lambdas, w[:, chosen])
    for line, place in zip(lines, np.searchsorted(used, chosen), strict=True):
        line.set_color(f"C{place}")
    largest = np.argsort(-np.abs(w[-1, chosen]), kind="stable")[:labels]
    apart = _apart(w[-1, chosen[largest]], 0.045 * float(np.ptp(ax.get_ylim())))
    for k, y in zip(largest, apart, strict=True):
        ax.annotate(names[chosen[k]], (1.0, y), (4.0, 0.0), xycoords=("axes fraction", "data"), textcoords="offset points",
                    color=lines[k].get_color(), va="center", fontsize="small", annotation_clip=False)
    ax.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    ax.set_ylabel(f"coefficient{of_class}")
    _along(lambdas, np.count_nonzero(w, axis=1), ax)


def scores(lambdas: np.ndarray, mean: np.ndarray, standard_error: np.ndarray, n_nonzero: np.ndarray, name: str,
           chosen: dict[str, int], ax: Any) -> Any:
    """Draw the mean score against the penalties, with a standard error to both sides and the chosen places; return the Axes."""
    ax, = axes_of("plot_scores()", ax, 1)
    ax.errorbar(lambdas, mean, standard_error, fmt="o", markersize=3.0, color="C0", ecolor="0.7", elinewidth=1.0)
    for (label, i), style in zip(chosen.items(), ("--", ":"), strict=False):
        ax.axvline(lambdas[i], color="0.3", linestyle=style, linewidth=1.0, label=f"{label}: {n_nonzero[i]} columns")
    ax.legend()
    ax.set_ylabel(f"{name}, mean over folds")
    _along(lambdas, n_nonzero, ax)
    return ax


def axes_of(what: str, ax: Any, count: int) -> np.ndarray:
    """The axes (count,) that were given, or those of a new figure, which has room for names."""
    if ax is None:
        return axes_in(needed("matplotlib.pyplot", "matplotlib", what).figure(layout="constrained"), count)
    axes = np.ravel(ax)
    if axes.size != count:
        raise ValueError(f"ax must be {count} Axes, one for each class, not {axes.size}; or choose one class by class_label=")
    return axes


def axes_in(figure: Any, count: int) -> np.ndarray:
    """So many axes in an empty figure, which becomes larger for them: each has the size that the figure had."""
    columns = min(count, _MOST_IN_A_ROW)
    rows = -(-count // columns)
    figure.set_size_inches(figure.get_size_inches() * (columns, rows))
    return np.array([figure.add_subplot(rows, columns, i) for i in range(1, count + 1)])


def _along(lambdas: np.ndarray, n_nonzero: np.ndarray, ax: Any) -> None:
    """Let the penalty fall from left to right, on a logarithmic scale, with the numbers of columns above."""
    ax.set(xscale="log", xlabel="lambda")
    ax.invert_xaxis()
    places = np.unique(np.linspace(0, lambdas.size - 1, 7).round().astype(int))
    above = ax.secondary_xaxis("top")
    above.set_xticks(lambdas[places], [str(count) for count in n_nonzero[places]])
    above.minorticks_off()
    above.set_xlabel("columns")


def _apart(values: np.ndarray, distance: float) -> np.ndarray:
    """Move values apart until neighbors have about this distance, each as little as possible."""
    order = np.argsort(values, kind="stable")
    moved = values[order].astype(float)
    for _ in range(_ROUNDS * values.size):
        lacking = 0.5 * np.maximum(distance - np.diff(moved), 0.0)
        moved[:-1] -= lacking
        moved[1:] += lacking
    apart = np.empty_like(moved)
    apart[order] = moved
    return apart
