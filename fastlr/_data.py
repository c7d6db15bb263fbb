"""Where a training's data lie: the door to `_check` for arrays, and to what brings in other data."""

from typing import Any

from fastlr import _check
from fastlr._check import Data


def data(X: Any, y: Any, sample_weight: Any, class_weight: Any, offset: Any) -> Data:
    """All that `train` is given about the rows, checked; see `_check.data`."""
    return _check.data(X, y, sample_weight, class_weight, offset)


def data_as_given(X: Any, y: Any, sample_weight: Any, offset: Any) -> Data:
    """The same for y of 0 and 1; see `_check.data_as_given`."""
    return _check.data_as_given(X, y, sample_weight, offset)
