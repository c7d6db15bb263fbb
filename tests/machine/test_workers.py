"""Trainings in other people's workers: joblib, scikit-learn's grid search, Dask, process pools.  Minutes: pytest -m long."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

TRAIN = """
import functools
import numpy as np, fastlr
rng = np.random.default_rng(0)
X = rng.standard_normal((20_000, 10)); y = X[:, 0] + rng.standard_normal(20_000) > 0
train = functools.partial(fastlr.train, X, y, backend="fused", learning_rate=0.5)
right = train(max_iter=10)

def check(models, n_threads=None):
    for model in models:
        assert model.w.tobytes() == right.w.tobytes() and model.b == right.b
        assert n_threads is None or model.n_threads == n_threads, model.n_threads

if __name__ == "__main__":
"""


@pytest.fixture(params=["omp", "tbb", "workqueue"])
def run(request, tmp_path):
    def run(code):
        script = tmp_path / "script.py"
        script.write_text(TRAIN + "\n".join("    " + line for line in code.splitlines()))
        environment = {name: value for name, value in os.environ.items() if name != "NUMBA_NUM_THREADS"}
        result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=240, check=False,
                                env=environment | {"NUMBA_THREADING_LAYER": request.param})
        assert result.returncode == 0, result.stderr
    return run


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_process_pools(run, method):
    run(f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
context = multiprocessing.get_context({method!r})
with ProcessPoolExecutor(2, mp_context=context) as pool:
    check([future.result(100) for future in [pool.submit(train, max_iter=10) for _ in range(4)]], n_threads=1)
with context.Pool(2) as pool:
    check([future.get(100) for future in [pool.apply_async(train, kwds=dict(max_iter=10, n_threads=2)) for _ in range(4)]])
""")


@pytest.mark.parametrize("workers", ["loky", "threading", "multiprocessing"])
def test_joblib(run, workers):
    run(f"""
import joblib
with joblib.parallel_config(backend={workers!r}, n_jobs=2):
    check(joblib.Parallel()(joblib.delayed(train)(max_iter=10) for _ in range(8)),
          n_threads=1 if {workers!r} == "multiprocessing" else None)
    check(joblib.Parallel()(joblib.delayed(train)(max_iter=10, n_threads=2) for _ in range(8)))
if {workers!r} == "loky":       # it sets NUMBA_NUM_THREADS to what a worker may use
    with joblib.parallel_config(backend="loky", n_jobs=2, inner_max_num_threads=1):
        check(joblib.Parallel()(joblib.delayed(train)(max_iter=10) for _ in range(4)), n_threads=1)
""")


@pytest.mark.parametrize("workers", ["loky", "threading", "multiprocessing"])
def test_grid_search(run, workers):
    run(f"""
import joblib
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV

class Estimator(ClassifierMixin, BaseEstimator):
    def __init__(self, l2=0.0):
        self.l2 = l2

    def fit(self, X, y):
        self.model_ = fastlr.train(X, y, backend="fused", learning_rate=0.5, max_iter=10, l2=self.l2)
        self.classes_ = self.model_.classes
        return self

    def predict(self, X):
        return self.model_.predict(X)

found = []
for n_jobs in (1, 2):
    with joblib.parallel_config(backend={workers!r}):
        search = GridSearchCV(Estimator(), {{"l2": [0.0, 0.1, 1.0]}}, n_jobs=n_jobs, cv=3, error_score="raise").fit(X, y)
    found.append((search.best_estimator_.model_.w.tobytes(), search.cv_results_["mean_test_score"].tolist()))
assert found[0] == found[1]
""")


def test_dask_workers(run):
    pytest.importorskip("distributed")
    run("""
from distributed import Client, LocalCluster
for processes in (True, False):
    with (LocalCluster(n_workers=2, threads_per_worker=2, processes=processes, dashboard_address=None) as cluster,
          Client(cluster) as client):
        futures = client.map(lambda i: train(max_iter=10), range(8), pure=False)
        check(client.gather(futures), n_threads=1 if processes else None)
""")
