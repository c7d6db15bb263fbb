"""Pictures of how well probabilities fit labels, by scikit-learn's displays."""

from typing import Any

import numpy as np

from fastlr.machine.distribution import needed


def calibration(is_second: np.ndarray, p: np.ndarray, label: str, bins: int, ax: Any) -> Any:
    """Draw the share of a class in bins of about equal size against its mean probability there; return the Axes."""
    needed("matplotlib", "matplotlib", "plot_calibration()")
    displays = needed("sklearn.calibration", "scikit-learn", "plot_calibration()")
    display = displays.CalibrationDisplay.from_predictions(is_second, p, n_bins=bins, strategy="quantile", name="model", ax=ax)
    display.ax_.set(xlabel=f"mean probability of {label}", ylabel=f"share of {label}")
    return display.ax_


def roc(is_second: np.ndarray, p: np.ndarray, sample_weight: np.ndarray | None, label: str, other: str, ax: Any) -> Any:
    """Draw the share of a class that is found against that of the other that is taken for it; return the Axes."""
    needed("matplotlib", "matplotlib", "plot_roc()")
    displays = needed("sklearn.metrics", "scikit-learn", "plot_roc()")
    display = displays.RocCurveDisplay.from_predictions(is_second, p, sample_weight=sample_weight, plot_chance_level=True,
                                                        name="model", ax=ax)
    display.ax_.set(xlabel=f"share of {other} taken for {label}", ylabel=f"share of {label} found")
    return display.ax_
