"""Intervals of probabilities against statsmodels, in every form of X."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array

import fastlr
from tests.inference.data_sets import data_set, each_data_set, glm, logit
from tests.inference.test_covariance import rows_of
from tests.problems import problem


@pytest.mark.parametrize(*each_data_set)
@pytest.mark.parametrize("weighted", [False, True])
def test_statsmodels(name, weighted):
    X, y, s, *_ = data_set(name)
    s = s if weighted else np.ones(len(y))
    result = logit(X, y, s)
    model = fastlr.train(X, y, sample_weight=s, tol=1e-12, backend="numpy")
    for level in (0.95, 0.5):
        theirs = result.get_prediction(np.column_stack([X, np.ones(len(X))])).conf_int(alpha=1.0 - level)
        np.testing.assert_allclose(model.intervals(X, level), theirs, rtol=1e-8)


def test_robust():
    X, y, *_ = data_set("fair")
    model = fastlr.train(X, y, backend="numpy")
    Z = np.column_stack([X, np.ones(len(X))])
    width = 1.959963984540054 * np.sqrt(np.einsum("ij,jk,ik->i", Z, model.covariance("HC3"), Z))
    z = model.decision_function(X)
    right = 1.0 / (1.0 + np.exp(-np.column_stack([z - width, z + width])))
    np.testing.assert_allclose(model.intervals(X, covariance="HC3"), right, rtol=1e-10)


@pytest.mark.slow
def test_forms_of_x(tmp_path):
    X, y, *_ = problem(3000, 4)
    offset = np.linspace(-1, 1, 3000)
    model = fastlr.train(X, y, offset=offset, backend="numpy")
    right = model.intervals(X, offset=offset)
    da = pytest.importorskip("dask.array")
    np.save(tmp_path / "X.npy", X)
    for same in (csr_array(X), np.asfortranarray(X), X.tolist(), tmp_path / "X.npy",
                 fastlr.stream(tmp_path / "X.npy", memory=1 << 16)):
        np.testing.assert_allclose(model.intervals(same, offset=offset), right, rtol=1e-10)
    lazy = model.intervals(da.from_array(X, chunks=(700, 4)), offset=da.from_array(offset, chunks=700))
    np.testing.assert_allclose(lazy.compute(), right, rtol=1e-10)
    model.summary()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).intervals(X, offset=offset), right)


def test_far_margins_stay_between_0_and_1():
    X, y, *_ = problem(100, 2)
    bounds = fastlr.train(X, y, backend="numpy").intervals(1e6 * X[:5])
    assert ((bounds >= 0.0) & (bounds <= 1.0)).all()


@pytest.mark.parametrize("kind", ["dense", pytest.param("sparse", marks=pytest.mark.sparse), "stream", "dask"])
@pytest.mark.parametrize("classes", [2, 3])
def test_collinear_columns(kind, classes, tmp_path):
    """A constant beside the intercept, and a sum of columns: where rows have that too, the model without them says the same."""
    X, y, *_ = problem(400, 3)
    y = y if classes == 2 else np.arange(400) % 3
    Z = np.column_stack([X, np.full(400, 7.0), X[:, 0] - 2.0 * X[:, 1]])
    right, rows = fastlr.train(X, y, tol=1e-11, backend="numpy"), rows_of(kind, Z, tmp_path)
    model = fastlr.train(rows, y, tol=1e-11, backend="numpy")
    for covariance in ("model", "HC3"):
        expected = right.intervals(X, covariance=covariance)
        np.testing.assert_allclose(np.asarray(model.intervals(rows, covariance=covariance)), expected, rtol=1e-7)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(fastlr.load(tmp_path / "model").intervals(Z[:9]), model.intervals(Z[:9]))
    for column in (3, 4):
        other = Z[:9].copy()
        other[6, column] += 0.01
        if kind == "dask":
            da = pytest.importorskip("dask.array")
            bounds = model.intervals(da.from_array(other, chunks=(4, 5))).compute()
            assert np.isnan(bounds).any(axis=tuple(range(1, bounds.ndim))).nonzero()[0].tolist() == [6]
        with pytest.raises(ValueError, match=r"of row 6 of X, since .* not a linear combination of training rows\.  Coll"):
            model.intervals(other)


def test_collinear_columns_are_statsmodels_with_a_pseudo_inverse():
    X, y, *_ = data_set("fair")
    for more in (np.full(len(X), 7.0), X.iloc[:, 0]):
        Z = np.column_stack([X, more, np.ones(len(X))])
        with pytest.warns(match="rank-deficient"):
            theirs = glm(Z, y).get_prediction().conf_int()
        np.testing.assert_allclose(fastlr.train(Z[:, :-1], y, tol=1e-12, backend="numpy").intervals(Z[:, :-1]), theirs, rtol=1e-8)


def test_columns_that_are_far_from_zero():
    X, y, *_ = problem(300, 2)
    near, shift = fastlr.train(X, y, backend="numpy").intervals(X), np.array([1e5, 0.0])
    np.testing.assert_allclose(fastlr.train(X + shift, y, backend="numpy").intervals(X + shift), near, rtol=1e-5)
    with pytest.raises(ValueError, match="a column of X is too far from 0 for its deviation; subtract about its mean from it"):
        fastlr.train(X + 1e4 * shift, y, backend="numpy").intervals(X + 1e4 * shift)


def test_refusals():
    X, y, *_ = problem(100, 3)
    model = fastlr.train(X, y, backend="numpy")
    with pytest.raises(ValueError, match="X has 2 features"):
        model.intervals(X[:, :2])
    with pytest.raises(ValueError, match="level must be above 0 and below 1"):
        model.intervals(X, 95)
    with pytest.raises(ValueError, match="without the training data"):
        pickle.loads(pickle.dumps(fastlr.train(X, y, backend="numpy"))).intervals(X)
    with pytest.raises(ValueError, match="a standard error overflows float64, since a value of X is too large"):
        fastlr.train(X, np.arange(100) % 3, backend="numpy").intervals(np.full((1, 3), 1e170))
