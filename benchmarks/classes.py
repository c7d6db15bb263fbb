"""How does one step of gradient descent grow with the number of classes?"""

import numpy as np

from . import fastlr_with, problem, seconds, seconds_a_step

_ROWS, _COLUMNS = 20_000, 100


def labels(X, classes):
    """Labels (m,) of so many classes, about as many rows each, that X says something about."""
    random = np.random.default_rng(1)
    return (X[:, :classes] + random.gumbel(size=(len(X), classes))).argmax(axis=1)


class Step:
    """One step for K columns of parameters: two classes have one, and more have one each."""

    version = "1"
    unit = "seconds"
    timeout = 300
    param_names = ("backend", "K")
    params = (("numpy", "fused"), (1, 3, 10, 100))

    def setup(self, backend, columns):
        self.fastlr = fastlr_with(backend)
        self.X, _ = problem(_ROWS, _COLUMNS)
        self.y = labels(self.X, max(columns, 2))
        try:
            self.fastlr.train(self.X[:1000], self.y[:1000], backend=backend, learning_rate=1e-6, max_iter=1)
        except ValueError as error:
            raise NotImplementedError("this commit has two classes alone") from error

    def track_time(self, backend, columns):
        return seconds_a_step(self.fastlr, self.X, self.y, 5, pairs=3, backend=backend)

    track_time.pretty_name = "Time of one step by K, 20000 x 100"


class StepOverProducts(Step):
    """The step over the time of the two products that are in it, X W^T and dZ^T X, by NumPy's BLAS."""

    unit = "times"
    params = (("fused",), (1, 3, 10, 100))

    def track_time(self, backend, columns):
        random = np.random.default_rng(2)
        W, dZ = random.standard_normal((columns, _COLUMNS)), random.standard_normal((_ROWS, columns))
        products = min(seconds(lambda: (self.X @ W.T, dZ.T @ self.X)) for _ in range(10))
        return super().track_time(backend, columns) / products

    track_time.pretty_name = "A step by K over two products of BLAS, 20000 x 100"
