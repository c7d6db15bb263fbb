"""Most tables of docs/results.md, measured on this machine: `python -m benchmarks.peers`.

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
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from . import fastlr_with, problem, seconds, seconds_a_read, seconds_a_step, without_cache
from .data_sets import CASES, CLASS_CASES, L1_CASES, present, stored_in
from .packages import (
    L1_PEERS,
    PEERS,
    Fit,
    by_fastlr,
    by_scikit_learn,
    call_to_the_optimum,
    objective,
    seconds_to_the_optimum,
    softmax_objective,
)

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


def optimum(cases, runs, advance):
    """Yield the rows of the first table: seconds to the optimum beside other packages."""
    import fastlr

    fastlr.warmup()                                         # minutes, where kernels are not compiled ahead
    yield "| data | rows x columns | fastlr | scikit-learn | the fastest other |\n|---|---|---|---|---|"
    for name, X, y in present(CASES, cases):
        y, l2 = y.astype(np.float64), 1.0 / X.shape[0]
        is_sparse = not isinstance(X, np.ndarray)
        theirs = by_scikit_learn("lbfgs" if is_sparse or X.shape[1] > 3000 else "newton-cholesky")
        least = min(objective(X, y, call(X, y, l2, 1e-10), l2) for call in (by_fastlr, theirs))
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
    for name, X, y in present({name: stored_in(name) for name in names}, names):
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
                         lambda result, case: result.get_influence().cooks_distance),
    "fit": (lambda model, case: case.train(), lambda result, case: case.fit()),
    "fit and HC0": (lambda model, case: case.train().covariance("HC0"),
                    lambda result, case: case.sandwich.cov_white_simple(case.fit(), False)),
    "fit and 500 clusters": (lambda model, case: case.train().covariance(("cluster", case.some)),
                             lambda result, case: case.sandwich.cov_cluster(case.fit(), case.some)),
    "fit and intervals": (lambda model, case: case.train().intervals(case.X),
                          lambda result, case: case.fit().get_prediction(case.Z).conf_int())}


def inference(names, runs, advance):
    """Yield the rows of the fifth table: the least milliseconds of processor time, for 100000 x 20, beside statsmodels."""
    import statsmodels.api as sm
    from statsmodels.stats import sandwich_covariance

    import fastlr

    X, y = problem(100000, 20)
    Z, rng = np.column_stack([X, np.ones(len(X))]), np.random.default_rng(1)
    case = SimpleNamespace(X=X, Z=Z, sandwich=sandwich_covariance, some=rng.integers(0, 500, len(X)),
                           few=rng.integers(0, 300, len(X)), many=rng.integers(0, 30000, len(X)),
                           train=lambda: fastlr.train(X, y), fit=lambda: sm.Logit(y, Z).fit(disp=0))
    model, result = case.train(), case.fit()
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


def l1(names, runs, advance):
    """Yield the rows of the sixth table: the least milliseconds of processor time to the optimum with l1 and no intercept."""
    import fastlr

    peers = {peer: make for peer, (module, make) in L1_PEERS.items() if importlib.util.find_spec(module) is not None}
    yield f"| data | rows x columns | share | {' | '.join(peers)} |\n|{'---|' * (3 + len(peers))}"
    for name, X, y in present(L1_CASES, names):
        y = y.astype(np.float64)
        for share in (0.1, 0.01, 0.001):
            strength = share * float(np.abs(X.T @ (y - 0.5)).max()) / len(y)
            least = fastlr.train(X, y, l1=strength, tol=1e-10, backend="fused", fit_intercept=False, n_threads=1).cost
            def J(w, X=X, y=y, strength=strength):
                return objective(X, y, Fit(w, 0.0), 0.0) + strength * np.abs(w).sum()

            calls = {peer: call_to_the_optimum(functools.partial(make, X, y, strength), J, least)
                     for peer, make in peers.items()}
            took = [[_processor_seconds(call) if call is not None else np.nan for call in calls.values()] for _ in range(runs)]
            advance(f"{name}, {share}")
            shown = ("-" if np.isnan(best) else f"{1e3 * best:.3g}" for best in np.min(took, axis=0))
            yield f"| {name} | {X.shape[0]} x {X.shape[1]} | {share} | {' | '.join(shown)} |"


_CLASS_SOLVERS = ("lbfgs", "newton-cg", "newton-cholesky")


def classes(names, runs, advance):
    """Yield the rows of the seventh table: the least processor seconds of softmax, beside scikit-learn's solvers.

    The second figure of fastlr is with its default tolerance.
    """
    peers = {"fastlr": by_fastlr} | {solver: by_scikit_learn(solver) for solver in _CLASS_SOLVERS}
    yield (f"| data | rows x columns x classes | fastlr | at 1e-8 | {' | '.join(_CLASS_SOLVERS)} |\n"
           f"|{'---|' * (4 + len(_CLASS_SOLVERS))}")
    for name, X, y in present(CLASS_CASES, names):
        l2, K = 1.0 / len(y), int(y.max()) + 1
        J = functools.partial(softmax_objective, X, y, l2)
        least = J(by_fastlr(X, y, l2, 1e-10))
        calls = [call_to_the_optimum(functools.partial(_with_tol, peer, X, y, l2), J, least) for peer in peers.values()]
        calls.insert(1, _with_tol(by_fastlr, X, y, l2, 1e-8))
        took = [[_processor_seconds(call) if call is not None else np.nan for call in calls] for _ in range(runs)]
        advance(name)
        shown = ("-" if np.isnan(best) else f"{best:.3g}" for best in np.min(took, axis=0))
        yield f"| {name} | {len(y)} x {X.shape[1]} x {K} | {' | '.join(shown)} |"


def _with_tol(peer, X, y, l2, tol):
    return functools.partial(peer, X, y, l2, tol)


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

    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Print the tables of docs/results.md.")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES), help="which tables (default: all)")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="the rows that begin with one of these (default: all)")
    parser.add_argument("--runs", type=int, default=5, metavar="K", help="runs of which the median counts (default %(default)s)")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    print("\n".join(versions()), flush=True)
    for name in options.tables:
        title, rows, all_of, steps = TABLES[name]
        chosen = [row for row in all_of if options.only is None or row.startswith(tuple(options.only))]
        with tqdm(total=len(chosen) * steps(options.runs), disable=None) as bar:
            tqdm.write(f"\n## {title}\n", file=sys.stdout)
            for line in rows(chosen, options.runs, functools.partial(_advance, bar)):
                tqdm.write(line, file=sys.stdout)


def _advance(bar, text):
    """Move the bar on, and show what has just been measured."""
    bar.set_postfix_str(text)
    bar.update()


if __name__ == "__main__":
    main()
