"""Threads and forks: same numbers, nothing left behind, nothing hangs."""

import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest

import fastlr
from fastlr.backends.compiled import threading_layer
from fastlr.machine.limits import processors
from tests.problems import problem
from tests.processes import run

pytestmark = pytest.mark.compiles

MOST = min(2, int(os.environ.get("NUMBA_NUM_THREADS", processors())))       # of two threads

TRAIN = """
import numpy as np, fastlr, os, threading
from fastlr.machine.limits import processors
if "LAYER" in os.environ:               # and not NUMBA_THREADING_LAYER, for which kernels would be compiled anew
    import numba
    numba.config.THREADING_LAYER = os.environ["LAYER"]
rng = np.random.default_rng(0)
X = rng.standard_normal((20_000, 10)); y = X[:, 0] + rng.standard_normal(20_000) > 0
def job(name=None, **options):
    name = name if isinstance(name, str) else os.environ.get("BACKEND", "fused")
    return fastlr.train(X, y, backend=name, learning_rate=0.5, max_iter=10, **options).w.tobytes().hex()
def threads(n_threads=None):
    name = os.environ.get("BACKEND", "fused")
    return fastlr.train(X, y, backend=name, learning_rate=0.5, max_iter=1, n_threads=n_threads).n_threads
"""


def test_numbas_thread_count_is_put_back():
    import numba

    X, y, *_ = problem(30_000, 8)
    for before in {1, numba.config.NUMBA_NUM_THREADS}:
        numba.set_num_threads(before)
        for n_threads in (1, 2):
            fastlr.train(X, y, backend="parallel", learning_rate=0.1, max_iter=2, n_threads=n_threads)
            assert numba.get_num_threads() == before
            for error in (KeyError, KeyboardInterrupt):
                def fail(state, error=error):
                    raise error
                with pytest.raises(error):
                    fastlr.train(X, y, backend="parallel", learning_rate=0.1, max_iter=2, n_threads=n_threads, callback=fail)
                assert numba.get_num_threads() == before
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)


def test_numbas_setting_is_the_default():
    import numba

    X, y, *_ = problem(30_000, 8)
    numba.set_num_threads(1)
    assert fastlr.train(X, y, backend="parallel", learning_rate=0.1, max_iter=1).n_threads == 1
    assert fastlr.train(X, y, backend="parallel", learning_rate=0.1, max_iter=1, n_threads=2).n_threads == MOST
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)


def test_a_module_that_another_thread_is_importing(monkeypatch):
    from fastlr.backends.compiled import threads

    monkeypatch.setitem(sys.modules, "multiprocessing", ModuleType("multiprocessing"))
    assert threads.useful(None, 10**9) == processors()


@pytest.mark.parametrize("name", ["loop", "fused"])
def test_trainings_at_once_share_the_processors(name):
    """Eight at the same moment: one has what there is, the others one thread each, unless they ask for more."""
    X, y, *_ = problem(30_000, 8)

    def n_threads(together=None, asked=None, error=None):
        def callback(state):
            if together is not None:
                together.wait(timeout=60)
            if error is not None:
                raise error
        return fastlr.train(X, y, backend=name, learning_rate=0.1, max_iter=1, n_threads=asked, callback=callback).n_threads

    most = MOST if name == "fused" else 1
    with ThreadPoolExecutor(8) as pool:
        together = threading.Barrier(8)
        assert sorted(pool.map(n_threads, [together] * 8)) == [1] * 7 + [processors() if name == "fused" else 1]
        assert set(pool.map(n_threads, [together] * 8, [2] * 8)) == {most}
        for error in (KeyError, KeyboardInterrupt):
            with pytest.raises(error):
                n_threads(error=error)
    nested = []
    fastlr.train(X, y, backend=name, learning_rate=0.1, max_iter=1, callback=lambda state: nested.append(n_threads()))
    assert nested == [n_threads()] == [processors() if name == "fused" else 1]      # all is given back


@pytest.mark.parametrize("layer", ["omp", pytest.param("tbb", marks=pytest.mark.long),
                                   pytest.param("workqueue", marks=pytest.mark.long)])
def test_many_threads_train_at_once(layer):
    """OpenMP is preferred, and told not to spin long; the environment is as before."""
    code = f"""
from concurrent.futures import ThreadPoolExecutor
before = dict(os.environ)
right = job()
assert os.environ == before
with ThreadPoolExecutor(4) as pool:
    assert set(pool.map(job, range(16))) == {{right}}
    assert set(pool.map(lambda _: job(n_threads=2), range(16))) == {{right}}
import numba
assert numba.threading_layer() == {layer!r}
fastlr.show_versions()
"""
    result = run(TRAIN + code, BACKEND="parallel", OMP_DISPLAY_ENV="verbose", **({} if layer == "omp" else {"LAYER": layer}))
    assert result.returncode == 0, result.stderr
    assert re.search(rf"threading layer +{layer}$", result.stdout, re.MULTILINE)
    assert layer != "omp" or "GOMP_SPINCOUNT = '5000'" in result.stderr


