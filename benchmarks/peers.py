"""Every table of docs/results.md, measured on this machine: `python -m benchmarks.peers`.

Seconds until (J - J*) / J* <= 1e-6 with J = mean loss + l2/2 ||w||^2, l2 = 1/m, the intercept free, everything compiled.  Each
package has the loosest of its tolerances 10^-1, 10^-2, ... that gets there, and the median of several runs counts.  J* is the
least J that fastlr and scikit-learn find at a tolerance of 1e-10.  Packages that are not installed are left out; pip install
scikit-learn-intelex glum torch skglm brings the others.  Public data sets are read from the folder that FASTLR_DATA names.
"""

import argparse
import copy
import functools
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from . import fastlr_with, problem, seconds, seconds_a_read, seconds_a_step, without_cache

_EXCESS = 1e-6
# Seconds that one package may take for one case.
_MOST_SECONDS = 60.0
# Seconds from which on a package is tried with no smaller tolerance, where processor time is measured.
_MOST_SECONDS_OF_PROCESSOR = 8.0
_SHAPES = {"2000000 x 10": (2000000, 10), "200000 x 100": (200000, 100), "20000 x 1000": (20000, 1000)}
_FIRST = {
    "import numpy": "import numpy",
    "fastlr": """
import numpy as np, fastlr
rng = np.random.default_rng(0)
X = rng.standard_normal((300000, 100))
fastlr.train(X, X[:, 0] + rng.logistic(size=len(X)) > 0)""",
    "scikit-learn": """
import numpy as np
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
X = rng.standard_normal((300000, 100))
LogisticRegression(C=np.inf, solver="newton-cholesky").fit(X, X[:, 0] + rng.logistic(size=len(X)) > 0)""",
}


# ---- data -----------------------------------------------------------------------------------------------------------

def _toys(name: str) -> Callable:
    def data():
        from sklearn import datasets

        return getattr(datasets, f"load_{name}")(return_X_y=True)
    return data


def _sklearns(name: str) -> Callable:
    def data():
        X, y = _toys(name)()
        return X, y % 2
    return data


def _path(name: str) -> Path:
    path = Path(os.environ.get("FASTLR_DATA", "")) / name
    if not path.is_file():
        raise FileNotFoundError(f"FASTLR_DATA has no {name}")
    return path


def _present(cases: dict[str, Callable], names, advance: Callable) -> Iterator[tuple]:
    """The name, X and y of each case whose data are there."""
    for name in names:
        try:
            X, y = cases[name]()
        except FileNotFoundError as error:
            advance(f"{name}: {error}")
        else:
            yield name, X, y


def _file(name: str, dtype: str = "float64") -> Callable:
    """The data set in a file of FASTLR_DATA: .npz with X, or with the parts of a CSR matrix, and y; or svmlight."""
    def data():
        path = _path(name)
        if path.suffix != ".npz":
            from sklearn.datasets import load_svmlight_file

            X, y = load_svmlight_file(str(path))
        else:
            import scipy.sparse

            stored = np.load(path)
            parts = [stored[key] for key in ("data", "indices", "indptr") if key in stored]
            X = scipy.sparse.csr_matrix(tuple(parts), shape=tuple(stored["shape"])) if parts else stored["X"]
            y = stored["y"]
        y = y % 2 if "mnist" in name else y == 2 if "covtype" in name else y == y.max() if len(set(y)) == 2 else y <= np.median(y)
        order = np.random.default_rng(7).permutation(X.shape[0])            # some files are sorted by class
        X = X[order].astype(dtype)
        return X / X.dtype.type(255) if "mnist" in name else X, y[order]
    return data


def _normal(m: int, n: int, decades: float = 0.0) -> Callable:
    def data():
        X, y = problem(m, n)
        X *= np.logspace(-decades / 2, decades / 2, n)
        return X, y
    return data


CASES = {
    "breast cancer": _sklearns("breast_cancer"),
    "digits, odd or even": _sklearns("digits"),
    "higgs": _file("dense/higgs7k_train.npz"),
    "cover type": _file("dense/covtype20k.npz"),
    "adult, one-hot": _file("dense/adult_mixed_onehot_train.npz"),
    "ijcnn1": _file("libsvm/ijcnn1.trn.bz2"),
    "skin": _file("dense/skin_nonskin.npz"),
    "MNIST, odd or even": _file("dense/mnist_63k.npz"),
    "the same as float32": _file("dense/mnist_63k.npz", "float32"),
    "normal columns": _normal(100000, 20),
    "normal columns, long": _normal(1000000, 10),
    "normal columns, large": _normal(300000, 100),
    "over three decades of scale": _normal(300000, 100, 3.0),
    "normal columns, wide": _normal(50000, 500),
    "normal columns, wider": _normal(20000, 2000),
    "fewer rows than columns": _normal(2000, 5000),
    "a9a, sparse": _file("libsvm/a9a.svm"),
    "w8a, sparse": _file("libsvm/w8a.svm"),
    "reuters, sparse": _file("sparse/reuters.trn.bz2"),
    "airlines, one-hot, sparse": _file("sparse/airlines44k_onehot.npz"),
}


