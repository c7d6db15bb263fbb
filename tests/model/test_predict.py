"""Prediction: compiled code against NumPy, which of the two is taken, threads and forks."""

import dataclasses
import sys
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp

import fastlr
from fastlr import backends
from fastlr.backends import choice, numpy_vectorized, ranges
from fastlr.backends.compiled import cache_place, native, passes
from fastlr.backends.compiled.passes import Rows
from fastlr.data import arrays
from tests.backends.test_jit import ulps
from tests.problems import problem
from tests.processes import run

pytestmark = pytest.mark.compiles
KINDS = [("f8", "C"), ("f8", "F"), ("f4", "C"), ("u1", "C"), ("f8", "csr")]


@pytest.fixture
def predictor():
    return backends.load("fused")


@pytest.fixture
def always_compiled(monkeypatch, predictor):
    """Every prediction is the compiled one's."""
    monkeypatch.setattr(choice, "predictor", lambda X: predictor)


def given(m, n, dtype="f8", order="C", seed=0):
    """X as predictors take it, an offset for each row, and parameters."""
    rng = np.random.default_rng(seed)
    X = np.asarray(100 * rng.random((m, n)), dtype, order="F" if order == "F" else "C")
    offset = rng.standard_normal(m)
    offset.flags.writeable = False
    taken, _ = arrays.matrix(sp.csr_array(np.where(rng.random((m, n)) < 0.3, X, 0).astype(dtype)) if order == "csr" else X)
    return taken, offset, 0.02 * rng.standard_normal(n + 1)