def test_tbb_stands_in_where_openmp_can_not_be_loaded():
    """With the same bits."""
    code = """
import sys
sys.modules["numba.np.ufunc.omppool"] = None
bits = job()
import numba
print(numba.threading_layer(), bits)
"""
    result, here = run(TRAIN + code, BACKEND="parallel"), {}
    exec(TRAIN, here)
    assert result.stdout.split() == ["tbb", here["job"]("parallel")], result.stderr


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_the_users_settings_of_openmp_stay(monkeypatch, name):
    monkeypatch.setenv(name, "passive")
    before = dict(os.environ)
    with threading_layer._spinning():
        assert os.environ == before


def test_a_layer_that_is_not_there():
    """Refused by train, and told by show_versions."""
    code = """
import importlib.metadata
importlib.metadata.files = lambda package: None
fastlr.show_versions()
job()
"""
    result = run(TRAIN + code, BACKEND="parallel", NUMBA_THREADING_LAYER="tbb")
    assert result.returncode == 1
    assert re.search("threading layer +No threading layer could be loaded", result.stdout)
    assert "ValueError: No threading layer could be loaded" in result.stderr


FORK = """
import multiprocessing, signal, time
def in_child(function=job):
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os.write(into, str(function()).encode())
        os._exit(0)
    os.close(into)
    with open(out) as result:
        text = result.read()
    assert os.waitpid(child, 0)[1] == 0
    return text
def while_held(lock, function):
    ready = threading.Event()
    def hold():
        with lock:
            ready.set()
            time.sleep(0.2)
    threading.Thread(target=hold).start()
    ready.wait()
    return in_child(function)
def in_thread(function):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()
"""


@pytest.mark.parametrize("layer", ["omp", pytest.param("tbb", marks=pytest.mark.long),
                                   pytest.param("workqueue", marks=pytest.mark.long), None])
def test_forks_after_training(layer):
    """Children and grandchildren, of any thread, at any time: the same bits, and nothing hangs; without a layer, of `fused`."""
    code = FORK + """
right = {name: job(name) for name in ("parallel", "fused")}
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map_async(job, ["parallel", "fused"] * 2).get(timeout=60) == [*right.values()] * 2
    assert pool.apply_async(threads).get(timeout=60) == 1           # its siblings have the other processors
    asked = pool.apply_async(threads, (2,)).get(timeout=60)         # and it may ask for more
right = right[os.environ["BACKEND"]]
assert in_child() == in_child(in_child) == in_child(lambda: in_thread(job)) == in_thread(in_child) == right
from fastlr.machine import forks
assert while_held(forks.sharing, job) == right

stop = threading.Event()
def train():
    while not stop.is_set():
        fastlr.train(X, y, backend=os.environ["BACKEND"], learning_rate=0.5, max_iter=300)
trainer = threading.Thread(target=train)
trainer.start()
assert {in_child() for _ in range(3)} == {right}
stop.set()
trainer.join()

inside, leave = threading.Event(), threading.Event()
def hold(state):
    inside.set()
    return leave.wait()
trainer = threading.Thread(target=fastlr.train, args=(X, y), kwargs={"backend": os.environ["BACKEND"], "callback": hold})
trainer.start()
inside.wait()
busy = in_child(threads)                                            # while another thread is in a training for sure
leave.set()
trainer.join()

def fork(state):
    global child
    if state.n_iter == 5:
        child = os.fork()
assert job(callback=fork) == right                                  # the child goes on with the training too
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert job() == right and threads() == processors()
print(asked, in_child(threads), busy, in_thread(lambda: in_child(threads)))
"""
    result = run(TRAIN + code, **({"BACKEND": "fused"} if layer is None else {"BACKEND": "parallel", "LAYER": layer}))
    assert result.returncode == 0, result.stderr
    safe, unsafe = (1 if layer == "omp" else MOST), (MOST if layer in ("workqueue", None) else 1)
    assert [*map(int, result.stdout.split()[-4:])] == [safe, safe, unsafe, unsafe]      # TBB prints its fears before


@pytest.mark.long
def test_fork_while_another_thread_starts(tmp_path):
    """A fork waits for the import of Numba, and for a kernel (ours or not) that is being compiled: no child inherits the lock."""
    code = FORK + """
os.environ["BACKEND"] = "loop"
thread = threading.Thread(target=job)
thread.start()
children = []
while thread.is_alive():
    children.append(in_child())
right = job()
assert set(children) == {right}

import numba
@numba.njit
def f(x):
    for i in range(3):
        x = np.sqrt(np.sort(x)[::-1] @ x) * np.linspace(x[0], x[1], 9)
    return x
def train_other(dtype="float32"):
    return fastlr.train(X.astype(dtype), y, backend="loop", learning_rate=0.5, max_iter=1).n_threads
thread = threading.Thread(target=f, args=(np.ones(9),))
thread.start()
time.sleep(0.05)
assert thread.is_alive()
assert in_child(train_other) == "1"

from fastlr.backends.compiled import jit
assert while_held(jit._lock, lambda: train_other("int8")) == "1"
print(len(children))
"""
    result = run(TRAIN + code, FASTLR_CACHE_DIR=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 0


def test_first_use_from_many_threads_at_once():
    """Nobody is handed a module that another thread is still importing, or a kernel that it is still compiling.

    Where the process may use one processor alone from then on, training has one thread.
    """
    code = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    assert len(set(pool.map(job, range(8)))) == 1
assert threads() == processors()
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
assert threads() == 1
"""
    result = run(TRAIN + code)
    assert result.returncode == 0, result.stderr
