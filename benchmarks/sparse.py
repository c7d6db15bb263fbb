"""Sparse X: a step, and the optimum."""

import numpy as np

from . import fastlr_with

_SHAPES = {"30000 x 120, 14 a row": (30000, 120, 14), "8000 x 8000, 40 a row": (8000, 8000, 40)}


def problem(name):
    """CSR of ones and normal numbers, and labels from a logistic model."""
    import scipy.sparse

    m, n, a_row = _SHAPES[name]
    random = np.random.default_rng(0)
    X = scipy.sparse.random_array((m, n), density=a_row / n, format="csr", rng=random, data_sampler=random.standard_normal)
    z = X @ random.standard_normal(n) / np.sqrt(a_row) * 2.0
    return X, (random.random(m) < 1.0 / (1.0 + np.exp(-z))).astype(np.int64)


def sparse_fastlr(backend, X, y):
    """The package, if this commit takes sparse X."""
    fastlr = fastlr_with(backend)
    fastlr.train(X, y, backend=backend, l2=1e-3, learning_rate=1e-3, max_iter=1)       # NotImplementedError on old commits
    return fastlr


class SparseSteps:
    """Twenty updates with a learning rate."""

    version = "1"
    repeat = (1, 5, 2.0)
    param_names = ("backend", "X")
    params = (("numpy", "loop", "parallel", "fused"), ("30000 x 120, 14 a row", "8000 x 8000, 40 a row"))

    def setup(self, backend, name):
        self.data = problem(name)
        self.fastlr = sparse_fastlr(backend, *self.data)

    def time_steps(self, backend, name):
        self.fastlr.train(*self.data, backend=backend, learning_rate=1e-3, max_iter=20)

    time_steps.pretty_name = "Training on sparse X, twenty steps"


class SparseOptimum:
    """The optimum with l2 = 1/m."""

    version = "1"
    repeat = (1, 5, 2.0)
    param_names = ("solver", "X")
    params = (("auto", "lbfgs"), ("30000 x 120, 14 a row", "8000 x 8000, 40 a row"))

    def setup(self, solver, name):
        self.data = problem(name)
        self.fastlr = sparse_fastlr("fused", *self.data)
        self.time_optimum(solver, name)

    def time_optimum(self, solver, name):
        self.fastlr.train(*self.data, backend="fused", solver=solver, l2=1.0 / len(self.data[1]), tol=1e-5)

    time_optimum.pretty_name = "Training on sparse X to the optimum"