# ---- packages -------------------------------------------------------------------------------------------------------

class Fit(NamedTuple):
    """A minimum of J that a package has found."""

    w: np.ndarray
    b: float


def _fastlr(X, y, l2, tol):
    import fastlr

    model = fastlr.train(X, y, l2=l2, tol=tol)
    return Fit(model.w, model.b)


def _sklearn(solver: str, module: str = "sklearn.linear_model") -> Callable:
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


# Name, the module that must be there, whether it takes sparse X, the function.
PEERS = (("fastlr", "fastlr", True, _fastlr),
         ("scikit-learn, lbfgs", "sklearn", True, _sklearn("lbfgs")),
         ("scikit-learn, newton-cholesky", "sklearn", False, _sklearn("newton-cholesky")),
         ("scikit-learn-intelex", "daal4py", False, _sklearn("lbfgs", "daal4py.sklearn.linear_model")),
         ("glum", "glum", True, _glum),
         ("PyTorch", "torch", False, _torch))


def objective(X, y, fit, l2):
    """J at the parameters that were found."""
    z = np.asarray(X @ fit.w, np.float64) + fit.b
    return float(np.mean(np.logaddexp(0.0, z) - y * z) + 0.5 * l2 * fit.w.astype(np.float64) @ fit.w)


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


# ---- tables ---------------------------------------------------------------------------------------------------------

def optimum(cases, runs, advance):
    """Yield the rows of the first table: seconds to the optimum beside other packages."""
    import fastlr

    fastlr.warmup()                                         # minutes, where kernels are not compiled ahead
    yield "| data | rows x columns | fastlr | scikit-learn | the fastest other |\n|---|---|---|---|---|"
    for name, X, y in _present(CASES, cases, advance):
        y, l2 = y.astype(np.float64), 1.0 / X.shape[0]
        is_sparse = not isinstance(X, np.ndarray)
        theirs = _sklearn("lbfgs" if is_sparse or X.shape[1] > 3000 else "newton-cholesky")
        least = min(objective(X, y, call(X, y, l2, 1e-10), l2) for call in (_fastlr, theirs))
        found = {}
        for peer, module, takes_sparse, call in PEERS:
            if importlib.util.find_spec(module) is not None and (takes_sparse or not is_sparse):
                found[peer] = seconds_to_the_optimum(call, X, y, l2, least, runs)
            advance(f"{name}: {peer}")
        of_which = [_best(found, "fastlr"), _best(found, "scikit-learn,"), _best(found)]
        yield f"| {name} | {X.shape[0]} x {X.shape[1]} | {' | '.join(of_which)} |"


def _best(found, start=None):
    """The least time of the packages whose names begin so, or of all others than fastlr, with the name."""
    times = {name: took for name, took in found.items()
             if took is not None and (name.startswith(start) if start is not None else name != "fastlr")}
    if not times:
        return ""
    best = min(times, key=times.get)
    return f"{times[best]:.2g}" if best == "fastlr" else f"{times[best]:.2g} ({best})"


