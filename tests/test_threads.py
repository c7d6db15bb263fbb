"""Threads and forks: same numbers, nothing left behind, nothing hangs."""

import os
import subprocess
import sys

import pytest

import fastlr
from tests.problems import problem

TRAIN = """
import numpy as np, fastlr, os, threading
rng = np.random.default_rng(0)
X = rng.standard_normal((20_000, 10)); y = X[:, 0] + rng.standard_normal(20_000) > 0
def job(_=None):
    return fastlr.train(X, y, backend=os.environ.get("BACKEND", "fused"), learning_rate=0.5, max_iter=10).w.tobytes().hex()
"""


def run(code, **environment):
    return subprocess.run([sys.executable, "-c", TRAIN + code], capture_output=True, text=True, timeout=120, check=False,
                          env=os.environ | environment)


def test_numbas_thread_count_is_put_back():
    import numba

    X, y, *_ = problem(30_000, 8)
    for before in {1, numba.config.NUMBA_NUM_THREADS}:
        numba.set_num_threads(before)
        fastlr.train(X, y, backend="fused", learning_rate=0.1, max_iter=2)
        with pytest.raises(KeyError):
            fastlr.train(X, y, backend="fused", learning_rate=0.1, max_iter=2, callback=lambda state: {}[0])
        assert numba.get_num_threads() == before
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_many_threads_train_at_once(layer):
    code = """
from concurrent.futures import ThreadPoolExecutor
right = job()
with ThreadPoolExecutor(4) as pool:
    assert set(pool.map(job, range(100))) == {right}
"""
    result = run(code, NUMBA_THREADING_LAYER=layer)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
@pytest.mark.parametrize("name", ["parallel", "fused"])
def test_fork_after_training(layer, name):
    code = """
import multiprocessing
right = job()
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert set(pool.map_async(job, range(4)).get(timeout=60)) == {right}
"""
    result = run(code, NUMBA_THREADING_LAYER=layer, BACKEND=name)
    assert result.returncode == 0, result.stderr


def test_one_allowed_processor_is_one_thread():
    code = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
assert fastlr.train(X, y, backend="fused", learning_rate=0.5, max_iter=1).n_threads == 1
"""
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_interrupt_is_answered_while_compiled_code_runs(backend):
    """SIGINT after training has started: KeyboardInterrupt soon, from every backend."""
    code = """
import signal, time, sys
X, y = X[:2000], y[:2000]
job()
fastlr.train(X, y, backend=os.environ["BACKEND"], learning_rate=0.5, max_iter=1)
sent = []
def interrupt():
    time.sleep(0.5); sent.append(time.perf_counter()); os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    fastlr.train(X, y, backend=os.environ["BACKEND"], learning_rate=1e-9, max_iter=10**9)
except KeyboardInterrupt:
    print(time.perf_counter() - sent[0])
"""
    result = run(code, BACKEND=backend)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 0.5


def test_first_use_from_many_threads_at_once():
    """Nobody is handed a module that another thread is still importing, or a kernel that it is still compiling."""
    code = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    assert len(set(pool.map(job, range(8)))) == 1
"""
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_results_do_not_depend_on_the_layer():
    assert len({run("print(job())", NUMBA_THREADING_LAYER=layer).stdout for layer in ("omp", "workqueue")}) == 1
