"""Standard errors, tests and likelihoods: against statsmodels, and what must not be claimed."""

import copy
import json
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import fastlr
from tests.inference.data_sets import glm
from tests.problems import problem, weights


def add_constant(X):
    return np.column_stack([np.ones(len(X)), X])


def assert_agrees(summary, result, rtol=1e-7):
    for own, theirs in ((summary.estimate, result.params), (summary.standard_error, result.bse), (summary.z, result.tvalues),
                        (summary.p_value, result.pvalues), (summary.lower, result.conf_int()[:, 0]),
                        (summary.upper, result.conf_int()[:, 1]), (summary.covariance, result.cov_params())):
        np.testing.assert_allclose(own, theirs, rtol=rtol, atol=1e-14)
    assert summary.log_likelihood == pytest.approx(result.llf, rel=1e-10)
    assert summary.deviance == pytest.approx(result.deviance, rel=1e-10)
    assert summary.null_deviance == pytest.approx(result.null_deviance, rel=1e-8)
    assert summary.aic == pytest.approx(result.aic, rel=1e-10)
    assert summary.bic == pytest.approx(result.bic_llf, rel=1e-10)


# ---- statsmodels ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_statsmodels(backend, weighted, fit_intercept):
    X, y, *_ = problem(300, 4)
    X[:, 1] = 50.0 + 0.1 * X[:, 1]
    s = np.random.default_rng(3).integers(0, 4, 300).astype(float) if weighted else None
    o = weights(300)[1] if weighted == fit_intercept else None
    if not fit_intercept:
        X[:, 1] -= 50.0
    # One coefficient is 1e-4 of the others': 1e-7 of it takes a gradient of 1e-13.
    summary = fastlr.train(X, y, backend=backend, sample_weight=s, offset=o, fit_intercept=fit_intercept, tol=1e-13).summary()
    result = glm(add_constant(X) if fit_intercept else X, y, freq_weights=s, offset=o)
    for own, theirs in ((summary.estimate, result.params), (summary.standard_error, result.bse)):
        np.testing.assert_allclose(own, theirs, rtol=1e-7)
    assert summary.deviance == pytest.approx(result.deviance, rel=1e-10)
    assert summary.examples == (300 if s is None else s.sum())
    assert summary.parameters == len(summary.names) == 4 + fit_intercept
    if fit_intercept:
        assert summary.null_deviance == pytest.approx(result.null_deviance, rel=1e-8)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_well_scaled(reduction):
    X, y, *_ = problem(200, 5)
    assert_agrees(fastlr.train(X, y, backend="numpy", reduction=reduction).summary(), glm(add_constant(X), y), rtol=1e-6)


def test_integer_weights_are_repeated_rows():
    X, y, *_ = problem(80, 3)
    s = np.random.default_rng(0).integers(0, 4, 80)
    one = fastlr.train(X, y, sample_weight=s).summary()
    other = fastlr.train(np.repeat(X, s, axis=0), np.repeat(y, s)).summary()
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-8)
    assert one.bic == pytest.approx(other.bic, rel=1e-12)
    assert f"standard errors are those of {s.sum()} examples" in str(one)


def test_units_of_columns_do_not_matter():
    X, y, *_ = problem(150, 3)
    plain = fastlr.train(X, y).summary()
    other = fastlr.train(X * [1e6, 1.0, 1e-6] + [0.0, 1e4, 0.0], y).summary()
    np.testing.assert_allclose(other.z[1:], plain.z[1:], rtol=1e-6)


# ---- what must not be claimed ---------------------------------------------------------------------------------------

def columns_without(summary):
    """Names of the parameters without a standard error."""
    return [name for name, error in zip(summary.names, summary.standard_error, strict=True) if np.isnan(error)]


