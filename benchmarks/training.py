"""How long does training take, from the call to the model?"""

from . import BACKENDS, fastlr_with, problem

_RUNS = {                       # m, n, order of X, steps
    "2000 x 20, 1000 steps": (2000, 20, "C", 1000),
    "100000 x 50, 20 steps": (100000, 50, "C", 20),
    "100000 x 50 in Fortran order, 20 steps": (100000, 50, "F", 20),
}


class FixedSteps:
    """train with a learning rate and a number of steps, as in the lecture."""

    version = "1"
    repeat = (1, 5, 2.0)
    param_names = ("backend", "X")
    params = (BACKENDS, ("2000 x 20, 1000 steps", "100000 x 50, 20 steps", "100000 x 50 in Fortran order, 20 steps"))

    def setup(self, backend, run):
        m, n, order, self.steps = _RUNS[run]
        if backend == "python" and m > 2000:
            raise NotImplementedError("about a second a step")
        self.fastlr = fastlr_with(backend)
        self.data = problem(m, n, order=order)
        self.train(backend, 1)

    def train(self, backend, steps):
        self.fastlr.train(*self.data, backend=backend, learning_rate=1e-3, max_iter=steps)

    def time_train(self, backend, run):
        self.train(backend, self.steps)

    time_train.pretty_name = "Training, a fixed number of steps"


class Optimum:
    """The optimum of one objective with everything left to the package: every |dJ/dw_j| and |dJ/db| at most 1e-6."""

    version = "1"
    repeat = (1, 5, 2.0)
    param_names = ("package",)
    params = ("fastlr", "scikit-learn")

    def setup(self, package):
        m, l2 = 100000, 1e-3
        self.data = problem(m, 50)
        if package == "fastlr":
            import fastlr

            self.fit = lambda X, y: fastlr.train(X, y, l2=l2, tol=1e-6)
        else:
            from sklearn.linear_model import LogisticRegression

            self.fit = LogisticRegression(C=1 / (l2 * m), tol=1e-6).fit
        self.fit(*self.data)

    def time_optimum(self, package):
        self.fit(*self.data)

    time_optimum.pretty_name = "Training to the optimum, 100000 x 50"
