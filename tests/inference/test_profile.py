"""Intervals of the profile likelihood: against R's printed ones, models with the parameter held, and where Wald's fail."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.stats import chi2, norm

import fastlr
from fastlr.inference import profile
from tests.inference.data_sets import data_set, each_data_set, published
from tests.inference.test_covariance import rows_of
from tests.problems import problem
from tests.solvers.test_firth import ENDOMETRIAL, sex2

pytestmark = pytest.mark.slow


def separated(X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastlr.SeparationWarning)
        return fastlr.train(X, y, backend="numpy", **options)


def test_admissions(shared_data):
    """confint(glm(admit ~ gre + gpa + factor(rank), binomial)) in R, which interpolates by a spline."""
    model = fastlr.train(*published("admissions", shared_data / "oracles"), backend="numpy")
    printed = [[0.0001375921, 0.004435874], [0.1602959439, 1.464142727], [-1.3008888002, -0.056745722],
               [-2.0276713127, -0.670372346], [-2.4000265384, -0.753542605], [-6.2716202334, -1.792547080]]
    for j, bounds in enumerate(printed):
        assert model.profile_interval(j) == pytest.approx(bounds, rel=1e-3)
    assert model.profile_interval("(intercept)") == model.profile_interval(5)


def test_a_search_that_ends_early_says_so(monkeypatch):
    X, y, *_ = problem(200, 3)
    model = fastlr.train(X, y, backend="numpy")
    monkeypatch.setattr(profile, "MOST_VALUES", 1)
    with pytest.warns(fastlr.ConvergenceWarning, match="after 1 values of the parameter the root of the deviance is"):
        model.profile_interval(0)


def test_the_tests_of_logistf():
    """Chisq, p and intervals that logistf prints for sex2 and endometrial."""
    factors, counts = sex2()
    model = fastlr.train(np.repeat(factors, 2, axis=0), np.tile([1, 0], 24), sample_weight=counts.ravel(), firth=True, tol=1e-10,
                         backend="numpy")
    found = model.summary(tests="likelihood_ratio")
    chi2_printed = [0.06286298, 7.50773092, 0.02467044, 22.93139022, 19.10407252, 3.69740975, 7.89693139]
    assert found.chi2 == pytest.approx(chi2_printed, rel=1e-5)
    assert found.p_value == pytest.approx([8.020268e-01, 6.143472e-03, 8.751911e-01, 1.678877e-06, 1.237805e-05, 5.449701e-02,
                                           4.951873e-03], rel=1e-5)
    bounds = [[-.8185574, 1.07315110], [-1.9737884, -.30742524], [-.9414360, .78920202], [1.2730233, 3.43543273],
              [-3.2608611, -1.11773667], [-1.6080879, .01518468], [.7745730, 8.03029352]]
    np.testing.assert_allclose(np.column_stack([found.lower, found.upper]), bounds, rtol=1e-5, atol=1e-6)
    data = np.array([row.split(",") for row in ENDOMETRIAL.split()], float)
    X = pd.DataFrame(data[:, :3], columns=["NV", "PI", "EH"])
    model = fastlr.train(X, data[:, 3], firth=True, tol=1e-10, backend="numpy")
    found = model.summary(tests="likelihood_ratio")
    assert found.chi2 == pytest.approx([8.1980136, 6.7984572, 0.7468285, 17.7593175], rel=1e-5)
    assert found.lower == pytest.approx([1.0825371, 0.6097244, -0.1244587, -4.3651832], rel=1e-5)
    assert found.upper == pytest.approx([7.20928050, 7.85463171, 0.04045547, -1.23272106], rel=1e-5)
    assert list(found.to_frame()) == ["estimate", "std. error", "chi2", "p", "95 % from", "to", "odds ratio"]
    assert "6.80   0.0091" in str(found) and found.to_dict()["chi2"] == found.chi2.tolist()


def test_likelihood_ratios_of_each_parameter():
    X, y, s, *_ = data_set("spector")
    options = {"sample_weight": s, "tol": 1e-12, "backend": "numpy"}
    model = fastlr.train(X, y, **options)
    found = model.summary(tests="likelihood_ratio", level=0.8)
    for j, chi2_of_column in enumerate(found.chi2[1:]):
        held = fastlr.train(X.drop(columns=X.columns[j]), y, **options)
        assert chi2_of_column == pytest.approx(model.likelihood_ratio(held).chi2, rel=1e-8)
        assert (found.lower[j + 1], found.upper[j + 1]) == pytest.approx(model.profile_interval(j, 0.8), rel=1e-8)
    with pytest.raises(ValueError, match=r"tests='likelihood_ratio' holds if the model does, .* other covariance; leave one"):
        model.summary("HC1", tests="likelihood_ratio")
    with pytest.raises(ValueError, match="tests must be one of 'wald', 'likelihood_ratio'"):
        model.summary(tests="score")
    shrunk = fastlr.train(X, y, l2=0.1, **options).summary(tests="likelihood_ratio")
    assert np.isnan(shrunk.p_value).all() and np.isfinite(shrunk.upper).all()


@pytest.mark.parametrize(*each_data_set)
@pytest.mark.parametrize(("weighted", "level"), [(False, 0.95), (True, 0.5)])
def test_the_deviance_at_its_bounds(name, weighted, level):
    """A model with the parameter held, by way of an offset, has a deviance that is larger by the quantile."""
    X, y, s, *_ = data_set(name)
    options = {"sample_weight": s if weighted else None, "tol": 1e-12, "backend": "numpy", "reduction": "sum"}
    model, X = fastlr.train(X, y, **options), X.to_numpy()
    for j in (0, X.shape[1] - 1):
        for t in model.profile_interval(j, level):
            held = fastlr.train(np.delete(X, j, axis=1), y, offset=t * X[:, j], **options)
            assert 2.0 * (held.cost - model.cost) == pytest.approx(chi2.ppf(level, 1), rel=1e-7)
    lower, upper = model.profile_interval("(intercept)", level)
    for t in (lower, upper):
        held = fastlr.train(X, y, offset=np.full(len(y), t), fit_intercept=False, **options)
        assert 2.0 * (held.cost - model.cost) == pytest.approx(chi2.ppf(level, 1), rel=1e-7)
    assert lower < model.b < upper


@pytest.mark.parametrize(("kind", "fit_intercept"), [
    ("float32", True), pytest.param("sparse", False, marks=pytest.mark.sparse), ("stream", True), ("dask", False)])
def test_wherever_the_rows_lie(kind, fit_intercept, tmp_path):
    X, y, *_ = problem(3000, 4, dtype=np.float32)
    options = {"offset": np.linspace(-1, 1, 3000), "fit_intercept": fit_intercept, "backend": "numpy"}
    dense = fastlr.train(X.astype(float), y, **options).profile_interval(2)
    model = fastlr.train(rows_of(kind, X.astype(float), tmp_path), y, **options)
    assert model.profile_interval(2) == pytest.approx(dense, rel=1e-7)


def test_many_examples_make_it_walds():
    X, y, *_ = problem(100_000, 3)
    model = fastlr.train(X, y, backend="numpy")
    table = model.summary(level=0.9)
    for j in range(3):
        assert model.profile_interval(j, 0.9) == pytest.approx((table.lower[j + 1], table.upper[j + 1]), abs=1e-4)


def test_columns_that_are_far_from_zero():
    X, y, *_ = problem(500, 3)
    near, far = (fastlr.train(X * [1.0, 1e-3, 1e3] + shift, y, backend="numpy").profile_interval(1) for shift in (0.0, 1e6))
    assert far == pytest.approx(near, rel=1e-5)


def test_separated_by_one_column():
    """With two examples at 0 and 1 each the deviance at slope w is 4 log(1 + e^(-w / 2)) for the best b = -w / 2, times 2."""
    lower, upper = separated(np.array([[0.0], [1.0], [0.0], [1.0]]), [0, 1, 0, 1]).profile_interval(0)
    assert upper == np.inf
    assert 8.0 * np.log1p(np.exp(-lower / 2.0)) == pytest.approx(norm.ppf(0.975) ** 2, rel=1e-6)
    mirrored = separated(np.array([[0.0], [1.0], [0.0], [1.0]]), [1, 0, 1, 0]).profile_interval(0)
    assert mirrored == pytest.approx((-np.inf, -lower), rel=1e-6)


@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_separated_among_others(form):
    """A column of ones in which all examples are of one class; another that says something too."""
    rng = np.random.default_rng(1)
    X = np.column_stack([np.arange(60) < 8, rng.standard_normal(60)]).astype(float)
    y = (rng.random(60) < 1.0 / (1.0 + np.exp(-X[:, 1]))) | (X[:, 0] == 1.0)
    model = separated(form(X), y)
    lower, upper = model.profile_interval(0)
    assert np.isfinite(lower) and upper == np.inf
    held = fastlr.train(X[:, 1:], y, offset=lower * X[:, 0], tol=1e-11, reduction="sum", backend="numpy").cost
    rest = fastlr.train(X[8:, 1:], y[8:], tol=1e-11, reduction="sum", backend="numpy")
    assert 2.0 * (held - rest.cost) == pytest.approx(norm.ppf(0.975) ** 2, rel=1e-6)
    assert model.profile_interval(1) == pytest.approx(rest.profile_interval(0), rel=1e-5)
    assert separated(X, y, firth=True).profile_interval(0)[1] < 100.0


def test_two_columns_that_separate_each():
    X = np.column_stack([np.arange(20.0), np.arange(20.0) + 0.1 * np.random.default_rng(0).standard_normal(20)])
    assert separated(X, X[:, 0] > 9.5).profile_interval(0) == (-np.inf, np.inf)


def test_collinear_columns_have_no_bounds():
    X, y, *_ = problem(200, 2)
    model = fastlr.train(X[:, [0, 1, 0]], y, backend="numpy")
    assert model.profile_interval(0) == (-np.inf, np.inf)
    assert model.profile_interval(1) == pytest.approx(fastlr.train(X, y, backend="numpy").profile_interval(1), rel=1e-6)


def test_a_penalty_is_part_of_the_likelihood():
    X, y, *_ = problem(200, 3)
    options = {"l2": 3.0, "reduction": "sum", "tol": 1e-12, "backend": "numpy"}
    model = fastlr.train(X, y, **options)
    for t in model.profile_interval(0):
        held = fastlr.train(X[:, 1:], y, offset=t * X[:, 0], **options)
        assert 2.0 * (held.cost + 1.5 * t * t - model.cost) == pytest.approx(norm.ppf(0.975) ** 2, rel=1e-7)


def test_an_early_model_has_that_of_the_optimum():
    X, y, *_ = problem(200, 3)
    early = fastlr.train(X, y, learning_rate=0.1, max_iter=3, backend="numpy")
    assert early.profile_interval(0) == pytest.approx(fastlr.train(X, y, backend="numpy").profile_interval(0), rel=1e-7)


def test_refusals():
    X, y, *_ = problem(100, 3)
    model = fastlr.train(X, y, backend="numpy")
    for column in ("a", 4):
        with pytest.raises(ValueError, match=rf"column has {column!r}, which is not a column of X; X has 4 .* first is 'x0'"):
            model.profile_interval(column)
    with pytest.raises(ValueError, match="which is not a column of X; X has 3"):
        fastlr.train(X, y, fit_intercept=False, backend="numpy").profile_interval("(intercept)")
    with pytest.raises(ValueError, match="level must be above 0"):
        model.profile_interval(0, 1.5)
    with pytest.raises(ValueError, match="there is no interval of the profile likelihood: With class_weight"):
        fastlr.train(X, y, class_weight="balanced", backend="numpy").profile_interval(0)
    with pytest.raises(ValueError, match=r"without the training data, which profile_interval\(\) reads"):
        pickle.loads(pickle.dumps(model)).profile_interval(0)
    X[0] += 1.0
    with pytest.raises(ValueError, match="the data have changed since training"):
        model.profile_interval(0)