def test_penalty_has_a_posterior_and_no_test():
    X, y, *_ = problem(200, 4)
    summary = fastlr.train(X, y, l2=0.1).summary()
    Z = add_constant(X)
    a = 1 / (1 + np.exp(-Z @ summary.estimate))
    precision = (Z * (a * (1 - a))[:, None]).T @ Z + 200 * 0.1 * np.diag([0.0, 1, 1, 1, 1])
    np.testing.assert_allclose(summary.covariance, np.linalg.inv(precision), rtol=1e-6)
    assert summary.log_likelihood == pytest.approx(np.log(np.where(y, a, 1 - a)).sum(), rel=1e-10)
    assert np.isnan(summary.z).all() and np.isnan(summary.p_value).all() and np.isnan([summary.aic, summary.bic]).all()
    assert "l2 = 0.1 shrinks the estimates" in str(summary) and "AIC" not in str(summary)


def test_penalty_on_a_sum():
    X, y, *_ = problem(200, 4)
    mean, total = fastlr.train(X, y, l2=0.1), fastlr.train(X, y, l2=20.0, reduction="sum")
    np.testing.assert_allclose(total.summary().covariance, mean.summary().covariance, rtol=1e-6)
    assert total.summary().log_likelihood == pytest.approx(mean.summary().log_likelihood, rel=1e-10)


def test_firth_with_columns_that_are_far_from_zero():
    X, y, *_ = problem(60, 2)
    near, far = (fastlr.train(X + shift, y, firth=True, backend="numpy").summary() for shift in (0.0, [1e6, -1e7]))
    np.testing.assert_allclose(far.standard_error[1:], near.standard_error[1:], rtol=1e-5)


def test_collinear_columns_are_named():
    X, y, *_ = problem(200, 4)
    X[:, 2] = 3.0 * X[:, 0] - X[:, 1] + 5.0
    summary = fastlr.train(pd.DataFrame(X, columns=["a", "b", "c", "d"]), y).summary()
    assert columns_without(summary) == ["(intercept)", "a", "b", "c"]
    assert "no standard errors: a, b, c, (intercept)." in str(summary)
    reduced = fastlr.train(X[:, [0, 1, 3]], y).summary()
    assert summary.standard_error[-1] == pytest.approx(reduced.standard_error[-1], rel=1e-6)
    assert summary.parameters == reduced.parameters == 4
    assert (summary.aic, summary.deviance) == pytest.approx((reduced.aic, reduced.deviance), rel=1e-8)


def test_all_levels_of_a_factor_and_a_constant():
    _, y, *_ = problem(300, 1)
    levels = np.random.default_rng(5).integers(0, 3, 300)
    x = np.random.default_rng(6).standard_normal(300)
    X = np.column_stack([levels[:, None] == np.arange(3), x])
    assert columns_without(fastlr.train(X, y).summary()) == ["(intercept)", "x0", "x1", "x2"]
    assert columns_without(fastlr.train(np.column_stack([x, np.full(300, 7.0)]), y).summary()) == ["(intercept)", "x1"]
    assert columns_without(fastlr.train(np.column_stack([x, np.zeros(300)]), y).summary()) == ["x1"]
    sparse = csr_array(np.column_stack([x, np.full(300, 0.1)]))             # whose curvature is all rounding
    assert columns_without(fastlr.train(sparse, y, backend="numpy").summary()) == ["(intercept)", "x1"]
    no_intercept = fastlr.train(X, y, fit_intercept=False).summary()
    assert columns_without(no_intercept) == [] and no_intercept.names == ("x0", "x1", "x2", "x3")


def test_columns_that_a_factor_leaves_out():
    X, y, *_ = problem(200, 4)
    model = fastlr.train(X, y, penalty_factors=[1.0, np.inf, 1.0, 1.0], backend="numpy")
    summary, kept = model.summary(), fastlr.train(X[:, [0, 2, 3]], y, backend="numpy").summary()
    assert summary.parameters == kept.parameters == 4 and summary.aic == pytest.approx(kept.aic, rel=1e-9)
    assert np.isnan(summary.standard_error).all() and "penalty_factors leave out x1.  For standard errors" in str(summary)
    for ask in (model.leverages, lambda: model.profile_interval(0)):
        with pytest.raises(ValueError, match="needs second derivatives of J, and a penalty factor of infinity has none; train"):
            ask()