# ---- compiled code -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("dtype", "order"), KINDS)
def test_compiled_predictions_are_numpys(predictor, dtype, order):
    for m, n in ((1, 1), (7, 3), (150, 40), (3_001, 9), (20, 1_501)):
        X, offset, theta = given(m, n, dtype, order)
        for o in (offset[:0], offset):
            for as_probabilities in (False, True):
                values, is_finite = predictor.predict(X, o, theta, as_probabilities)
                known, known_finite = numpy_vectorized.predict(X, o, theta, as_probabilities)
                assert is_finite and known_finite
                assert values.shape == known.shape and values.flags.c_contiguous
                np.testing.assert_allclose(values, known, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("as_compiled", [False, True])
def test_both_probabilities_are_exact(predictor, as_compiled):
    """Within 2 ulp over all margins, mpmath being the judge."""
    z = np.concatenate([np.linspace(-745, 745, 701), np.linspace(-2, 2, 301), [-1e-300, 0.0, 1e-300, -750.0, 1e4, -1e4]])
    X, _ = arrays.matrix(z[:, None])
    both, _ = (predictor if as_compiled else numpy_vectorized).predict(X, X[:0, 0], np.array([1.0, 0.0]), True)
    with mpmath.workdps(60):
        for column, sign in ((0, 1), (1, -1)):
            exact = np.array([np.longdouble(mpmath.nstr(1 / (1 + mpmath.exp(sign * mpmath.mpf(float(v)))), 30)) for v in z])
            assert ulps(both[:, column], exact).max() <= 2.0


@pytest.mark.parametrize("order", ["C", "csr"])
def test_same_bits_for_any_number_of_threads(predictor, order):
    for m, n in ((9_001, 7), (700, 130)):
        X, offset, theta = given(m, n, order=order)
        results = []
        for count in (1, 2, 7):
            rows = Rows(native.function, X, np.empty(0), np.empty(0), offset, 1)
            rows.n_threads = count                  # also where they don't pay
            z, both = (passes.predict(rows, theta, as_probabilities)[0] for as_probabilities in (False, True))
            results.append(np.column_stack([z, both]))
        assert (results[0] == results[1]).all() and (results[0] == results[2]).all()


def test_pieces_are_put_together(predictor, threshold):
    X, offset, theta = given(9_001, 7)
    whole = [predictor.predict(X, offset, theta, as_probabilities)[0] for as_probabilities in (False, True)]
    threshold("range", 1 << 17)
    assert len(ranges.pieces(X)) > 3
    for as_probabilities in (False, True):
        np.testing.assert_allclose(predictor.predict(X, offset, theta, as_probabilities)[0], whole[as_probabilities], rtol=1e-13)
    for i in (0, 9_000):
        spoilt = X.copy()
        spoilt[i, 0] = np.inf
        spoilt.flags.writeable = False
        assert not predictor.predict(spoilt, offset, theta, True)[1]


@pytest.mark.parametrize("order", ["C", "F", "csr"])
@pytest.mark.parametrize("method", ["decision_function", "predict_proba", "predict"])
def test_what_is_not_finite_is_found_wherever_it_is(always_compiled, method, order):
    """Also where w is 0, which NumPy needs another look for."""
    X = np.ones((9_001, 20), order="F" if order == "F" else "C")         # several blocks a chunk
    model = fastlr.train(X[:2], [0, 1], init=(np.arange(20) - 3.0, 0.0), max_iter=0, learning_rate=1.0)
    for i, j, value in ((0, 0, np.nan), (5, 3, np.inf), (9_000, 19, -np.inf), (8_998, 3, np.nan)):
        X[i, j] = value
        with pytest.raises(ValueError, match=rf"^X has 1 value\(s\) that are .* {value} at row {i}, column {j}\."):
            getattr(model, method)(sp.csr_array(X) if order == "csr" else X)
        X[i, j] = 1.0


@pytest.fixture(params=["numpy", "compiled"])
def each_predictor(request, monkeypatch, predictor):
    """Every prediction is NumPy's, or the compiled one's."""
    monkeypatch.setattr(choice, "predictor", lambda X: numpy_vectorized if request.param == "numpy" else predictor)


def with_parameters(*w, b=0.0):
    return fastlr.train(np.eye(2, len(w)), [0, 1], init=(np.array(w), b), max_iter=0, learning_rate=1.0, backend="numpy")


@pytest.mark.parametrize("form", [np.array, np.asfortranarray, sp.csr_array])
@pytest.mark.parametrize("w, X, value", [((1e200,), [[0.0], [1e149]], "inf"), ((1e200,), [[0.0], [-1e149]], "-inf"),
                                         ((1e200, -1e200), [[0.0, 0.0], [1e200, 1e200]], "(nan|-?inf)"),
                                         ((1e200, 0.0), [[0.0, 0.0], [1e149, 0.0]], "inf")])
def test_margins_beyond_float64_are_refused(each_predictor, form, w, X, value):
    model = dataclasses.replace(with_parameters(*np.zeros(len(w))), w=np.array(w))
    for method in (model.decision_function, model.predict_proba, model.predict):
        with pytest.raises(ValueError, match=rf"^X and w together are too large for float64: 1 margin.* {value} at row 1; .*"):
            method(form(X))


@pytest.mark.parametrize("form", [np.array, np.asfortranarray, sp.csr_array])
def test_what_training_could_not_square_is_predicted(each_predictor, form):
    """Whatever is finite and has a finite margin, also where w is 0."""
    X = form([[1e200, 0.0], [-1e200, 3.0], [0.0, 0.0]])
    model = with_parameters(1.0, 0.0)
    assert model.decision_function(X).tolist() == [1e200, -1e200, 0.0]
    assert model.predict_proba(X).tolist() == [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]
    assert with_parameters(0.0, 1.0).decision_function(X).tolist() == [0.0, 3.0, 0.0]


def test_methods_agree(always_compiled):
    X, y, *_ = problem(2_000, 6)
    offsets = np.linspace(-1.0, 1.0, 2_000)
    model = fastlr.train(X, y, offset=offsets, backend="numpy")
    z = X @ model.w + model.b + offsets
    np.testing.assert_allclose(model.decision_function(X, offsets), z, rtol=1e-11)
    np.testing.assert_allclose(model.predict_proba(X, offsets)[:, 1], 1 / (1 + np.exp(-z)), rtol=1e-11)
    assert (model.predict(X, offsets) == (z > 0)).all()
    assert model.score(X, y, offset=offsets) == np.mean((z > 0) == y)
    estimator = fastlr.LogisticRegression(backend="numpy").fit(X, y)
    np.testing.assert_allclose(estimator.predict_proba(X), estimator.model_.predict_proba(X), rtol=0)
    estimator.coef_[:] = 0.0
    estimator.intercept_[:] = 0.0
    assert (estimator.predict_proba(X) == 0.5).all()


# ---- which one -----------------------------------------------------------------------------------------------------

@pytest.fixture
def forgetful(monkeypatch):
    """As in a process that has predicted nothing and compiled nothing."""
    monkeypatch.setattr(choice, "_seconds_lost", {"training": 0.0, "predicting": 0.0})
    monkeypatch.setattr(choice, "is_ready", lambda kernel, X: False)
    monkeypatch.setattr(choice, "is_kept", lambda kernel, X: True)
    monkeypatch.setattr(choice, "holds_kernels", lambda: True)
    monkeypatch.setattr(choice, "LOSS_LIMIT", 0.1)


def test_numpy_predicts_until_that_has_cost_more_than_starting(forgetful, predictor):
    X, *_ = given(100_000, 1)
    chosen = [choice.predictor(X) for _ in range(200)]
    first = chosen.index(predictor)
    lost = first * 1e5 * choice.NUMPY_PREDICTED_ROW
    assert lost == pytest.approx(choice.LOSS_LIMIT, abs=1e5 * choice.NUMPY_PREDICTED_ROW)
    assert set(chosen[:first]) == {numpy_vectorized}
    assert set(chosen[first:]) == {predictor}
    assert choice._seconds_lost["training"] == 0.0


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_single_prediction_that_is_long_enough(forgetful, predictor, monkeypatch, is_kept):
    """For importing Numba, and for compiling what is not in the cache."""
    monkeypatch.setattr(choice, "is_kept", lambda kernel, X: is_kept)
    rows = int((choice.NUMBA_START if is_kept else choice.COMPILATION) / choice.NUMPY_PREDICTED_ROW)
    assert choice.predictor(SimpleNamespace(shape=(2 * rows, 5))) is predictor
    assert choice._seconds_lost["predicting"] == 0.0
    assert choice.predictor(SimpleNamespace(shape=(rows // 2, 5))) is numpy_vectorized


def test_numba_is_not_imported_for_an_empty_cache(forgetful, monkeypatch, tmp_path):
    """As in the workers of a grid search without libraries; a kernel in the cache is worth a look."""
    asked = []
    monkeypatch.setattr(choice, "holds_kernels", cache_place.holds_kernels)
    monkeypatch.setattr(choice, "is_kept", lambda kernel, X: False)
    monkeypatch.setattr(choice, "_can_start_numba", lambda: asked.append("numba"))
    monkeypatch.setenv("FASTLR_CACHE_DIR", str(tmp_path))
    X, *_ = given(1_000_000, 1)
    for _ in range(20):
        choice.predictor(X)
    assert not asked
    (tmp_path / "fastlr" / "stamp" / "kernel").mkdir(parents=True, mode=0o700)
    (tmp_path / "fastlr" / "stamp" / "kernel" / "manifest").touch()
    choice.predictor(X)
    assert asked == ["numba"]


def test_what_is_compiled_is_taken_at_once(forgetful, predictor, monkeypatch):
    X, *_ = given(choice.FEW_ROWS, 1)
    assert choice.predictor(X) is numpy_vectorized
    monkeypatch.setattr(choice, "is_ready", lambda kernel, X: True)
    assert choice.predictor(X) is predictor
    assert choice.predictor(given(choice.FEW_ROWS - 1, 1)[0]) is numpy_vectorized


def test_without_numba_numpy_predicts(forgetful, monkeypatch):
    X = SimpleNamespace(shape=(10 ** 9, 5))
    monkeypatch.setattr(backends, "_can_be_found", lambda package: False)
    monkeypatch.setitem(backends._TABLE, "fused", backends._TABLE["fused"]._replace(does_without=lambda: False))
    monkeypatch.delitem(sys.modules, "numba")
    assert choice.predictor(X) is numpy_vectorized


def test_a_broken_numba_is_said_once(forgetful, monkeypatch):
    def broken(name):
        monkeypatch.setitem(backends._broken, "numba", "it is broken")
        raise ImportError("it is broken")

    X = SimpleNamespace(shape=(10 ** 9, 5))
    monkeypatch.setattr(backends, "load", broken)
    monkeypatch.setitem(backends._TABLE, "fused", backends._TABLE["fused"]._replace(does_without=lambda: False))
    with pytest.warns(RuntimeWarning, match="it is broken; .* is what works from here on"):
        assert choice.predictor(X) is numpy_vectorized
    assert choice.predictor(X) is numpy_vectorized


# ---- threads and forks ---------------------------------------------------------------------------------------------

PREDICT = """
import os, threading, numpy as np, fastlr
from concurrent.futures import ThreadPoolExecutor
from fastlr.backends import choice
X = np.random.default_rng(0).standard_normal((20_000, 10))
model = fastlr.train(X[:2], [0, 1], init=(np.arange(10) / 10, 0.1), max_iter=0, learning_rate=1.0)
choice._seconds_lost["predicting"] = 1e9
def job(_=None):
    return model.predict_proba(X).tobytes()
right = job()
assert choice.is_ready("predict", X)
"""


@pytest.mark.slow
def test_many_threads_predict_at_once_and_a_fork_too():
    result = run(PREDICT + """
with ThreadPoolExecutor(4) as pool:
    assert set(pool.map(job, range(200))) == {right}
child = os.fork()
if child == 0:
    os._exit(0 if job() == right else 1)
assert os.waitpid(child, 0)[1] == 0
def in_thread():
    child = os.fork()
    if child == 0:
        os._exit(0 if job() == right else 1)
    assert os.waitpid(child, 0)[1] == 0
    done.append(True)
done = []
thread = threading.Thread(target=in_thread)
thread.start()
thread.join(60)
assert done
""")
    assert result.returncode == 0, result.stderr
