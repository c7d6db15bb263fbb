"""The packages of `benchmarks.peers`: how each is called, and what it takes them to get to the optimum."""

import importlib
import statistics
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import seconds

_EXCESS = 1e-6
# Seconds that one package may take for one case.
_MOST_SECONDS = 60.0
# Seconds from which on a package is tried with no smaller tolerance, where processor time is measured.
_MOST_SECONDS_OF_PROCESSOR = 8.0


class Fit(NamedTuple):
    """A minimum of J that a package has found."""

    w: np.ndarray
    b: float


def by_fastlr(X, y, l2, tol):
    import fastlr

    model = fastlr.train(X, y, l2=l2, tol=tol)
    return Fit(model.w, model.b)


def by_scikit_learn(solver: str, module: str = "sklearn.linear_model") -> Callable:
    def fit(X, y, l2, tol):
        model = importlib.import_module(module).LogisticRegression(C=1 / (l2 * X.shape[0]), solver=solver, tol=tol, max_iter=3000)
        model.fit(X, y)
        return Fit(model.coef_, model.intercept_) if len(model.coef_) > 1 else Fit(model.coef_[0], float(model.intercept_[0]))
    return fit


def _glum(X, y, l2, tol):
    import glum

    model = glum.GeneralizedLinearRegressor(family="binomial", alpha=l2, l1_ratio=0, gradient_tol=tol, max_iter=1000).fit(X, y)
    return Fit(model.coef_, float(model.intercept_))


def _torch(X, y, l2, tol):
    import torch

    A, t = torch.from_numpy(np.ascontiguousarray(X)), torch.from_numpy(y.astype(X.dtype))
    w, b = (torch.zeros(size, dtype=A.dtype, requires_grad=True) for size in (X.shape[1], 1))
    optimizer = torch.optim.LBFGS([w, b], max_iter=3000, max_eval=6000, tolerance_grad=tol / 10, tolerance_change=0,
                                  line_search_fn="strong_wolfe", history_size=10)

    def cost():
        optimizer.zero_grad()
        J = torch.nn.functional.binary_cross_entropy_with_logits(A @ w + b, t) + 0.5 * l2 * (w @ w)
        J.backward()
        return J

    optimizer.step(cost)
    return Fit(w.detach().numpy(), float(b))


def _fastlr_l1(X, y, l1, tol):
    import fastlr

    return lambda: fastlr.train(X, y, l1=l1, tol=tol, backend="fused", fit_intercept=False, n_threads=1).w


def _liblinear(X, y, l1, tol):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / (l1 * X.shape[0]), l1_ratio=1.0, solver="liblinear", tol=tol, max_iter=3000,
                               fit_intercept=False)
    return lambda: model.fit(X, y).coef_[0]


def _skglm(X, y, l1, tol):
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import Logistic
    from skglm.penalties import L1
    from skglm.solvers import ProxNewton

    solver = ProxNewton(tol=tol, fit_intercept=False, max_iter=50, max_pn_iter=1000)
    model = GeneralizedLinearEstimator(Logistic(), L1(l1), solver)
    columns = np.asfortranarray(X) if isinstance(X, np.ndarray) else X.tocsc()
    return lambda: model.fit(columns, 2.0 * y - 1.0).coef_.ravel()


# Name, the module that must be there, whether it takes sparse X, the function.
PEERS = (("fastlr", "fastlr", True, by_fastlr),
         ("scikit-learn, lbfgs", "sklearn", True, by_scikit_learn("lbfgs")),
         ("scikit-learn, newton-cholesky", "sklearn", False, by_scikit_learn("newton-cholesky")),
         ("scikit-learn-intelex", "daal4py", False, by_scikit_learn("lbfgs", "daal4py.sklearn.linear_model")),
         ("glum", "glum", True, _glum),
         ("PyTorch", "torch", False, _torch))
# Each package with the module that must be there, and what makes a call of X, y, l1 and a tolerance, which returns w.
L1_PEERS = {"fastlr": ("fastlr", _fastlr_l1), "liblinear": ("sklearn", _liblinear), "skglm": ("skglm", _skglm)}


def objective(X, y, fit, l2):
    """J at the parameters that were found."""
    z = np.asarray(X @ fit.w, np.float64) + fit.b
    return float(np.mean(np.logaddexp(0.0, z) - y * z) + 0.5 * l2 * fit.w.astype(np.float64) @ fit.w)


def softmax_objective(X, y, l2, fit):
    """J of K classes at the parameters that were found."""
    Z = X @ fit.w.T + fit.b
    top = Z.max(axis=1)
    losses = np.log(np.exp(Z - top[:, None]).sum(axis=1)) + top - Z[np.arange(len(y)), y]
    return float(losses.mean() + 0.5 * l2 * np.square(fit.w).sum())


def seconds_to_the_optimum(call, X, y, l2, least, runs):
    """Median seconds of a package at the loosest tolerance that gets J close enough to J*; None if none does in time."""
    call(X, y, l2, 0.1)                                     # compiled, threads started, memory touched
    spent = 0.0
    for k in range(1, 11):
        found = []
        took = seconds(lambda k=k, found=found: found.append(call(X, y, l2, 10.0 ** -k)))
        spent += took
        if objective(X, y, found[0], l2) - least <= _EXCESS * least:
            more = [seconds(lambda k=k: call(X, y, l2, 10.0 ** -k)) for _ in range(runs - 1) if spent + took < _MOST_SECONDS]
            return statistics.median([took, *more])
        if spent > _MOST_SECONDS:
            break
    return None


def call_to_the_optimum(make, J, least):
    """The call at the loosest tolerance whose result gets J close enough to J*; None if none does in time."""
    make(0.1)()                                             # compiles
    spent = 0.0
    for k in range(1, 9):
        call, found = make(10.0 ** -k), []
        spent += seconds(lambda call=call, found=found: found.append(call()))
        if J(found[0]) - least <= _EXCESS * least:
            return call
        if spent > _MOST_SECONDS_OF_PROCESSOR:
            break
    return None