def test_nearly_collinear_columns_are_not_collinear():
    X, y, *_ = problem(300, 2)
    X[:, 1] = X[:, 0] + 1e-4 * X[:, 1]
    assert_agrees(fastlr.train(X, y, tol=1e-11).summary(), glm(add_constant(X), y), rtol=1e-4)


def test_many_collinear_columns_are_not_all_listed():
    X, y, *_ = problem(400, 12)
    assert "x6, x7 and 16 more." in str(fastlr.train(np.column_stack([X, X]), y).summary())


def test_separated_classes_have_none():
    X, _, *_ = problem(100, 3)
    with pytest.warns(fastlr.SeparationWarning, match=r"column 1 \('b'\) counts most"):
        model = fastlr.train(pd.DataFrame(X, columns=["a", "b", "c"]), X[:, 1] > 0)
    summary = model.summary()
    assert len(columns_without(summary)) == 4
    assert "the likelihood has no maximum" in str(summary)


def test_more_parameters_than_examples():
    X, y, *_ = problem(10, 30)
    with pytest.warns(fastlr.ConvergenceWarning):
        summary = fastlr.train(X, y).summary()
    assert np.isnan(summary.standard_error).all()


def test_far_from_the_optimum():
    X, y, *_ = problem(200, 3)
    early = fastlr.train(X, y, learning_rate=0.1, max_iter=3, backend="numpy").summary()
    assert np.isnan(early.standard_error).all() and "standard errors from the optimum" in str(early)
    late = fastlr.train(X, y, learning_rate=2.0, max_iter=500, backend="numpy").summary()
    np.testing.assert_allclose(late.standard_error, fastlr.train(X, y).summary().standard_error, rtol=1e-3)
    of_classes = fastlr.train(X, np.arange(200) % 3, learning_rate=0.1, max_iter=3, backend="numpy").summary()
    assert np.isnan(of_classes.likelihood_ratio.p_value) and "likelihood ratio" not in str(of_classes)


LIKELIHOODS = ("log_likelihood", "null_log_likelihood", "deviance", "null_deviance", "aic", "bic", "pseudo_r2")


def assert_counts_nothing(summary, rows):
    """Neither standard errors nor likelihoods, in numbers, text and HTML."""
    assert np.isnan(summary.standard_error).all() and np.isnan(summary.z).all() and np.isnan(summary.p_value).all()
    assert all(np.isnan(getattr(summary, name)) and summary.to_dict()[name] is None for name in LIKELIHOODS)
    assert summary.examples == rows and summary.head["examples"] == str(rows)
    for text in (str(summary), summary._repr_html_()):
        assert not any(f"{word}  " in text or f"{word}<" in text for word in ("log-likelihood", "deviance", "BIC", "McFadden)"))
        assert "degrees of freedom" not in text
    assert sum("no standard errors, no likelihood, deviance, AIC, BIC or R2" in note for note in summary.notes) == 1


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 1: 3.0}, {0: 0.001, 1: 0.002}])
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_class_weight(class_weight, l2):
    X, y, *_ = problem(200, 3)
    summary = fastlr.train(X, y, class_weight=class_weight, l2=l2, backend="numpy").summary()
    assert_counts_nothing(summary, 200)
    assert "With class_weight the likelihood is not that of the data" in str(summary)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("total", [1e-12, 1.0, 4.0, 150.0, 179.0])
def test_weights_that_are_no_counts(total, reduction):
    """20 of 200 rows have none, so that counts would add up to 180 at least."""
    X, y, *_ = problem(200, 3)
    s = np.random.default_rng(0).random(200) + 0.5
    s[-20:] = 0.0
    options = {"reduction": reduction, "backend": "numpy"}
    summary = fastlr.train(X, y, sample_weight=s * (total / s.sum()), **options).summary()
    assert_counts_nothing(summary, 180)
    (factor,) = (float(note.split("multiply it by ")[1].rstrip(".")) for note in summary.notes)
    assert factor == pytest.approx(180.0 / total, rel=1e-5)
    expected = fastlr.train(X, y, sample_weight=s * (180.0 / s.sum()), **options).summary()
    assert expected.examples == pytest.approx(180.0) and np.isfinite(expected.aic) and np.isfinite(expected.p_value).all()
    assert "standard errors are those of 180 examples" in str(expected)


