"""fastlr: logistic regression that trains as fast as the machine can read the data.

>>> import numpy as np, fastlr
>>> rng = np.random.default_rng(0)
>>> X = rng.standard_normal((1000, 3))
>>> y = X @ [1.0, -2.0, 0.5] + rng.logistic(size=1000) > 0
>>> model = fastlr.train(X, y)
>>> model.converged, model.w.round(3)
(True, array([ 0.866, -2.058,  0.593]))
"""

import importlib
from typing import Any

from fastlr._environment import show_versions, warmup
from fastlr._path import path
from fastlr._train import cost_and_gradient, train
from fastlr.backends import available_backends
from fastlr.data.stream.blocks import stream
from fastlr.machine import distribution
from fastlr.machine.warnings import ConvergenceWarning, SeparationWarning
from fastlr.model.model import Model, load
from fastlr.model.path import Path

__version__ = distribution.VERSION

__all__ = ["ConvergenceWarning", "Model", "Path", "SeparationWarning", "available_backends", "cost_and_gradient", "load",
           "path", "show_versions", "stream", "train", "warmup"]

distribution.warn_of_another()


def __dir__() -> list[str]:
    return [*__all__, "LogisticRegression", "LogisticRegressionCV", "__doc__", "__version__", "formula", "graph"]


def __getattr__(name: str) -> Any:
    if name == "graph":
        return importlib.import_module("fastlr.graph")
    if name == "formula":
        return distribution.needed("fastlr.formula", "formulaic", "fastlr.formula")
    if name in ("LogisticRegression", "LogisticRegressionCV"):      # not in __all__: `import *` would import scikit-learn
        try:
            from fastlr.sklearn import cv, estimator
        except ImportError as error:
            raise ImportError(f"fastlr.{name} needs scikit-learn 1.6 or later, which can't be imported "
                              f"({error}); " + distribution.how_to_install("'scikit-learn>=1.6'")) from error
        return estimator.LogisticRegression if name == "LogisticRegression" else cv.LogisticRegressionCV
    raise AttributeError(f"module 'fastlr' has no attribute {name!r}")
