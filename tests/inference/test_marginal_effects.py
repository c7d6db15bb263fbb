"""Marginal effects against Stata's tables, statsmodels and differences, in every form of X."""

import json
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import fastlr
from tests.inference.data_sets import data_set, each_data_set, logit
from tests.inference.test_covariance import rows_of
from tests.problems import problem

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(*each_data_set)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("at", "theirs"), [("average", "overall"), ("mean", "mean")])
def test_statsmodels(name, weighted, at, theirs):
    X, y, s, *_ = data_set(name)
    s = s if weighted else np.ones(len(y))
    result = logit(X, y, s)
    model = fastlr.train(X, y, sample_weight=s if weighted else None, tol=1e-12, backend="numpy")
    for discrete, dummy in (("auto", True), ((), False)):
        right, own = result.get_margeff(at=theirs, dummy=dummy), model.marginal_effects(at=at, discrete=discrete, level=0.9)
        np.testing.assert_allclose(own.estimate, right.margeff[:own.estimate.size], rtol=1e-8)
        np.testing.assert_allclose(own.standard_error, right.margeff_se[:own.estimate.size], rtol=1e-8)
        bounds = right.conf_int(alpha=0.1)[:own.estimate.size]
        np.testing.assert_allclose(np.column_stack([own.lower, own.upper]), bounds, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(own.p_value, right.pvalues[:own.estimate.size], rtol=1e-6)


@pytest.mark.parametrize(("at", "discrete", "estimate", "standard_error"), [
    ("average", (), [.36258084688424, .01220841099085, .30517768382304], [.1094412, .0177942, .0923796]),
    ("mean", (), [.53385885781692, .01797548988961, .44933926079386], [.237038, .0262369, .1967626]),
    ("average", "auto", [.362576759801767, .012206856991439, .357515163621704], [.1094379569, .0177869773, .1420034]),
    ("mean", "auto", [.533849340033768, .017971865453858, .456498405282412], [.2370202503, .0262210796, .1810536852]),
])
def test_published(at, discrete, estimate, standard_error):
    """Stata's margins and margeff of Spector's data; margeff's derivatives are numerical."""
    X, y, *_ = data_set("spector")
    effects = fastlr.train(X, y, tol=1e-12, backend="numpy").marginal_effects(at=at, discrete=discrete)
    assert effects.estimate == pytest.approx(estimate, rel=1e-6 if discrete == () else 2e-3)
    assert effects.standard_error == pytest.approx(standard_error, rel=1e-5 if discrete == () else 2e-3)
    assert effects.is_discrete.tolist() == [False, False, discrete == "auto"]


def of_definition(model, X, offset, s, j, discrete):
    """The mean effect of column j, by predicting."""
    def mean_of(f):
        return np.average(f, weights=s)

    def p(value):
        moved = X.copy()
        moved[:, j] = value
        return model.predict_proba(moved, offset)[:, 1]

    if discrete:
        return mean_of(p(1.0) - p(0.0))
    return mean_of(p(X[:, j] + 1e-5) - p(X[:, j] - 1e-5)) / 2e-5


@pytest.mark.parametrize("kind", ["dense", "float32", pytest.param("sparse", marks=pytest.mark.sparse), "stream", "dask"])
def test_wherever_the_rows_lie(kind, tmp_path):
    X, y, *_ = problem(3000, 4, dtype=np.float32)
    X[:, 1], X[:, 2] = X[:, 1] > 0.5, X[:, 2] > 0.0
    X[2900, 2] = 2.0                                                # beyond the sample: not discrete after all
    rng = np.random.default_rng(3)
    s, offset = rng.integers(1, 3, 3000).astype(float), rng.standard_normal(3000)
    model = fastlr.train(rows_of(kind, X.astype(float), tmp_path), y, sample_weight=s, offset=offset, tol=1e-11, backend="numpy")
    effects = model.marginal_effects()
    assert effects.is_discrete.tolist() == [False, True, False, False]
    right = [of_definition(model, X.astype(float), offset, s, j, j == 1) for j in range(4)]
    np.testing.assert_allclose(effects.estimate, right, rtol=1e-6)
    dense = fastlr.train(X.astype(float), y, sample_weight=s, offset=offset, tol=1e-11, backend="numpy")
    for at in ("average", "mean", {"x1": [0, 1], 3: 0.5}):
        own, theirs = (each.marginal_effects(at=at, covariance="HC1") for each in (model, dense))
        np.testing.assert_allclose(own.estimate, theirs.estimate, rtol=1e-7)
        np.testing.assert_allclose(own.covariance, theirs.covariance, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("discrete", [(), "auto"])
@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_at_given_values(discrete, form):
    X, y, *_ = problem(300, 3)
    X[:, 2] = X[:, 2] > 0
    model = fastlr.train(form(X), y, backend="numpy")
    effects = model.marginal_effects(at={"x2": [1, 0], "x0": 0.25}, columns=["x1", "x2"], discrete=discrete)
    assert effects.names == ("x1, x2 = 1, x0 = 0.25", "x2, x2 = 1, x0 = 0.25", "x1, x2 = 0, x0 = 0.25", "x2, x2 = 0, x0 = 0.25")
    for value, part in ((1.0, slice(0, 2)), (0.0, slice(2, 4))):
        given = X.copy()
        given[:, 2], given[:, 0] = value, 0.25
        there = model.marginal_effects(form(given), columns=["x1", "x2"], discrete=["x2"] if discrete == "auto" else ())
        np.testing.assert_allclose(effects.estimate[part], there.estimate, rtol=1e-10)
        if discrete == ():
            np.testing.assert_allclose(effects.standard_error[part], there.standard_error, rtol=1e-10)
            assert there.estimate[1] == pytest.approx(of_definition(model, given, None, None, 2, False), rel=1e-6)


def test_standard_errors_are_the_delta_methods():
    """Against derivatives by differences of the parameters."""
    X, y, *_ = problem(300, 3)
    X[:, 2] = X[:, 2] > 0
    model = fastlr.train(X, y, tol=1e-12, backend="numpy")
    for at in ("average", "mean", {"x1": 0.5}, {"x2": [0, 1]}):
        V, effects = model.covariance(), model.marginal_effects(at=at)
        jacobian = []
        for k in range(4):
            sides = [model.__class__(**model.__dict__ | {"w": model.w + step * np.eye(4)[k, :3], "b": model.b + step * (k == 3)})
                     .marginal_effects(at=at).estimate for step in (1e-5, -1e-5)]
            jacobian.append((sides[0] - sides[1]) / 2e-5)
        J = np.array(jacobian).T
        np.testing.assert_allclose(effects.covariance, J @ V @ J.T, rtol=1e-6, atol=1e-13)


@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_rows_without_weight_say_nothing(form):
    X, y, *_ = problem(300, 3)
    X[:, 2], s = X[:, 2] > 0, np.repeat([0.0, 1.0], [1, 299])
    right = fastlr.train(form(X[1:]), y[1:], tol=1e-12, backend="numpy").marginal_effects()
    X[0, 2] = 0.5
    effects = fastlr.train(form(X), y, sample_weight=s, tol=1e-12, backend="numpy").marginal_effects()
    assert effects.is_discrete.tolist() == right.is_discrete.tolist() == [False, False, True]
    np.testing.assert_allclose(effects.estimate, right.estimate, rtol=1e-8)


def test_other_rows_and_saved_models(tmp_path):
    X, y, *_ = data_set("fair")
    model = fastlr.train(X, y, backend="numpy")
    whole = model.marginal_effects()
    model.save(tmp_path / "model")
    for again in (pickle.loads(pickle.dumps(model)), fastlr.load(tmp_path / "model")):
        np.testing.assert_allclose(again.marginal_effects(X).estimate, whole.estimate, rtol=1e-12)
        with pytest.raises(ValueError, match=r"without the training data, which marginal_effects\(\) without X reads"):
            again.marginal_effects()
    assert model.marginal_effects(X[:10]).head["examples"] == "10"
    with pytest.raises(TypeError, match="marginal_effects takes arrays in memory, and X is a str; load it, or leave X out"):
        model.marginal_effects("X.npy")


def test_forms():
    X, y, *_ = data_set("fair")
    effects = fastlr.train(X, np.where(y, "yes", "no"), backend="numpy").marginal_effects(covariance="HC1", level=0.9)
    assert list(effects.to_frame().index) == list(X.columns) and "90 % from" in effects.to_frame()
    assert json.loads(json.dumps(effects.to_dict(), allow_nan=False))["estimate"] == effects.estimate.tolist()
    for text in (str(effects), effects._repr_html_()):
        assert "Marginal effects" in text and "HC1" in text and "From 0 to 1, not by one unit: third." in text
    assert "&#x27;yes&#x27;" in effects._repr_html_()


def test_a_penalty_leaves_no_test():
    X, y, *_ = problem(200, 3)
    effects = fastlr.train(X, y, l2=0.1, backend="numpy").marginal_effects()
    assert np.isnan(effects.z).all() and np.isfinite(effects.standard_error).all()


def test_memory_is_bounded():
    X, y, *_ = problem(200_000, 10)
    X[:, 3] = X[:, 3] > 0
    model = fastlr.train(X, y, backend="numpy")
    model.summary()
    tracemalloc.start()
    model.marginal_effects()
    assert tracemalloc.get_traced_memory()[1] < 0.5 * X.nbytes
    tracemalloc.stop()


@pytest.mark.parametrize(("options", "what"), [
    ({"at": "median"}, "at must be one of 'average', 'mean', not 'median'"),
    ({"columns": ["x7"]}, "columns has 'x7', which is not a column of X; X has 3 columns, and the first is 'x0'"),
    ({"columns": [3]}, "columns has 3, which is not a column of X"),
    ({"discrete": ["y"]}, "discrete has 'y', which is not a column of X"),
    ({"at": {"x9": 1}}, "at has 'x9', which is not a column of X"),
    ({"at": {"x1": np.nan}}, "at must be finite, not nan"),
    ({"at": {"x1": 0.0, 1: 1.0}}, r"at has a column twice, by its name and by its index: \['x1', 1\]"),
    ({"level": 2}, "level must be above 0 and below 1"),
    ({"covariance": "HC9"}, "covariance must be"),
    ({"X": np.ones((2, 2))}, "X has 2 features"),
])
def test_refusals(options, what):
    X, y, *_ = problem(100, 3)
    with pytest.raises(ValueError, match=what):
        fastlr.train(X, y, backend="numpy").marginal_effects(**options)


def test_what_can_not_be_known():
    X, y, *_ = problem(100, 3)
    with pytest.raises(ValueError, match=r"do not determine these effects, which have no standard errors: a, b\.  Collinear, "):
        fastlr.train(pd.DataFrame(X[:, [0, 0]], columns=["a", "b"]), y, backend="numpy").marginal_effects()


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("at", ["average", "mean"])
def test_collinear_columns_leave_the_effects_of_others(classes, at):
    X, y, *_ = problem(200, 3)
    X[:, 2] = X[:, 2] > 0
    y = y if classes == 2 else np.arange(200) % 3
    right = fastlr.train(X, y, tol=1e-11, backend="numpy").marginal_effects(at=at, covariance="HC1")
    model = fastlr.train(np.column_stack([X, np.full(200, 7.0)]), y, tol=1e-11, backend="numpy")
    effects = model.marginal_effects(at=at, covariance="HC1")
    assert np.isnan(effects.standard_error).tolist() == [False, False, False, True] * (len(effects.names) // 4)
    assert "which have no standard errors: x3." in effects.notes[-1]
    known = ~np.isnan(effects.standard_error)
    np.testing.assert_allclose(effects.estimate[known], right.estimate, rtol=1e-7)
    np.testing.assert_allclose(effects.covariance[known][:, known], right.covariance, rtol=1e-6, atol=1e-14)
