"""Grouped labels: counts of successes and failures, and shares of successes, against statsmodels and repeated rows."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import fastlr
from tests.problems import problem, weights

X = problem(60, 4)[0]


def counts(zeros=True):
    """Successes and failures (60, 2) of 0 to 8 trials, or of 1 to 9."""
    rng = np.random.default_rng(5)
    n = rng.integers(0 if zeros else 1, 9, 60)
    k = rng.binomial(n, 1.0 / (1.0 + np.exp(-X[:, 0] - 0.3)))
    return np.column_stack([k, n - k])


def repeated(y):
    """One row for each trial: X and labels."""
    return np.repeat(np.repeat(X, 2, axis=0), y.ravel(), axis=0), np.repeat(np.tile([1, 0], len(y)), y.ravel())


def glm(y, cov_type="nonrobust", **options):
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    return GLM(y, np.column_stack([np.ones(60), X]), family=Binomial(), **options).fit(tol=1e-14, cov_type=cov_type)


def test_counts_are_those_of_statsmodels(backend):
    y, o = counts(zeros=False), weights(60)[1]
    summary = fastlr.train(X, y, offset=o, backend=backend, tol=1e-12).summary()
    result = glm(y, offset=o)
    np.testing.assert_allclose(summary.estimate, result.params, rtol=1e-8)
    np.testing.assert_allclose(summary.standard_error, result.bse, rtol=1e-8)
    assert summary.examples == y.sum()


def test_shares_with_trials_are_those_of_statsmodels():
    y = counts(zeros=False)
    n = y.sum(axis=1)
    summary = fastlr.train(X, y[:, 0] / n, sample_weight=n, tol=1e-12).summary()
    result = glm(y[:, 0] / n, var_weights=n)
    np.testing.assert_allclose(summary.estimate, result.params, rtol=1e-8)
    np.testing.assert_allclose(summary.standard_error, result.bse, rtol=1e-8)


@pytest.mark.parametrize("kind", [float, Decimal])
def test_shares_may_be_objects(kind):
    y = counts(zeros=False)
    shares, n = y[:, 0] / y.sum(axis=1), y.sum(axis=1)
    objects = np.array([kind(repr(share)) for share in shares.tolist()], object)
    model, same = (fastlr.train(X, each, sample_weight=n, backend="numpy") for each in (objects, shares))
    np.testing.assert_array_equal(model.w, same.w)
    assert model.classes.tolist() == [0, 1]


@pytest.mark.parametrize("options", [{}, {"l2": 0.1}, {"firth": True}, {"class_weight": "balanced"}, {"fit_intercept": False}])
def test_counts_are_repeated_rows(options):
    y = counts()
    grouped, plain = fastlr.train(X, y, tol=1e-12, **options), fastlr.train(*repeated(y), tol=1e-12, **options)
    np.testing.assert_allclose(grouped.w, plain.w, rtol=1e-9)
    assert grouped.cost == pytest.approx(plain.cost, rel=1e-12)
    assert grouped.classes.tolist() == [0, 1] and grouped.converged


@pytest.mark.parametrize("kind", ["sparse", "float32", "Fortran", "frame", "lists"])
def test_every_kind_of_x_and_y(kind):
    import scipy.sparse

    y = counts()
    other = {"sparse": scipy.sparse.csr_array(X), "float32": X.astype(np.float32), "Fortran": np.asfortranarray(X),
             "frame": pd.DataFrame(X, columns=list("abcd")), "lists": X.tolist()}[kind]
    known = fastlr.train(*repeated(y))
    given = {"frame": pd.DataFrame(y, columns=["died", "lived"]), "lists": y.tolist()}.get(kind, y)
    model = fastlr.train(other, given)
    np.testing.assert_allclose(model.w, known.w, rtol=1e-5)
    assert model.feature_names == (tuple("abcd") if kind == "frame" else None)


def test_weights_multiply_counts():
    y, s = counts(), np.arange(60.0) % 4
    np.testing.assert_allclose(fastlr.train(X, y, sample_weight=s, tol=1e-12).w, fastlr.train(X, y * s[:, None], tol=1e-12).w,
                               rtol=1e-9)


def test_soft_labels():
    """The probabilities of a model as labels: the model is their optimum.  They count no examples."""
    w, b = np.array([1.0, -0.5, 0.25, 2.0]), 0.5
    y = 1.0 / (1.0 + np.exp(-X @ w - b))
    model = fastlr.train(X, y, tol=1e-12)
    np.testing.assert_allclose(np.append(model.w, model.b), np.append(w, b), rtol=1e-8)
    summary = model.summary()
    assert np.isnan(summary.standard_error).all() and "The trials of y add up to 60 over 120 rows" in summary.notes[-1]


@pytest.mark.parametrize("labels", [(0.0, 1.0), (0.5, 1.5), (-0.5, 0.5)])
def test_what_are_labels(labels):
    model = fastlr.train(X, np.tile(labels, 30))
    assert tuple(model.classes) == labels and model._training.data.example_of_rows is None


def test_clusters_of_grouped_labels():
    """statsmodels takes the trials of an example for one cluster."""
    y = counts(zeros=False)
    G, N, k = 60, y.sum(), 5
    V = fastlr.train(X, y, tol=1e-12).covariance(("cluster", np.arange(60)))
    order = [4, 0, 1, 2, 3]
    theirs = glm(y, cov_type="HC0").cov_params()
    np.testing.assert_allclose(V[np.ix_(order, order)], theirs * G / (G - 1) * (N - 1) / (N - k), rtol=1e-8)


@pytest.mark.parametrize(("y", "text"), [
    (-counts(), r"y\[:, 0\] must be finite, at least 0"),
    (counts()[:50], r"y has 50 rows, and X has 60 rows"),
    (np.full((60, 2), np.nan), "must be finite"),
    (np.zeros((60, 2)), "counts no trial"),
    (np.tile([3, 0], (60, 1)), "one class only"),
    (np.eye(2)[np.arange(60) % 2], "one-hot labels or counts of one trial each"),
    (np.ones((60, 3)), "y must have one dimension"),
])
def test_what_is_refused(y, text):
    with pytest.raises(ValueError, match=text):
        fastlr.train(X, y)


def test_a_list_that_starts_with_an_array_may_hold_labels():
    labels = [np.array(k % 2) for k in range(60)]           # each of no dimension
    np.testing.assert_array_equal(fastlr.train(X, labels, l2=0.1).w, fastlr.train(X, np.arange(60) % 2, l2=0.1).w)
    with pytest.raises(ValueError, match="If each column of X is an example"):
        fastlr.train(np.zeros((5, 2)), [[0], [1, 0]])


@pytest.mark.parametrize("kind", ["dense", pytest.param("sparse", marks=pytest.mark.sparse)])
@pytest.mark.parametrize("weight", [None, 1e8])
def test_blocks_of_a_stream_are_rows_in_memory(kind, weight):
    A = X if kind == "dense" else pytest.importorskip("scipy.sparse").csr_array(X)
    cuts = slice(20), slice(20, 25), slice(25, 60)
    blocks = fastlr.stream(lambda: (A[rows] for rows in cuts))
    y, groups = counts(), np.arange(60) // 3
    y[20:25] = 0                                                    # a block without trials
    given = {"offset": weights(60)[1], "backend": "numpy", "tol": 1e-12,
             "sample_weight": None if weight is None else np.full(60, weight)}
    for labels in (y, y[:, 0] / np.maximum(y.sum(axis=1), 1)):
        streamed, whole = (fastlr.train(each, labels, **given) for each in (blocks, A))
        np.testing.assert_allclose(streamed.w, whole.w, rtol=1e-9)
        assert streamed.cost == pytest.approx(whole.cost, rel=1e-12)
    with_y = fastlr.stream(lambda: ((A[rows], y[rows]) for rows in cuts))
    whole, streamed, brought = (fastlr.train(*each, **given) for each in ((A, y), (blocks, y), (with_y, None)))
    assert brought.w.tobytes() == streamed.w.tobytes()
    for covariance in ("model", "HC3", ("cluster", groups)):
        np.testing.assert_allclose(streamed.covariance(covariance), whole.covariance(covariance), rtol=1e-9, atol=1e-16)
    np.testing.assert_allclose(streamed.cooks_distances(), whole.cooks_distances(), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["array", "frame", "sparse"])
def test_parts_of_dask_are_rows_in_memory(kind):
    """Counts and shares, as Dask's in other parts than X, and as arrays, with a part without trials."""
    dask, da, dd = (pytest.importorskip(name) for name in ("dask", "dask.array", "dask.dataframe"))
    y, (s, o), groups = counts(), weights(60), np.arange(60) // 3
    y[20:25] = 0
    share = y[:, 0] / np.maximum(y.sum(axis=1), 1)
    frame = pd.DataFrame(X, columns=list("abcd"))
    if kind == "frame":
        A, parts = frame, dd.from_pandas(frame, npartitions=3)
        of_dask = [dd.from_pandas(pd.DataFrame(y), npartitions=3), dd.from_pandas(pd.Series(share), npartitions=3)]
    else:
        A, parts = X, da.from_array(X, chunks=((20, 0, 5, 35), 3))
        objects = np.where(share % 1.0 == 0.0, share.astype(int).astype(object), share.astype(object))      # some parts are whole
        of_dask = [da.from_array(y, chunks=(13, 1)), da.from_array(objects, chunks=(20, 0, 5, 35))]
    if kind == "sparse":
        csr_array = pytest.importorskip("scipy.sparse").csr_array
        A, parts = csr_array(X), parts.map_blocks(csr_array)
    given = {"offset": o, "sample_weight": s, "class_weight": {0: 0.5}, "l2": 0.01, "backend": "numpy", "solver": "newton",
             "max_iter": 2, "tol": 0.0}
    with dask.config.set(scheduler="synchronous"):
        for labels, in_parts in zip((y, share), of_dask, strict=True):
            whole = fastlr.train(A, labels, **given)
            for each in (labels, in_parts)[kind != "array":]:
                found = fastlr.train(parts, each, **given)
                np.testing.assert_allclose(np.append(found.w, found.b), np.append(whole.w, whole.b), rtol=1e-9)
                assert found.cost == pytest.approx(whole.cost, rel=1e-12) and found.classes.dtype == whole.classes.dtype
        whole, found = (fastlr.train(*each, offset=o, backend="numpy", solver="newton", max_iter=6, tol=0.0)
                        for each in ((A, y), (parts, of_dask[0])))
        assert found.summary().examples == whole.summary().examples == y.sum()
        assert found.summary().null_log_likelihood == pytest.approx(whole.summary().null_log_likelihood, rel=1e-10)
        for covariance in ("model", "HC3", ("cluster", groups)):
            np.testing.assert_allclose(found.covariance(covariance), whole.covariance(covariance), rtol=1e-9, atol=1e-16)
        np.testing.assert_allclose(found.cooks_distances(), whole.cooks_distances(), rtol=1e-9)
        np.testing.assert_allclose(found.predict_proba(parts, o).compute(), whole.predict_proba(A, o), rtol=1e-9)


