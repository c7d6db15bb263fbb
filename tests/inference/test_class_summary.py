"""The summary of K classes: against statsmodels' published tables of MNLogit, MNLogit itself, repeated rows, and its forms."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import fastlr
from tests.inference.test_covariance import rows_of
from tests.solvers.test_softmax import classes


def anes96():
    """statsmodels' survey of 944 voters: identification with a party, from 0 to 6."""
    import statsmodels.api as sm

    loaded = sm.datasets.anes96.load_pandas()
    return loaded.exog, loaded.endog.astype(int)


def mnlogit(X, y, s=None):
    """statsmodels' MNLogit of the columns and a constant before them, each row as often as its weight says."""
    import statsmodels.api as sm

    Z = np.column_stack([np.ones(len(X)), np.asarray(X, float)])
    s = np.ones(len(y), int) if s is None else s.astype(int)
    return sm.MNLogit(np.repeat(np.asarray(y), s), np.repeat(Z, s, axis=0)).fit(disp=0, method="newton", tol=1e-12, maxiter=100)


def test_published():
    """The table in statsmodels' documentation of MNLogit, to its digits: constant and columns of the classes 1 to 6 against 0."""
    X, y = anes96()
    table = fastlr.train(X, y, backend="numpy").summary()
    printed = {1: ([-.3734, -.0115, .2977, -.0249, .0825, .0052], [.630, .034, .094, .007, .074, .018]),
               2: ([-2.2509, -.0888, .3917, -.0229, .1810, .0479], [.763, .039, .108, .008, .085, .022]),
               3: ([-3.6656, -.1060, .5735, -.0149, -.0072, .0576], [1.157, .057, .159, .011, .126, .034]),
               4: ([-7.6138, -.0916, 1.2788, -.0087, .1998, .0845], [.958, .044, .129, .008, .094, .026]),
               5: ([-7.0605, -.0933, 1.3470, -.0179, .2169, .0810], [.844, .039, .117, .008, .085, .023]),
               6: ([-12.1058, -.1409, 2.0701, -.0094, .3219, .1089], [1.060, .042, .143, .008, .091, .025])}
    for k, (estimate, error) in printed.items():
        rows = [label == k for label in table.class_of]
        assert table.estimate[rows] == pytest.approx(estimate, abs=5.1e-5)
        assert table.standard_error[rows] == pytest.approx(error, abs=5.1e-4)
    assert (round(table.log_likelihood, 1), round(table.null_log_likelihood, 1)) == (-1461.9, -1750.3)
    assert round(table.pseudo_r2, 4) == 0.1648 and f"{table.likelihood_ratio.p_value:.3e}" == "1.822e-102"
    assert (table.likelihood_ratio.df, table.examples, table.parameters) == (30, 944, 36)


