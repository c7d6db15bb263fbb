"""X of more than 2^31 elements: nothing in it is a 32-bit number.

All but a few rows are zeros, which take no memory (the system maps one page of zeros), so that J and its gradient are known.
"""

import numpy as np
import pytest

import fastlr
from fastlr import backends
from fastlr.data import door
from fastlr.problem.problem import Problem

pytestmark = pytest.mark.long

TALL = (2 ** 28 + 16, 8)
WIDE = (2 ** 16 + 1, 2 ** 15)
B = 0.25
RTOL = 1e-7                     # 2^28 equal losses added one by one round in the same direction


def problem(shape, order):
    """X, y, the rows that are not zeros, and w."""
    m, n = shape
    X = np.zeros(shape, np.uint8, order)
    y = np.zeros(m, np.int8)
    rows = np.array([0, m // 2, m - 9, m - 2, m - 1])
    rng = np.random.default_rng(0)
    for i in rows:
        X[i, :3] = rng.integers(1, 256, 3)
        X[i, n - 2:] = rng.integers(1, 256, 2)
    y[rows[[1, 3, 4]]] = 1
    return X, y, rows, rng.standard_normal(n) / 500


def by_formula(X, y, rows, w, b):
    """J and its gradient from the rows that are not zeros; all others are alike."""
    m = len(X)
    x, rest = X[rows].astype(float), m - len(rows)
    z = x @ w + b
    dz = 1 / (1 + np.exp(-z)) - y[rows]
    J = (np.logaddexp(0, z) - y[rows] * z).sum() + rest * np.logaddexp(0, b)
    return J / m, x.T @ dz / m, (dz.sum() + rest / (1 + np.exp(-b))) / m


def steps_by_formula(X, y, rows, alpha, count):
    w, b, costs = np.zeros(X.shape[1]), 0.0, []
    for _ in range(count):
        J, dw, db = by_formula(X, y, rows, w, b)
        costs.append(J)
        w, b = w - alpha * dw, b - alpha * db
    return w, b, costs


@pytest.mark.parametrize(("shape", "order", "names"), [
    (TALL, "C", ["loop", "parallel", "fused"]), (TALL, "F", ["loop", "parallel", "fused"]),
    (WIDE, "C", ["numpy", "loop", "parallel", "fused"]), (WIDE, "F", ["numpy", "fused"])],
    ids=["tall C", "tall F", "wide C", "wide F"])
def test_more_than_2_to_the_31_elements(shape, order, names):
    X, y, rows, w = problem(shape, order)
    assert X.size > 2 ** 31
    J, dw, db = by_formula(X, y, rows, w, B)
    w_end, b_end, costs = steps_by_formula(X, y, rows, 0.5, 2)
    for name in names:
        found = fastlr.cost_and_gradient(X, y, w, B, backend=name)
        assert found[0] == pytest.approx(J, rel=RTOL), name
        np.testing.assert_allclose(found[1], dw, rtol=RTOL, atol=1e-18, err_msg=name)
        assert found[2] == pytest.approx(db, rel=RTOL), name

        model = fastlr.train(X, y, learning_rate=0.5, max_iter=2, backend=name)
        np.testing.assert_allclose(model.w, w_end, rtol=RTOL, atol=1e-18, err_msg=name)
        assert model.b == pytest.approx(b_end, rel=RTOL), name
        np.testing.assert_allclose(model.costs, costs, rtol=RTOL, err_msg=name)


@pytest.mark.parametrize("order", "CF")
def test_moments_and_hessian(order):
    """What the solvers for the optimum need besides."""
    X, y, rows, w = problem(TALL, order)
    x, m = X[rows].astype(float), TALL[0]
    kernel = backends.load("fused")
    with backends.threads(kernel, None, TALL[0] * TALL[1]) as count:
        J = Problem.of_theta(door.data_as_given(X, y).with_backend(kernel, count), 0.0, "mean", True)
        center, spread = J.standardisation
        H = J.loss_hessian(np.append(w, B))
    np.testing.assert_allclose(center, x.sum(axis=0) / m, atol=1e-10 * spread.min())
    np.testing.assert_allclose(spread ** 2 + center ** 2, np.square(x).sum(axis=0) / m + (x.sum(axis=0) == 0), rtol=RTOL)
    a, a_rest = (1 / (1 + np.exp(-z)) for z in (x @ w + B, B))
    v = np.column_stack([x, np.ones(len(x))])
    expected = (v * (a * (1 - a))[:, None]).T @ v
    expected[8, 8] += (m - len(rows)) * a_rest * (1 - a_rest)
    np.testing.assert_allclose(H, expected / m, rtol=RTOL, atol=1e-20)


def test_predictions():
    X, y, rows, w = problem(WIDE, "C")
    model = fastlr.train(X[rows], y[rows], init=(w, B), learning_rate=1e-3, max_iter=0, backend="numpy")
    z = model.decision_function(X)
    np.testing.assert_allclose(z[rows], X[rows].astype(float) @ w + B, rtol=1e-12)
    assert (np.delete(z, rows) == B).all()


def test_the_place_of_a_bad_value():
    """In float32, of which zeros take no memory either."""
    X = np.zeros((2 ** 28 + 1, 8), np.float32)
    X[-1, 5] = np.nan
    with pytest.raises(ValueError, match=rf"^X has 1 value.*nan at row {2 ** 28}, column 5\b"):
        fastlr.cost_and_gradient(X, np.zeros(1), np.zeros(8), 0.0)
