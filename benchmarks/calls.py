"""How long does what people call take?  All arguments are at their defaults, the backend and the solver included.

Warm: the process has trained once before, and what it compiles then is there.  Cold: a fresh process, an empty compile cache.
"""

import numpy as np

from . import fastlr_to_the_optimum, problem, sparse, without_cache
from .classes import labels

_DENSE = {"2000 x 20": (2000, 20), "100000 x 50": (100000, 50), "1000000 x 20": (1000000, 20)}

_TRAIN = """
import numpy as np
import fastlr
rng = np.random.default_rng(0)
X = rng.standard_normal({shape})
fastlr.train(X, X[:, 0] + rng.logistic(size=len(X)) > 0)
"""


def data(name):
    """X and y of a case."""
    return problem(*_DENSE[name]) if name in _DENSE else sparse.problem(name)


class Train:
    """`fastlr.train(X, y)`, warm."""

    version = "1"
    rounds = 1
    repeat = (3, 10, 1.0)
    param_names = ("X",)
    params = ("2000 x 20", "100000 x 50", "1000000 x 20", "30000 x 120, 14 a row")

    def setup(self, name):
        self.fastlr, self.data = fastlr_to_the_optimum(), data(name)
        self.time_train(name)

    def time_train(self, name):
        self.fastlr.train(*self.data)

    time_train.pretty_name = "fastlr.train(X, y)"


class TrainCold:
    """`fastlr.train(X, y)` as the first thing that ever happens on a machine, imports included."""

    version = "1"
    rounds, number, warmup_time = 1, 1, 0.0
    repeat = 3
    param_names = ("X",)
    params = ("2000 x 20", "100000 x 50", "1000000 x 20")

    def setup(self, name):
        fastlr_to_the_optimum()

    def timeraw_train(self, name):
        return without_cache(_TRAIN.format(shape=_DENSE[name]))

    timeraw_train.pretty_name = "fastlr.train(X, y), cold"


class Softmax:
    """`fastlr.train(X, y)` with three classes and more, warm."""

    version = "1"
    rounds = 1
    repeat = (3, 10, 1.0)
    param_names = ("classes",)
    params = (3, 10)

    def setup(self, classes):
        self.fastlr, (X, _) = fastlr_to_the_optimum(), problem(20000, 50)
        self.data = X, labels(X, classes)
        try:
            self.time_train(classes)
        except ValueError as error:
            raise NotImplementedError("this commit has two classes alone") from error

    def time_train(self, classes):
        self.fastlr.train(*self.data)

    time_train.pretty_name = "fastlr.train(X, y), several classes, 20000 x 50"


class Predict:
    """`predict_proba` of one row, as a server calls it, and of many."""

    version = "1"
    rounds = 1
    repeat = (3, 10, 1.0)
    param_names = ("rows",)
    params = (1, 1000000)

    def setup(self, rows):
        X, y = problem(1000000, 20)
        self.model, self.X = fastlr_to_the_optimum().train(X[:100000], y[:100000]), X[:rows]
        self.time_predict_proba(rows)

    def time_predict_proba(self, rows):
        self.model.predict_proba(self.X)

    time_predict_proba.pretty_name = "model.predict_proba(X)"


class Estimator:
    """`fit` of the scikit-learn estimator, as a grid search calls it."""

    version = "1"
    rounds = 1
    repeat = (3, 10, 1.0)

    def setup(self):
        fastlr = fastlr_to_the_optimum()
        if not hasattr(fastlr, "LogisticRegression"):
            raise NotImplementedError("this commit has no estimator")
        self.estimator, self.data = fastlr.LogisticRegression(), problem(20000, 50)
        self.time_fit()

    def time_fit(self):
        self.estimator.fit(*self.data)

    time_fit.pretty_name = "fastlr.LogisticRegression().fit(X, y)"


class Summary:
    """Standard errors.  A model keeps what it has found, so that each sample is of a new one."""

    version = "1"
    rounds, number, warmup_time = 1, 1, 0.0
    repeat = (3, 10, 2.0)

    def setup(self):
        X, y = problem(100000, 50)
        self.model = fastlr_to_the_optimum().train(X, y)
        if not hasattr(self.model, "summary"):
            raise NotImplementedError("this commit has no summary")

    def time_summary(self):
        self.model.summary()

    time_summary.pretty_name = "model.summary()"


class Robust:
    """Standard errors that hold where the model doesn't; the model's own are there already."""

    version = "1"
    rounds = 1
    repeat = (3, 10, 2.0)
    param_names = ("covariance",)
    params = ("HC1", "HC3", "cluster")

    def setup(self, kind):
        X, y = problem(100000, 50)
        self.model = fastlr_to_the_optimum().train(X, y)
        if not hasattr(self.model, "covariance"):
            raise NotImplementedError("this commit has no robust standard errors")
        self.kind = ("cluster", np.arange(len(y)) // 100) if kind == "cluster" else kind
        self.time_covariance(kind)

    def time_covariance(self, kind):
        self.model.covariance(self.kind)

    time_covariance.pretty_name = "model.covariance(kind)"