def test_weights_that_are_no_counts_in_a_stream(tmp_path):
    X, y, *_ = problem(200, 3)
    np.save(tmp_path / "X.npy", X)
    summary = fastlr.train(tmp_path / "X.npy", y, sample_weight=np.full(200, 0.005), backend="numpy").summary()
    assert_counts_nothing(summary, 200)
    counted = fastlr.train(tmp_path / "X.npy", y, sample_weight=np.full(200, 3.0), backend="numpy").summary()
    assert counted.examples == 600 and "standard errors are those of 600 examples" in str(counted)


@pytest.mark.parametrize("options", [{"l2": 0.1}, {}])
def test_degrees_of_freedom_are_never_negative(options):
    X, y, *_ = problem(10, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastlr.ConvergenceWarning)          # separated without l2
        text = str(fastlr.train(X, y, backend="numpy", **options).summary())
    assert "null deviance" in text and "residual deviance" in text and "on 9 degrees" in text and "on -" not in text


def test_copies_have_a_summary():
    X, y, *_ = problem(100, 3)
    model = fastlr.train(X, y, backend="numpy")
    for made in (copy.copy, copy.deepcopy, lambda model: copy.deepcopy({"model": model})["model"]):
        again = made(model)
        assert str(again.summary()) == str(fastlr.train(X, y, backend="numpy").summary())
        assert not again.w.flags.writeable and not again.history.cost.flags.writeable
    assert model._statistics is None                                        # each has its own
    X[0] += 1.0
    with pytest.raises(ValueError, match="the data have changed since training"):
        copy.copy(model).summary()


def test_changed_data_are_noticed():
    X, y, *_ = problem(100, 3)
    model = fastlr.train(X, y)
    X[0] += 1.0
    with pytest.raises(ValueError, match=r"the data have changed since training: J was .*Train again"):
        model.summary()


# ---- files and pictures ---------------------------------------------------------------------------------------------

def test_summary_is_kept(tmp_path):
    X, y, *_ = problem(100, 3)
    X[:, 2] = X[:, 1]
    model = fastlr.train(X, y)
    text = str(model.summary())
    model.save(tmp_path / "model")
    for again in (fastlr.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert str(again.summary()) == text
        np.testing.assert_array_equal(again.summary().covariance, model.summary().covariance)


def test_without_data_and_summary(tmp_path):
    X, y, *_ = problem(100, 3)
    model = fastlr.train(X, y)
    model.save(tmp_path / "model")
    for again in (fastlr.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        with pytest.raises(ValueError, match=r"call summary\(\) before saving"):
            again.summary()


def test_forms():
    X, y, *_ = problem(100, 2)
    X = np.column_stack([X, X[:, 0]])
    names = ["<b>", "a very long name of a column, longer than others are", "c"]
    summary = fastlr.train(pd.DataFrame(X, columns=names), np.where(y, "<yes>", "no")).summary()
    frame = summary.to_frame()
    assert list(frame.index) == ["(intercept)", *names]
    np.testing.assert_array_equal(frame["std. error"], summary.standard_error)
    values = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert values["names"] == list(frame.index) and values["estimate"] == summary.estimate.tolist()
    assert values["standard_error"][1] is None and values["z"][2] == summary.z[2]
    page = summary._repr_html_()
    assert "&lt;b&gt;" in page and "<b>" not in page.replace("<b>Logistic", "")
    assert "&lt;yes&gt;" in page and "<yes>" not in page
    assert page.count("<tr>") == 8 + 5
    lines = str(summary).splitlines()
    assert len({len(line) for line in lines if line.startswith(("  (int", "  a very", "              "))}) == 1
    assert max(map(len, lines)) < 150


def test_long_tables_are_cut():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 250))
    summary = fastlr.train(X, rng.random(2000) < 0.5, tol=1e-5).summary()
    assert "51 more parameters are not shown" in str(summary) and "x198 " in str(summary) and "x199 " not in str(summary)
    assert len(summary.to_frame()) == 251
