"""The summary of K classes: against Stata's published tables, statsmodels' MNLogit, repeated rows, and its forms."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import fastlr
from tests.inference.test_covariance import rows_of
from tests.solvers.test_softmax import classes

pytestmark = pytest.mark.slow


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
    """Stata's mlogit, which statsmodels documents MNLogit by: columns, then the constant, of the classes 1 to 6 against 0."""
    X, y = anes96()
    table = fastlr.train(X, y, tol=1e-12, backend="numpy").summary()
    estimate = [[-.01153598, .29771435, -.024945, .08249144, .00519655, -.37340167],
                [-.08875065, .39166864, -.02289784, .18104276, .04787398, -2.2509132],
                [-.1059667, .57345051, -.01485121, -.00715242, .05757516, -3.6655835],
                [-.0915567, 1.2787718, -.00868135, .19982796, .08449838, -7.6138431],
                [-.0932846, 1.3469616, -.01790407, .21693885, .08095841, -7.0604782],
                [-.14088069, 2.0700801, -.00943265, .3219257, .10889408, -12.105751]]
    error = [[.0342823657, .093626795, .0065248584, .0735865799, .0176336937, .6298376313],
             [.0391615553, .1082386919, .0079144618, .0852893563, .0222809297, .7631899491],
             [.0570382292, .1585481337, .0113313133, .1262913234, .0336142088, 1.156541492],
             [.0437902764, .1288965854, .0084187486, .0941250559, .0261963632, .9575809602],
             [.0393516553, .1171860107, .0076110152, .0850070091, .0229760791, .8443638283],
             [.042138047, .1434089089, .0081338625, .0910979921, .025300888, 1.059954821]]
    np.testing.assert_allclose(np.roll(table.estimate.reshape(6, 6), -1, axis=1), estimate, rtol=1e-6, atol=5e-9)
    np.testing.assert_allclose(np.roll(table.standard_error.reshape(6, 6), -1, axis=1), error, rtol=1e-7)
    assert (table.log_likelihood, table.null_log_likelihood) == pytest.approx((-1461.922747312, -1750.34670999), rel=1e-10)
    assert table.likelihood_ratio == pytest.approx((576.8479253554, 30, 1.8223179e-102), rel=1e-7)
    assert table.pseudo_r2 == pytest.approx(.1647810465387, rel=1e-9)
    assert (table.examples, table.parameters, table.class_of[::6]) == (944, 36, (1, 2, 3, 4, 5, 6))


def test_statsmodels():
    X, y = anes96()
    s = np.random.default_rng(0).integers(1, 4, len(y))
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
    two = fastlr.train(X, y == 2, backend="numpy")
    assert str(two.summary(base=False)) == str(two.summary())
    with pytest.raises(ValueError, match=r"base=True is a choice among three classes or more; .* log-odds of True against False"):
        two.summary(base=True)


@pytest.mark.parametrize(("kind", "fit_intercept"), [
    ("float32", False), pytest.param("sparse", True, marks=pytest.mark.sparse), ("stream", False)])
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
    for constant in (0.0, 5.0):
        table = fastlr.train(form(np.column_stack([X, np.full(len(X), constant)])), y, tol=1e-11, backend="numpy").summary()
        assert table.parameters == 10 and table.aic == pytest.approx(right.aic, rel=1e-9)


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
