"""A pass over rows is written once, and works for data in memory, for streams and for Dask."""

import pickle

import numpy as np
import pytest

from fastlr import backends
from fastlr.backends import numpy_passes
from fastlr.data import door, passes
from fastlr.data.dataset import InMemory, OfRows, merged_by, summed
from tests.problems import problem, weights

M, N = 3000, 4
X, Y, W, B = problem(M, N)
WEIGHT, OFFSET = weights(M)
THETA = np.append(W, B)


@summed
def scores_squared(part, theta):
    """The sum of (s_i dz_i)^2 [x_i, 1] [x_i, 1]^T, which a sandwich covariance is made of."""
    z = part.X @ theta[:-1] + theta[-1] + part.offset
    scores = (part.sample_weight * (1.0 / (1.0 + np.exp(-z)) - part.y))[:, None] * np.column_stack([part.X, np.ones(z.size)])
    return scores.T @ scores


@merged_by(max)
def largest_margin(part, theta):
    return float((part.X @ theta[:-1] + theta[-1]).max())


def in_memory(tmp_path):
    return door.data(X, Y, WEIGHT, None, OFFSET)


def in_blocks(tmp_path):
    import fastlr

    np.save(tmp_path / "X.npy", X)
    return door.data(fastlr.stream(tmp_path / "X.npy", memory=4 * 512 * X.itemsize * N), Y, WEIGHT, None, OFFSET)


def on_cluster(tmp_path):
    da = pytest.importorskip("dask.array")
    return door.data(da.from_array(X, chunks=(130, N)), Y, WEIGHT, None, OFFSET)


each_kind = pytest.mark.parametrize("kind", [in_memory, in_blocks, pytest.param(on_cluster, marks=pytest.mark.slow)])


@each_kind
def test_a_new_pass(kind, tmp_path):
    data = kind(tmp_path)
    z = X @ W + B + OFFSET
    scores = (WEIGHT * (1.0 / (1.0 + np.exp(-z)) - Y))[:, None] * np.column_stack([X, np.ones(M)])
    np.testing.assert_allclose(data.reduce(scores_squared, THETA), scores.T @ scores, rtol=1e-10)
    assert data.reduce(largest_margin, THETA) == pytest.approx((X @ W + B).max(), rel=1e-12)


@summed
def margins_with(part, theta, of_rows):
    """The sum of an entry of each row times its margin, (2,)."""
    return (part.X @ theta[:-1] + theta[-1]) @ of_rows


@each_kind
def test_an_argument_that_has_an_entry_for_each_row(kind, tmp_path):
    values = np.random.default_rng(5).standard_normal((M, 2))
    np.testing.assert_allclose(kind(tmp_path).reduce(margins_with, THETA, values.view(OfRows)), (X @ W + B) @ values, rtol=1e-9)


@each_kind
def test_what_a_dataset_says(kind, tmp_path):
    data, whole = kind(tmp_path), in_memory(tmp_path)
    assert (data.shape, data.size, data.dtype) == ((M, N), M * N, X.dtype)
    assert data.has_weights and data.has_offset
    assert data.count.heaviest_row == np.flatnonzero(WEIGHT).tolist().index(int(np.argmax(WEIGHT)))
    for found, right in zip(data.count, whole.count, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12)
    assert (data.heaviest_row() == X[np.argmax(WEIGHT)]).all()
    for found, right in zip(data.samples([7, 400]), whole.samples([7, 400]), strict=True):
        for a, b in zip(found.rows, right.rows, strict=True):
            assert np.array_equal(a, b)
    half, none = data.divided_weights(1), data.without_features()
    assert half.count.total == pytest.approx(0.5 * data.count.total, rel=1e-12)
    np.testing.assert_allclose(half.reduce(passes.hessian, THETA, np.zeros(N), 0.0),
                               0.5 * data.reduce(passes.hessian, THETA, np.zeros(N), 0.0), rtol=1e-12)
    assert none.shape == (M, 1)
    assert none.reduce(passes.cost_gradient, np.zeros(2))[0] == pytest.approx(
        float(WEIGHT @ np.logaddexp(0.0, np.where(Y == 1, -OFFSET, OFFSET))), rel=1e-12)


def test_a_pass_is_found_by_its_name():
    assert pickle.loads(pickle.dumps(passes.hessian)) is passes.hessian
    assert passes.hessian.__doc__.startswith("The second derivatives")


@pytest.mark.parametrize("name", ["python", "numpy"])
def test_what_a_backend_lacks_is_numpys(name):
    kernel, rows = backends.load(name), door.data(X, Y, WEIGHT, None, OFFSET).rows
    assert not hasattr(kernel, "hessian")
    found = InMemory(*rows, np.array([0, 1]), backend=kernel).reduce(passes.hessian, THETA, np.zeros(N), 0.0)
    assert (found == numpy_passes.hessian(*rows, THETA, np.zeros(N), 0.0)).all()
