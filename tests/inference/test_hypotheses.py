"""Wald's tests and likelihood ratios against statsmodels and SciPy, and what is refused."""

import numpy as np
import pytest
from scipy.stats import chi2

import fastlr
from fastlr.inference.distributions import chi_squared_tail, normal_quantile
from tests.inference.data_sets import data_set, each_data_set, logit
from tests.problems import problem


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 30, 101])
def test_chi_squared(df):
    x = np.array([1e-9, 0.1, 1.0, df - 0.5, 3.0 * df, 600.0])
    np.testing.assert_allclose([chi_squared_tail(each, df) for each in x], chi2.sf(x, df), rtol=1e-11)
    assert chi_squared_tail(0.0, df) == 1.0 and np.isnan(chi_squared_tail(np.nan, df)) and chi_squared_tail(1e6, df) == 0.0
    assert chi_squared_tail(1e-14, 0) == 1.0


def test_normal_quantile():
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054, rel=1e-15)


@pytest.mark.parametrize(*each_data_set)
@pytest.mark.parametrize("weighted", [False, True])
def test_statsmodels(name, weighted):
    X, y, s, *_ = data_set(name)
    s = s if weighted else np.ones(len(y))
    result, n = logit(X, y, s), X.shape[1]
    model = fastlr.train(X, y, sample_weight=s, tol=1e-12, backend="numpy")
    R, r = np.random.default_rng(0).integers(-2, 3, (2, n + 1)), np.array([0.5, -1.0])
    theirs = result.wald_test((R, r), use_f=False, scalar=True)
    assert model.contrast(R, r) == pytest.approx((theirs.statistic, 2, theirs.pvalue), rel=1e-7)
    one = np.eye(n + 1)[0]
    assert model.contrast(one) == model.contrast(one[:n]) == pytest.approx(
        (result.tvalues[0] ** 2, 1, result.pvalues[0]), rel=1e-7)
    smaller, few = logit(X.iloc[:, 1:], y, s), fastlr.train(X.iloc[:, 1:], y, sample_weight=s, tol=1e-12, backend="numpy")
    statistic = 2.0 * (result.llf - smaller.llf)
    assert model.likelihood_ratio(few) == pytest.approx((statistic, 1, chi2.sf(statistic, 1)), rel=1e-6)


def test_robust_and_clustered():
    X, y, _, groups, _ = data_set("fair")
    model = fastlr.train(X, y, tol=1e-12, backend="numpy")
    for kind in ("HC1", ("cluster", groups)):
        assert model.contrast([1, 0, 0, 0, 0, 0], covariance=kind).chi2 == pytest.approx(
            model.w[0] ** 2 / model.covariance(kind)[0, 0], rel=1e-10)


def test_contrasts_of_what_the_data_determine():
    X, y, *_ = problem(200, 3)
    collinear = fastlr.train(np.column_stack([X, X[:, 0]]), y, tol=1e-12, backend="numpy")
    assert collinear.contrast([0, 1, -1, 0]) == pytest.approx(
        fastlr.train(X, y, tol=1e-12, backend="numpy").contrast([0, 1, -1]), rel=1e-6)
    assert collinear.contrast([1, 0, 0, 1], covariance="HC1") == pytest.approx(
        fastlr.train(X, y, tol=1e-12, backend="numpy").contrast([1, 0, 0], covariance="HC1"), rel=1e-6)
    with pytest.raises(ValueError, match=r"the data do not determine row 1 of R\.  Collinear, .*: x0, x3\."):
        collinear.contrast([[0, 1, 0, 0], [1, 0, 0, 0]])
    few = fastlr.train(X, y, learning_rate=0.1, max_iter=2, backend="numpy")
    with pytest.raises(ValueError, match="so nothing computed from them has one: The parameters are "):
        few.contrast([1, 0, 0])


def test_contrasts_are_checked():
    X, y, *_ = problem(200, 3)
    model = fastlr.train(X, y, backend="numpy")
    with pytest.raises(ValueError, match=r"R has shape \(0, 3\); a row has 3 factors for w"):
        model.contrast(np.empty((0, 3)))
    with pytest.raises(TypeError, match="R and r must hold real numbers, not <U1 and int64"):
        model.contrast(["a", "b", "c"], 0)
    for R in (np.ones((2, 3)), np.zeros(3)):
        with pytest.raises(ValueError, match="a row of R is 0 or depends on the others"):
            model.contrast(R)
    with pytest.raises(ValueError, match=r"R has shape \(1, 5\); a row has 3 factors for w, and perhaps one more for b"):
        model.contrast(np.ones(5))
    with pytest.raises(ValueError, match=r"r has shape \(2,\), and R has 1 row\(s\); pass one number"):
        model.contrast([1, 0, 0], [0, 0])
    for R, r in (([np.inf, 0, 0], 0), ([1, 0, 0], np.nan)):
        with pytest.raises(ValueError, match="R and r must be finite"):
            model.contrast(R, r)
    with pytest.raises(ValueError, match=r"l2 is 0\.1"):
        fastlr.train(X, y, l2=0.1, backend="numpy").contrast([1, 0, 0])


