"""How long do models take that choose columns?  One penalty, paths, ten folds; by NumPy's backend, which compiles nothing."""

import numpy as np

from . import problem
from .classes import labels


def wide():
    """A table of 200 rows and 2000 columns, ten of which count."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2000)) + 0.5 * rng.standard_normal((200, 1))
    return X, (X[:, :10].sum(axis=1) + 3.0 * rng.standard_normal(200) > 0).astype(int)


def sparse():
    """A sparse table of 5000 rows and 500 columns, 2 % of which are not 0."""
    import scipy.sparse

    rng = np.random.default_rng(0)
    X = scipy.sparse.random_array((5000, 500), density=0.02, format="csr", rng=rng, data_sampler=rng.random)
    return X, (X[:, :10].sum(axis=1) + 0.2 * rng.standard_normal(5000) > 0.05).astype(int)


DATA = {"200 x 2000": wide, "5000 x 500 sparse": sparse, "2000 x 50": lambda: problem(2000, 50)}


class OnePenalty:
    """One penalty, as a share of the least that leaves w = 0."""

    version = "1"
    rounds = 1
    repeat = (3, 10, 1.0)
    param_names = ("X", "share")
    params = (("200 x 2000", "5000 x 500 sparse", "2000 x 50"), (0.1, 0.01, 0.001))

    def setup(self, name, share):
        import fastlr

        if not hasattr(fastlr, "path"):
            raise NotImplementedError("this commit has no l1")
        X, y = DATA[name]()
        l1 = share * np.abs(X.T @ (y - y.mean())).max() / len(y)
        self.fit = lambda: fastlr.train(X, y, l1=l1, backend="numpy")
        self.fit()

    def time_fit(self, name, share):
        self.fit()

    def track_updates(self, name, share):
        return self.fit().n_iter


class Path:
    """A path of a hundred penalties; with ten folds, one of thirty."""

    version = "1"
    rounds = 1
    repeat = (2, 5, 2.0)
    param_names = ("X", "folds")
    params = (("200 x 2000", "2000 x 50"), (0, 10))

    def setup(self, name, folds):
        import fastlr

        if not hasattr(fastlr, "path"):
            raise NotImplementedError("this commit has no path")
        X, y = DATA[name]()
        self.run = lambda: fastlr.path(X, y, folds=folds or None, lambdas=30 if folds else 100, backend="numpy")
        self.run()

    def time_path(self, name, folds):
        self.run()


class PathOfClasses:
    """A path of thirty penalties by the number of classes."""

    version = "1"
    rounds = 1
    repeat = (2, 5, 2.0)
    param_names = ("K",)
    params = ((3, 10),)

    def setup(self, classes):
        import fastlr

        if not hasattr(fastlr, "path"):
            raise NotImplementedError("this commit has no path")
        X, _ = problem(1000, 30)
        y = labels(X, classes)
        self.run = lambda: fastlr.path(X, y, lambdas=30, backend="numpy")
        self.run()                                          # of two classes alone: NotImplementedError

    def time_path(self, classes):
        self.run()
