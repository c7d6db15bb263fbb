"""Ctrl-C is answered, whatever is running, and nothing is left half done."""

import itertools
import math
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fastlr
from fastlr import backends
from fastlr.backends import ranges as row_ranges
from fastlr.data import door
from fastlr.solvers import NAMES, gd
from fastlr.solvers.quasi_newton import InverseHessian, Target, iterates
from tests.backends.test_laws import KINDS
from tests.data.test_moments import objective
from tests.problems import problem, weights

# Hessians of a fifth of a second, and columns so much alike that L-BFGS takes hundreds of steps.
INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, fastlr

rng = np.random.default_rng(0)
X = np.cumsum(rng.standard_normal((20_000, 300)), axis=1)
y = rng.random(20_000) < 0.5
for backend, solver in [case.split() for case in sys.argv[1:]]:
    python = backend == "python"
    def train(rows, **options):
        A = X[:rows, :60] if python else X[:rows]
        return fastlr.train(A, y[:rows], backend=backend, solver=solver, tol=0.0, **options)
    right = train(30 if python else 600, max_iter=1)            # everything compiled
    def interrupt():
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
    sender = threading.Thread(target=interrupt)
    try:
        sender.start()
        train(20_000, max_iter=10**9)
        sender.join()
        time.sleep(1.0)
    except KeyboardInterrupt:
        sender.join()
    else:
        raise AssertionError(f"{backend} {solver} was not interrupted")
    again = train(30 if python else 600, max_iter=1)
    assert again.w.tobytes() == right.w.tobytes() and again.n_threads == right.n_threads, (backend, solver)
"""


@pytest.mark.compiles
def test_ctrl_c_is_answered():
    """Every solver, and every backend: KeyboardInterrupt, long before training ends; the next is as if nothing had been."""
    cases = ["numpy newton", "numpy lbfgs", "fused auto", "fused newton", "fused gd", "python gd", "loop gd", "parallel newton"]
    assert {*" ".join(cases).split()} == {*backends.available_backends(), *NAMES}
    command = [sys.executable, "-c", INTERRUPTED, *cases]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300,
                            env=os.environ | {"PYTHONWARNINGS": "ignore"})
    assert result.returncode == 0, result.stderr


def test_a_call_makes_as_many_updates_as_there_is_time_for(monkeypatch):
    """A sixteenth of a second, by a clock on which an update of gradient descent takes a hundredth."""
    now, calls, descend = [0.0], [], gd._descend

    def timed(*arguments):
        calls.append(len(arguments[-1]))
        now[0] += 0.01 * len(arguments[-1])
        return descend(*arguments)

    monkeypatch.setattr(gd, "_descend", timed)
    monkeypatch.setattr(gd, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    fastlr.train(*problem(50, 3)[:2], learning_rate=0.1, max_iter=20, backend="numpy")
    assert calls == [1, 6, 6, 6, 1]


@pytest.mark.compiles
def test_a_call_makes_as_many_updates_of_quasi_newton_as_it_may():
    """The bound is for problems so small that all updates fit into one call otherwise."""
    J, u, _ = objective("fused", *problem(400, 6)[:2]).start(None)
    whole, *_ = iterates(J, u, InverseHessian(J), Target(1e-8), math.inf, most=50)
    pieces = list(iterates(J, u, InverseHessian(J), Target(1e-8), math.inf, most=50, updates_a_call=2))
    assert len(whole.before) > 4 and max(len(piece.before) for piece in pieces) == 2


@pytest.mark.slow
def test_a_large_X_goes_through_in_pieces(backend, threshold):
    check_pieces(backend, np.float64, "C", threshold)


@pytest.mark.compiles
@pytest.mark.parametrize(("dtype", "order"), KINDS[1:])
def test_a_large_X_of_another_kind_goes_through_in_pieces(dtype, order, threshold):
    check_pieces("fused", dtype, order, threshold)


def check_pieces(backend, dtype, order, threshold):
    """Pieces of 1024 rows: the same sums, descent and Hessians as in one."""
    X, y, w, b = problem(2500, 6, dtype=dtype, order=order)
    s, o = weights(2500)
    given = {"backend": backend, "sample_weight": s, "offset": o}

    def results():
        descent = fastlr.train(X, y, learning_rate=0.3, max_iter=3, **given)
        optimum = fastlr.train(X, y, solver="newton", l2=0.01, **given)
        J, dw, db = fastlr.cost_and_gradient(X, y, w, b, **given)
        return np.concatenate([descent.w, descent.costs, optimum.w, [optimum.cost, J], dw, [db]])

    threshold("small problem", 0)                       # which goes through in one piece
    whole = results()
    threshold("range", 1200 * 6 * np.dtype(dtype).itemsize)
    assert len(row_ranges.pieces(X)) == 3
    np.testing.assert_allclose(results(), whole, rtol=1e-10)


def test_pieces_cover_all_rows_once():
    for first, last, most in ((0, 1, None), (0, 5000, 700), (1024, 100_000, 2048), (0, 3, None), (0, 1 << 27, None)):
        ranges = (row_ranges.pieces(np.broadcast_to(np.uint8(0), (last, 1 << 28 if last == 3 else 16))) if most is None
                  else row_ranges.shorter_pieces(first, last, most))
        assert ranges[0][0] == first
        assert ranges[-1][1] == last
        assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))
        assert all(first < last for first, last in ranges)


@pytest.mark.compiles
def test_hessian_in_pieces(threshold):
    """A Hessian takes longer than a read, so its pieces are shorter."""
    X, y, w, b = problem(2500, 6)
    data = door.data_as_given(X, y)
    kernel = backends.load("fused")
    arguments = (*kernel.prepare(*data.rows, 1), np.append(w, b), np.zeros(6), 0.0)
    whole = kernel.hessian(*arguments)
    threshold("products", 700 * 8 ** 2)
    np.testing.assert_allclose(kernel.hessian(*arguments), whole, rtol=1e-12)