def test_only_nested_models_are_compared():
    X, y, s, *_ = data_set("fair")
    train = {"backend": "numpy"}
    model, smaller = fastlr.train(X, y, **train), X.iloc[:, :2]
    with pytest.raises(ValueError, match="ask the model with more parameters"):
        fastlr.train(smaller, y, **train).likelihood_ratio(model.__class__(**model.__dict__ | {"feature_names": None}))
    with pytest.raises(ValueError, match="smaller was trained on 1500 examples, and the larger model on 1592"):
        model.likelihood_ratio(fastlr.train(smaller[:1500], y[:1500], **train))
    with pytest.raises(ValueError, match="smaller was trained on other labels, weights or offsets"):
        model.likelihood_ratio(fastlr.train(smaller, np.where(X.index >= 1500, 1, y), **train))
    with pytest.raises(ValueError, match="smaller has the feature 'other', which this model lacks"):
        model.likelihood_ratio(fastlr.train(smaller.assign(other=s), y, **train))
    with pytest.raises(ValueError, match=r"smaller was trained with l2 = 0\.1"):
        model.likelihood_ratio(fastlr.train(smaller, y, l2=0.1, **train))
    with pytest.raises(ValueError, match="smaller has no likelihood: With class_weight"):
        model.likelihood_ratio(fastlr.train(smaller, y, class_weight="balanced", **train))
    early = fastlr.train(smaller, y, learning_rate=0.01, max_iter=3, **train)
    for larger, other, name in ((model, early, "smaller"), (early, fastlr.train(X.iloc[:, :1], y, **train), "the larger model")):
        with pytest.raises(ValueError, match=rf"{name} does not have the largest likelihood.* standard errors from the optimum"):
            larger.likelihood_ratio(other)
    with pytest.raises(ValueError, match=r"smaller has the classes \['a', 'b'\]"):
        model.likelihood_ratio(fastlr.train(smaller, np.array(["a", "b"])[y], **train))
    with pytest.raises(TypeError, match="smaller must be a Model, not str"):
        model.likelihood_ratio("model")
    better = fastlr.train((y + 0.3 * np.random.default_rng(0).standard_normal(y.size))[:, None], y, **train)
    with pytest.raises(ValueError, match="smaller has the larger likelihood"):
        model.likelihood_ratio(better)


@pytest.mark.parametrize("classes", [2, 3])
def test_separated_classes(classes):
    """Near its supremum the likelihood has a ratio; where training stopped early, it has none."""
    X, _, *_ = problem(200, 2)
    alone = np.arange(200) < 40
    y = np.where(alone, 0, X[:, 0] + np.random.default_rng(0).logistic(size=200) > 0) + (classes - 2) * (np.arange(200) % 5 == 0)
    Z, few = np.column_stack([X, alone]), fastlr.train(X, y, backend="numpy")
    with pytest.warns(fastlr.SeparationWarning):
        model = fastlr.train(Z, y, backend="numpy")
    test, early = model.likelihood_ratio(few), fastlr.train(Z, y, learning_rate=0.1, max_iter=20, backend="numpy")
    if classes == 2:                            # rows of the column that separates have a probability of 1
        supremum = fastlr.train(X[40:], y[40:], backend="numpy").summary().log_likelihood
        assert test.chi2 == pytest.approx(2.0 * (supremum - few.summary().log_likelihood), rel=1e-4)
    with pytest.raises(ValueError, match=r"larger model does not have the largest likelihood.*where the likelihood still rises"):
        early.likelihood_ratio(few)
    assert "no standard errors exist" in early.summary().notes[0]


def test_with_and_without_intercept():
    X, y, *_ = problem(200, 3)
    models = [fastlr.train(X, y, fit_intercept=fit, tol=1e-12, backend="numpy") for fit in (True, False)]
    assert models[0].likelihood_ratio(models[1]).df == 1