@pytest.mark.slow
def test_no_part_of_dask_decides_alone():
    """Whether y is counts or one-hot labels, and shares or labels, is asked of all parts."""
    dask, da = (pytest.importorskip(name) for name in ("dask", "dask.array"))
    single = np.eye(2)[np.arange(60) % 2]
    is_large = (np.arange(60) > 30) & (X[:, 0] > 0.0)
    with dask.config.set(scheduler="synchronous"):
        for y in (single * np.where(np.arange(60) < 30, 1.0, 2.0)[:, None], np.where(is_large, 1.5, 0.5),
                  np.where(is_large, 0.75, 0.0), single[:, 0]):
            found, whole = (fastlr.train(*each, l2=0.1, backend="numpy", solver="newton", max_iter=2, tol=0.0)
                            for each in ((da.from_array(X, chunks=(30, 4)), da.from_array(y, chunks=30)), (X, y)))
            np.testing.assert_allclose(found.w, whole.w, rtol=1e-9)
            assert found.classes.tolist() == whole.classes.tolist()
        for y, text in ((single, "^y has two columns with a single 1"), (np.zeros((60, 2)), "^y counts no trial"),
                        (np.tile([3, 0], (60, 1)), "^y has one class only"), (-counts(), r"^partition 0, .*y\[:, 0\] must be"),
                        (np.where(is_large, np.nan, 0.5), "^partition 1, .*missing or infinite label"),
                        (np.ones((60, 3)), "^partition 0, .*y must have one dimension")):
            with pytest.raises(ValueError, match=text):
                fastlr.train(da.from_array(X, chunks=(30, 4)), da.from_array(y, chunks=30))


@pytest.mark.parametrize("y", [counts(), np.linspace(0, 1, 60)])
def test_the_estimator_takes_labels_alone(y):
    with pytest.raises(ValueError, match="an estimator takes labels"):
        fastlr.LogisticRegression().fit(X, y)


def test_a_bad_value_is_named_in_the_users_row():
    broken = X.copy()
    broken[41, 2] = np.nan
    with pytest.raises(ValueError, match="row 41, column 2"):
        fastlr.train(broken, counts())
