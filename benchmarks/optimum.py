"""How long to the optimum, after how many reads of X, and how far behind is the scikit-learn solver that is best at the case?

J = mean loss + l2/2 ||w||^2 with l2 = 1/m, the intercept free, each to the loosest power of ten for its tolerance, 1e-5 at most
for fastlr, that brings J to within a millionth of J*.
"""

from statistics import median

import numpy as np

from . import fastlr_to_the_optimum, problem, seconds

_SOLVERS = {                    # fastlr's tolerance; scikit-learn's best solver at the case, and its tolerance
    "digits": (1e-5, "newton-cholesky", 1e-3),
    "1000 x 20": (1e-5, "newton-cholesky", 1e-4),
    "1000000 x 10": (1e-5, "newton-cholesky", 1e-4),
    "100000 x 100 over three decades": (1e-5, "newton-cholesky", 1e-4),
    "20000 x 500": (1e-5, "lbfgs", 1e-4),
    "2000 x 5000": (1e-7, "lbfgs", 1e-7),
}


def data(name):
    """X and y of a case."""
    if name == "digits":
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        return X, y % 2
    m, n = (int(number) for number in name.split(" over ")[0].split(" x "))
    X, y = problem(m, n)
    if "decades" in name:
        X *= np.logspace(-1.5, 1.5, n)
    return X, y


def fit_of_fastlr(name, X, y):
    """A function that fits the case, compiled already."""
    fastlr = fastlr_to_the_optimum()
    tol = _SOLVERS[name][0] if name in _SOLVERS else 1e-5

    def fit():
        fastlr.train(X, y, l2=1 / len(y), tol=tol, backend="fused")

    fit()
    return fit


def fit_of_sklearn(name, X, y):
    """The same for scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    _, solver, tol = _SOLVERS[name]
    model = LogisticRegression(C=1.0, solver=solver, tol=tol, max_iter=3000)
    return lambda: model.fit(X, y)


class Optimum:
    """Warm: everything compiled, the data in memory."""

    version = "1"
    rounds = 1
    repeat = (3, 10, 1.0)
    param_names = ("X",)
    params = ("digits", "1000 x 20", "1000000 x 10", "100000 x 100 over three decades", "20000 x 500", "2000 x 5000")

    def setup(self, name):
        self.data = data(name)
        self.fit = fit_of_fastlr(name, *self.data)

    def time_fit(self, name):
        self.fit()

    def track_speed_up(self, name):
        rival = fit_of_sklearn(name, *self.data)
        rival()
        ratios = [seconds(rival) / min(seconds(self.fit), seconds(self.fit)) for _ in range(3)]
        return median(ratios)

    time_fit.pretty_name = "Time to the optimum"
    track_speed_up.pretty_name = "Speed-up over scikit-learn's best solver"
    track_speed_up.unit = "times as fast"


class Reads:
    """Rows that kernels have read for J, gradients and Hessians, over the rows of X; checks and moments come on top."""

    version = "1"
    unit = "reads of X"
    param_names = ("X",)
    params = ("1000000 x 10", "100000 x 100 over three decades", "20000 x 500")

    def setup(self, name):
        try:
            from fastlr.problem.problem import Problem
        except ImportError:
            raise NotImplementedError("this commit's objective does not know how many rows it is of") from None
        self.problem, self.data = Problem, data(name)
        self.fit = fit_of_fastlr(name, *self.data)

    def track_reads(self, name):
        Problem, rows = self.problem, 0
        methods = {name: getattr(Problem, name) for name in ("evaluate", "hessian")}

        def counted(method):
            def call(problem, *arguments, **named):
                nonlocal rows
                rows += problem.data.shape[0]
                return method(problem, *arguments, **named)
            return call

        try:
            for attribute, method in methods.items():
                setattr(Problem, attribute, counted(method))
            self.fit()
        finally:
            for attribute, method in methods.items():
                setattr(Problem, attribute, method)
        return rows / len(self.data[1])

    track_reads.pretty_name = "Reads of X to the optimum"
