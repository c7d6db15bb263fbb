"""Fast against slow: every backend against the plain Python loops, through the public functions."""

import functools

import numpy as np
import pytest

import fastlr
from tests.backends.test_laws import KINDS
from tests.problems import problem, weights

OPTIONS = [
    {}, {"l2": 0.5}, {"reduction": "sum", "learning_rate": 1e-3}, {"reduction": "sum", "l2": 3.0, "learning_rate": 1e-3},
    {"fit_intercept": False}, {"fit_intercept": False, "init": (np.arange(7.0) / 10, 0.7)}, {"class_weight": "balanced"},
    {"class_weight": {0: 2.0}}, {"init": (np.arange(7.0) / 10, 0.7)}, {"tol": 1e-3, "max_iter": 5000}, {"n_threads": 1}]


@functools.cache
def trained(backend, case, weighted):
    X, y, *_ = problem()
    given = dict(zip(("sample_weight", "offset"), weights(len(y)), strict=True)) if weighted else {}
    return fastlr.train(X, y, backend=backend, **{"learning_rate": 0.3, "max_iter": 20} | given | OPTIONS[case])


@pytest.mark.parametrize("case", range(len(OPTIONS)))
def test_train(backend, case):
    for weighted in (False, True):
        model, plain = (trained(name, case, weighted) for name in (backend, "python"))
        np.testing.assert_allclose(model.w, plain.w, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(model.costs, plain.costs, rtol=1e-12)
        assert model.b == pytest.approx(plain.b, rel=1e-11, abs=1e-13)
        assert model.cost == pytest.approx(plain.cost, rel=1e-12)
        assert (model.n_iter, model.converged, model.stop_reason) == (plain.n_iter, plain.converged, plain.stop_reason)
        assert model.grad_norm == pytest.approx(plain.grad_norm, rel=1e-7, nan_ok=True)


def test_cost_and_gradient_of_random_problems(backend):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        m, n = rng.integers(1, 71), rng.integers(1, 21)
        X, y, w, b = problem(m, n, *KINDS[rng.integers(len(KINDS))], seed=seed, scale=10.0 ** rng.choice([-3, 0, 3]))
        s, o = (vector if rng.random() < 0.5 else None for vector in weights(m, seed))
        options = {"l2": rng.choice([0.0, 0.1]), "reduction": rng.choice(["mean", "sum"]), "sample_weight": s, "offset": o}
        J, dw, db = fastlr.cost_and_gradient(X, y, w, b, backend="python", **options)
        size = np.abs(X).sum() if options["reduction"] == "sum" else np.abs(X).max()
        J_fast, dw_fast, db_fast = fastlr.cost_and_gradient(X, y, w, b, backend=backend, **options)
        assert J_fast == pytest.approx(J, rel=1e-12), seed
        np.testing.assert_allclose(dw_fast, dw, rtol=1e-10, atol=1e-13 * size, err_msg=f"seed {seed}")
        assert db_fast == pytest.approx(db, rel=1e-10, abs=1e-13 * m), seed


@pytest.mark.slow
def test_float32_sums_over_many_rows(compiled):
    """Many float32 rows lose nothing: sums that grow with m are float64."""
    rng = np.random.default_rng(0)
    X = rng.random((200_000, 3), np.float32)
    y = (rng.random(200_000) < 0.5).astype(float)
    J, dw, _ = fastlr.cost_and_gradient(X, y, [1.0, -1.0, 0.5], 0.1, backend=compiled, n_threads=1)
    J_double, dw_double, _ = fastlr.cost_and_gradient(X.astype(float), y, [1.0, -1.0, 0.5], 0.1, backend="numpy")
    assert J == pytest.approx(J_double, rel=1e-13)
    np.testing.assert_allclose(dw, dw_double, rtol=1e-11)


@pytest.mark.slow
def test_images_as_they_are(shared_data):
    """MNIST, odd against even: uint8 pixels give the costs of float64 ones."""
    with np.load(shared_data / "dense" / "mnist_63k.npz") as file:
        X, y = np.ascontiguousarray(file["X"][:5000], dtype=np.uint8), file["y"][:5000] % 2
    assert X.max() == 255
    pixels, numbers = (fastlr.train(A, y, backend="fused", learning_rate=1e-5, max_iter=10) for A in (X, X.astype(float)))
    np.testing.assert_allclose(pixels.costs, numbers.costs, rtol=1e-9)


def test_one_hot_columns_are_not_copied():
    from fastlr.data import arrays

    for dtype in (bool, np.uint8, np.int8, np.int16):
        for order in "CF":
            X = np.asarray(np.random.default_rng(0).random((50, 4)) < 0.5, dtype=dtype, order=order)
            assert np.shares_memory(arrays.matrix(X)[0], X)