def step(shapes, runs, advance):
    """Yield the rows of the second table: reads of X a step of gradient descent takes."""
    yield "| X | order | NumPy | loop | parallel | fused | memory |\n|---|---|---|---|---|---|---|"
    for shape in shapes:
        for order in "CF":
            X, y = problem(*_SHAPES[shape], order=order)
            read, reads = seconds_a_read(X, os.cpu_count()), []
            for backend in ("numpy", "loop", "parallel", "fused"):
                took = seconds_a_step(fastlr_with(backend), X, y, 8, pairs=max(2, runs // 2), backend=backend)
                reads.append(f"{took / read:.1f}")
                advance(f"{shape}: {backend}")
            yield f"| {shape} | {order} | {' | '.join(reads)} | {X.nbytes / read / 1e9:.0f} GB/s |"


def wide(names, runs, advance):
    """Yield the rows of the third table: updates on very wide X to a gradient of 1e-8."""
    import fastlr

    yield '| data | l2 m | L-BFGS | "newton" | "auto" |\n|---|---|---|---|---|'
    for name in names:
        try:
            X, y = _file(name)()
        except FileNotFoundError as error:
            advance(str(error))
            continue
        for strength in (1.0, 0.1, 0.01):
            updates = []
            for solver in ("lbfgs", "newton", "auto"):
                updates.append(str(fastlr.train(X, y, l2=strength / X.shape[0], solver=solver).n_iter))
                advance(f"{name}: {solver}")
            yield f"| {Path(name).stem}, {X.shape[0]} x {X.shape[1]} | {strength:g} | {' | '.join(updates)} |"


def first(programs, runs, advance):
    """Yield the rows of the fourth table: the first training on a machine, in a new process, imports included."""
    yield "| first training of 300000 x 100 | seconds |\n|---|---|"
    for name in programs:
        command, took = [sys.executable, "-c", without_cache(_FIRST[name])], []
        for _ in range(max(2, runs // 2)):
            took.append(seconds(lambda command=command: subprocess.run(command, check=True)))
            advance(name)
        yield f"| {name} | {statistics.median(took):.2f} |"


def _robust(result, power):
    """HC2 or HC3 by statsmodels' scores and leverages; its Logit gives HC0 for both."""
    V, rest = result.cov_params(), 1.0 - result.get_influence().hat_matrix_diag
    S = result.model.score_obs(result.params) / rest[:, None] ** (power / 2)
    return V @ (S.T @ S) @ V


# What each row of the table of inference asks fastlr's model for, and what statsmodels' result and its functions of sandwiches.
INFERENCE = {
    "HC0": (lambda model, case: model.covariance("HC0"), lambda result, case: case.sandwich.cov_white_simple(result, False)),
    "HC1": (lambda model, case: model.covariance("HC1"), lambda result, case: case.sandwich.cov_white_simple(result)),
    "HC2": (lambda model, case: model.covariance("HC2"), lambda result, case: _robust(result, 1)),
    "HC3": (lambda model, case: model.covariance("HC3"), lambda result, case: _robust(result, 2)),
    "500 clusters": (lambda model, case: model.covariance(("cluster", case.some)),
                     lambda result, case: case.sandwich.cov_cluster(result, case.some)),
    "30000 clusters": (lambda model, case: model.covariance(("cluster", case.many)),
                       lambda result, case: case.sandwich.cov_cluster(result, case.many)),
    "two ways, of 500 and 300 groups": (lambda model, case: model.covariance(("cluster", (case.some, case.few))),
                                        lambda result, case: case.sandwich.cov_cluster_2groups(result, case.some, case.few)),
    "intervals of all rows": (lambda model, case: model.intervals(case.X),
                              lambda result, case: result.get_prediction(case.Z).conf_int()),
    "marginal effects, average": (lambda model, case: model.marginal_effects(), lambda result, case: result.get_margeff()),
    "marginal effects in the mean row": (lambda model, case: model.marginal_effects(at="mean"),
                                         lambda result, case: result.get_margeff(at="mean")),
    "Cook's distances": (lambda model, case: model.cooks_distances(),
                         lambda result, case: result.get_influence().cooks_distance)}


def inference(names, runs, advance):
    """Yield the rows of the fifth table: the least milliseconds of processor time, for 100000 x 20, beside statsmodels."""
    import statsmodels.api as sm
    from statsmodels.stats import sandwich_covariance

    import fastlr

    X, y = problem(100000, 20)
    Z, rng = np.column_stack([X, np.ones(len(X))]), np.random.default_rng(1)
    case = SimpleNamespace(X=X, Z=Z, sandwich=sandwich_covariance, some=rng.integers(0, 500, len(X)),
                           few=rng.integers(0, 300, len(X)), many=rng.integers(0, 30000, len(X)))
    model, result = fastlr.train(X, y), sm.Logit(y, Z).fit(disp=0)
    yield "| | first | again | statsmodels | ratio to `again` |\n|---|---|---|---|---|"
    for name in names:
        own, theirs = INFERENCE[name]
        own(copy.copy(model), case)                             # imports SciPy
        took = []
        for _ in range(runs):
            other = copy.copy(model)
            took.append([_processor_seconds(call, of, case) for call, of in ((own, other), (own, other), (theirs, result))])
        first, again, statsmodels = 1e3 * np.min(took, axis=0)
        advance(name)
        yield f"| {name} | {first:.1f} | {again:.1f} | {statsmodels:.1f} | {statsmodels / again:.1f} |"


def _processor_seconds(call, *arguments):
    start = time.process_time()
    call(*arguments)
    return time.process_time() - start


def _correlated():
    """500 x 5000: each column is correlated by a half with the one before, and fifty of them tell something about y."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 5000))
    for j in range(1, 5000):
        X[:, j] = 0.5 * X[:, j - 1] + 0.75 ** 0.5 * X[:, j]
    w = np.zeros(5000)
    w[rng.choice(5000, 50, replace=False)] = rng.standard_normal(50)
    return X, X @ w + 2.0 * rng.logistic(size=500) > 0


L1_CASES = {"colon": _file("dense/colon.npz"), "splice": _file("dense/splice_scale.npz"), "arcene": _file("dense/arcene.npz"),
            "correlated columns": _correlated, "PCMAC, sparse": _file("sparse/PCMAC.npz"),
            "a9a, sparse": _file("libsvm/a9a.svm"), "w8a, sparse": _file("libsvm/w8a.svm")}


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


# Each package with the module that must be there, and what makes a call of X, y, l1 and a tolerance, which returns w.
L1_PEERS = {"fastlr": ("fastlr", _fastlr_l1), "liblinear": ("sklearn", _liblinear), "skglm": ("skglm", _skglm)}


def l1(names, runs, advance):
    """Yield the rows of the sixth table: the least milliseconds of processor time to the optimum with l1 and no intercept."""
    import fastlr

    peers = {peer: make for peer, (module, make) in L1_PEERS.items() if importlib.util.find_spec(module) is not None}
    yield f"| data | rows x columns | share | {' | '.join(peers)} |\n|{'---|' * (3 + len(peers))}"
    for name, X, y in _present(L1_CASES, names, advance):
        y = y.astype(np.float64)
        for share in (0.1, 0.01, 0.001):
            strength = share * float(np.abs(X.T @ (y - 0.5)).max()) / len(y)
            least = fastlr.train(X, y, l1=strength, tol=1e-10, backend="fused", fit_intercept=False, n_threads=1).cost
            def J(w, X=X, y=y, strength=strength):
                return objective(X, y, Fit(w, 0.0), 0.0) + strength * np.abs(w).sum()

            calls = {peer: _call_to_the_optimum(functools.partial(make, X, y, strength), J, least)
                     for peer, make in peers.items()}
            took = [[_processor_seconds(call) if call is not None else np.nan for call in calls.values()] for _ in range(runs)]
            advance(f"{name}, {share}")
            shown = ("-" if np.isnan(best) else f"{1e3 * best:.3g}" for best in np.min(took, axis=0))
            yield f"| {name} | {X.shape[0]} x {X.shape[1]} | {share} | {' | '.join(shown)} |"


def _call_to_the_optimum(make, J, least):
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


def _labels_as_they_are(load: Callable, is_standardized: bool = False) -> Callable:
    def data():
        X, y = load()
        y = np.unique(y, return_inverse=True)[1]
        if is_standardized:
            deviation = X.std(axis=0)
            X = (X - X.mean(axis=0))[:, deviation > 0.0] / deviation[deviation > 0.0]
        return np.ascontiguousarray(X, np.float64), y
    return data


def _stored(name: str, rows: int | None = None, scale: float = 1.0) -> Callable:
    def load():
        data = np.load(_path(name))
        order = np.random.default_rng(7).permutation(len(data["y"]))[:rows]
        return data["X"][order] / scale, data["y"][order]
    return load


def _made(m: int, n: int, classes: int) -> Callable:
    def load():
        rng = np.random.default_rng(1)
        X = (rng.normal(size=(m, n)) + 0.3 * rng.normal(size=(m, 1))) * np.exp(rng.normal(size=n) / 2)
        W = 3.0 * rng.normal(size=(classes, n)) / np.sqrt(n) / X.std(axis=0)
        return X, (X @ W.T + rng.gumbel(size=(m, classes))).argmax(axis=1)
    return load


CLASS_CASES = {"iris": _labels_as_they_are(_toys("iris")), "wine": _labels_as_they_are(_toys("wine")),
               "digits": _labels_as_they_are(_toys("digits")), "digits, standardized": _labels_as_they_are(_toys("digits"), True),
               "lgb_multiclass5": _labels_as_they_are(_stored("dense/lgb_multiclass5_train.npz")),
               "cover type": _labels_as_they_are(_stored("dense/covtype20k.npz")),
               "cover type, standardized": _labels_as_they_are(_stored("dense/covtype20k.npz"), True),
               "made": _labels_as_they_are(_made(5000, 50, 100)),
               "made, of few classes": _labels_as_they_are(_made(100000, 50, 5)),
               "MNIST, 12600 rows": _labels_as_they_are(_stored("dense/mnist_63k.npz", 12600, 255.0))}
_CLASS_SOLVERS = ("lbfgs", "newton-cg", "newton-cholesky")


def classes(names, runs, advance):
    """Yield the rows of the seventh table: the least processor seconds of softmax, beside scikit-learn's solvers.

    The second figure of fastlr is with its default tolerance.
    """
    peers = {"fastlr": _fastlr} | {solver: _sklearn(solver) for solver in _CLASS_SOLVERS}
    yield (f"| data | rows x columns x classes | fastlr | at 1e-8 | {' | '.join(_CLASS_SOLVERS)} |\n"
           f"|{'---|' * (4 + len(_CLASS_SOLVERS))}")
    for name, X, y in _present(CLASS_CASES, names, advance):
        l2, K = 1.0 / len(y), int(y.max()) + 1
        J = functools.partial(_softmax_objective, X, y, l2)
        least = J(_fastlr(X, y, l2, 1e-10))
        calls = [_call_to_the_optimum(functools.partial(_with_tol, peer, X, y, l2), J, least) for peer in peers.values()]
        calls.insert(1, _with_tol(_fastlr, X, y, l2, 1e-8))
        took = [[_processor_seconds(call) if call is not None else np.nan for call in calls] for _ in range(runs)]
        advance(name)
        shown = ("-" if np.isnan(best) else f"{best:.3g}" for best in np.min(took, axis=0))
        yield f"| {name} | {len(y)} x {X.shape[1]} x {K} | {' | '.join(shown)} |"


def _with_tol(peer, X, y, l2, tol):
    return functools.partial(peer, X, y, l2, tol)


def _softmax_objective(X, y, l2, fit):
    """J of K classes at the parameters that were found."""
    Z = X @ fit.w.T + fit.b
    top = Z.max(axis=1)
    losses = np.log(np.exp(Z - top[:, None]).sum(axis=1)) + top - Z[np.arange(len(y)), y]
    return float(losses.mean() + 0.5 * l2 * np.square(fit.w).sum())


_WIDE = ("sparse/reuters.trn.bz2", "sparse/PCMAC.npz")
# Each table with its title, what its rows are made of, and how many steps of the bar one of these takes.
TABLES = {"optimum": ("Seconds to the optimum", optimum, CASES, lambda runs: len(PEERS)),
          "step": ("One step of gradient descent, in reads of X", step, _SHAPES, lambda runs: 8),
          "wide": ("Updates on very wide X", wide, _WIDE, lambda runs: 9),
          "first": ("The first training on a machine", first, _FIRST, lambda runs: max(2, runs // 2)),
          "l1": ("L1, in milliseconds", l1, L1_CASES, lambda runs: 3),
          "inference": ("Inference beside statsmodels, in milliseconds", inference, INFERENCE, lambda runs: 1),
          "classes": ("K classes", classes, CLASS_CASES, lambda runs: 1)}


def versions():
    """The lines that say what was measured, and where."""
    packages = ("numpy", "numba", "scikit-learn", "scikit-learn-intelex", "glum", "torch", "statsmodels")
    yield f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    for package in ("fastlr-numba", *packages):
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            yield f"{package} is not installed"


def main(arguments=None):
    from tqdm import tqdm

    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Print every table of docs/results.md.")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES), help="which tables (default: all)")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="the rows that begin with one of these (default: all)")
    parser.add_argument("--runs", type=int, default=5, metavar="K", help="runs of which the median counts (default %(default)s)")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    print("\n".join(versions()), flush=True)
    for name in options.tables:
        title, rows, all_of, steps = TABLES[name]
        chosen = [row for row in all_of if options.only is None or row.startswith(tuple(options.only))]
        with tqdm(total=len(chosen) * steps(options.runs)) as bar:
            tqdm.write(f"\n## {title}\n", file=sys.stdout)
            for line in rows(chosen, options.runs, functools.partial(_advance, bar)):
                tqdm.write(line, file=sys.stdout)


def _advance(bar, text):
    """Move the bar on, and show what has just been measured."""
    bar.set_postfix_str(text)
    bar.update()


if __name__ == "__main__":
    main()
