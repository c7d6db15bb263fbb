"""Intervals of probabilities against statsmodels, in every form of X."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array

import fastlr
from tests.inference.data_sets import data_set, each_data_set, logit
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


def test_refusals():
    X, y, *_ = problem(100, 3)
    model = fastlr.train(X, y, backend="numpy")
    with pytest.raises(ValueError, match="X has 2 features"):
        model.intervals(X[:, :2])
    with pytest.raises(ValueError, match="level must be above 0 and below 1"):
        model.intervals(X, 95)
    with pytest.raises(ValueError, match=r"some parameters have no standard errors.*Collinear"):
        fastlr.train(X[:, [0, 0]], y, backend="numpy").intervals(X[:, [0, 0]])
    with pytest.raises(ValueError, match="without the training data"):
        pickle.loads(pickle.dumps(fastlr.train(X, y, backend="numpy"))).intervals(X)