@pytest.mark.parametrize("weighted", [False, True])
def test_statsmodels(weighted):
    X, y = anes96()
    s = np.random.default_rng(0).integers(1, 4, len(y)) if weighted else None
    result = mnlogit(X, y, s)
    model = fastlr.train(X, y, sample_weight=s, tol=1e-12, backend="numpy")
    table = model.summary(level=0.9)
    np.testing.assert_allclose(table.estimate, np.asarray(result.params).T.ravel(), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(table.standard_error, np.asarray(result.bse).T.ravel(), rtol=1e-8)
    np.testing.assert_allclose(table.p_value, np.asarray(result.pvalues).T.ravel(), rtol=1e-6, atol=1e-12)
    size = np.sqrt(result.cov_params().diagonal())
    np.testing.assert_allclose(table.covariance / np.outer(size, size), result.cov_params() / np.outer(size, size), atol=1e-8)
    assert (table.log_likelihood, table.aic, table.bic) == pytest.approx((result.llf, result.aic, result.bic), rel=1e-10)
    assert table.pseudo_r2 == pytest.approx(result.prsquared, rel=1e-7)


def test_the_base_moves_nothing_else():
    X, y, *_ = classes()
    model = fastlr.train(X, np.array(["a", "b", "c"])[y], tol=1e-12, backend="numpy")
    first, last = model.summary(), model.summary(base="c")
    assert (first.base, last.base, last.class_of[0], last.class_of[-1]) == ("a", "c", "a", "b")
    assert first.log_likelihood == last.log_likelihood
    np.testing.assert_allclose(last.estimate[:5], -first.estimate[5:], rtol=1e-9)
    np.testing.assert_allclose(last.standard_error[:5], first.standard_error[5:], rtol=1e-9)
    np.testing.assert_allclose(last.estimate[5:], first.estimate[:5] - first.estimate[5:], rtol=1e-7)
    V = model.covariance()
    assert V.shape == (15, 15) and np.abs(V.reshape(3, 5, 15).sum(axis=0)).max() < 1e-9 * np.abs(V).max()
    with pytest.raises(ValueError, match=r"base is 'd', and the model's classes are \['a', 'b', 'c'\]"):
        model.summary(base="d")


@pytest.mark.parametrize("kind", ["float32", pytest.param("sparse", marks=pytest.mark.sparse), "stream"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_wherever_the_rows_lie(kind, fit_intercept, tmp_path):
    X, y, *_ = classes(3000, spread=(1.0,))
    X = X.astype(np.float32).astype(float)
    s, offset = np.random.default_rng(3).integers(0, 3, 3000), np.random.default_rng(4).standard_normal((3000, 3))
    options = {"fit_intercept": fit_intercept, "tol": 1e-11, "backend": "numpy"}
    own = fastlr.train(rows_of(kind, X, tmp_path), y, sample_weight=s, offset=offset, **options).summary()
    right = fastlr.train(np.repeat(X, s, axis=0), np.repeat(y, s), offset=np.repeat(offset, s, axis=0), **options).summary()
    np.testing.assert_allclose(own.covariance, right.covariance, rtol=1e-6, atol=1e-9 * right.covariance.max())
    assert own.log_likelihood == pytest.approx(right.log_likelihood, rel=1e-10)
    assert own.null_log_likelihood == pytest.approx(right.null_log_likelihood, rel=1e-9)
    assert own.parameters == right.parameters == 2 * (4 + fit_intercept)
    assert right.likelihood_ratio.df == 8


def test_two_classes_and_one_that_is_far_away():
    """Where one class is told apart from the others, no standard errors exist; without it they are those of two classes."""
    X, y, *_ = classes(300, spread=(1.0,))
    with pytest.warns(fastlr.SeparationWarning):
        model = fastlr.train(np.column_stack([X, y == 2]).astype(float), y, backend="numpy")
    assert np.isnan(model.summary().standard_error).all() and "the likelihood has no maximum" in str(model.summary())


@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_collinear_columns_are_named(form):
    X, y, *_ = classes(spread=(1.0,))
    table = fastlr.train(form(np.column_stack([X, X[:, 0]])), y, tol=1e-11, backend="numpy").summary()
    right = fastlr.train(X, y, tol=1e-11, backend="numpy").summary()
    assert [name for name, error in zip(table.names, table.standard_error, strict=True) if np.isnan(error)] == ["x0", "x4"] * 2
    assert "they have no standard errors: x0, x4." in str(table) and table.parameters == right.parameters == 10
    known = [0, 2, 3, 4]                                    # the intercept, and columns that nothing else depends on
    np.testing.assert_allclose(table.standard_error[known], right.standard_error[known], rtol=1e-6)


def test_penalty_and_class_weight():
    X, y, *_ = classes(spread=(1.0,))
    penalized = fastlr.train(X, y, l2=0.1, backend="numpy").summary()
    assert np.isnan(penalized.p_value).all() and np.isfinite(penalized.standard_error).all()
    assert "l2 = 0.1 shrinks the estimates" in str(penalized) and "AIC" not in str(penalized)
    weighted = fastlr.train(X, y, class_weight="balanced", backend="numpy").summary()
    assert np.isnan(weighted.standard_error).all() and np.isnan(weighted.deviance)


def test_forms():
    X, y, *_ = classes(spread=(1.0,))
    names = ["<u>", "b", "c", "d"]
    table = fastlr.train(pd.DataFrame(X, columns=names), np.array(["x", "<y>", "z"])[y], backend="numpy").summary(base="x")
    frame = table.to_frame()
    assert frame.index[0] == ("<y>", "(intercept)") and frame.loc[("z", "b"), "estimate"] == table.estimate[7]
    values = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert (values["base"], values["classes"][:2], values["names"][6]) == ("x", ["<y>", "<y>"], "<u>")
    lines = str(table).splitlines()
    assert [line.strip() for line in lines if line.strip() in ("'<y>'", "'z'")] == ["'<y>'", "'z'"]
    assert "probability of        '<y>', 'z', against 'x'" in str(table) and "likelihood ratio" in str(table)
    assert "&lt;u&gt;" in table._repr_html_() and "<u>" not in table._repr_html_()
