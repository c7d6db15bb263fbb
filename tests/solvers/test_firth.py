"""Firth's penalized likelihood: against logistf's printed examples and a long-double oracle; finite under separation."""

import functools

import numpy as np
import pytest

import fastlr
from tests.oracles import REAL, sigma, softplus
from tests.problems import problem, weights

# Heinze and Schemper (2002): endometrial cancer, NV,PI,EH,HG of 79 patients.  NV separates the classes.
ENDOMETRIAL = """
0,13,1.64,0 0,16,2.26,0 0,8,3.14,0 0,34,2.68,0 0,20,1.28,0 0,5,2.31,0 0,17,1.8,0 0,10,1.68,0 0,26,1.56,0 0,17,2.31,0 0,8,2.01,0
0,7,1.89,0 0,20,3.15,0 0,10,1.23,0 0,18,1.27,0 0,16,1.76,0 0,18,2,0 0,8,2.64,1 0,29,0.88,1 0,12,1.27,1 0,20,1.37,1 1,38,0.97,1
1,22,1.14,1 1,7,0.88,1 1,25,0.91,1 1,15,0.58,1 0,7,0.97,1 0,28,1.5,0 0,11,1.33,0 0,19,2.37,0 0,10,1.82,0 0,10,3.13,0
0,18,1.31,0 0,14,1.92,0 0,21,1.64,0 0,11,2.01,0 0,17,1.88,0 0,25,1.93,0 0,16,2.11,0 0,19,1.29,0 0,15,1.72,0 0,33,0.75,0
0,24,1.92,0 0,48,1.84,1 0,12,1.11,1 0,19,1.61,1 0,2,1.18,1 1,22,1.44,1 1,40,1.18,1 1,5,0.93,1 1,0,1.17,1 0,21,1.19,1
0,15,1.06,1 0,29,2.02,0 0,15,2.29,0 0,12,2.33,0 0,3,2.9,0 0,20,1.7,0 0,23,1.41,0 0,12,2.25,0 0,22,1.54,0 0,42,1.97,0
0,15,1.75,0 0,13,2.16,0 0,14,2.57,0 0,19,1.37,0 0,12,3.61,0 0,13,2.04,0 0,10,2.17,0 0,12,1.69,1 1,49,0.27,1 0,6,1.84,1
0,5,1.3,1 0,17,0.96,1 1,11,1.01,1 1,21,0.98,1 0,5,0.35,1 1,19,1.02,1 0,33,0.85,1"""

# The data set sex2 of the R package logistf: age, oc, vic, vicl, vis, dia, and how many cases and controls there are.
SEX2 = """
000010:1:1 001000:14:2 001010:3:1 001100:10:8 001110:12:18 001111:1:0 010000:44:42 010001:3:0 010010:0:1 011000:15:1 011001:1:0
011010:2:0 011100:7:5 011110:3:6 101000:2:0 101010:1:0 101011:1:0 101100:1:2 101110:0:4 101111:1:0 110000:5:14 110010:0:1
111000:3:1 111110:0:2"""


def sex2():
    """Its 24 rows of factors (24, 6), and the cases and controls of each, (24, 2)."""
    factors, *counts = zip(*(group.split(":") for group in SEX2.split()), strict=True)
    return np.array([list(row) for row in factors], float), np.array(counts, float).T


def modified_score(X, y, s, theta):
    """Firth's modified score (k,), the information (k, k) and the penalized log-likelihood, in long double."""
    z = X @ theta
    d = s * sigma(z) * sigma(-z)
    information = (X.T * d) @ X
    inverse, log_det = inverse_and_log_det(information)
    h = d * np.einsum("ij,jk,ik->i", X, inverse, X)
    score = X.T @ (s * (y - sigma(z)) + h * (REAL("0.5") - sigma(z)))
    return score, inverse, -(s * softplus(np.where(y == 1, -z, z))).sum() + log_det / 2


def inverse_and_log_det(A):
    """By Gauss and Jordan, in long double: NumPy's linear algebra knows float64 alone."""
    n, log_det = len(A), REAL(0)
    both = np.hstack([A, np.eye(n, dtype=REAL)])
    for k in range(n):                          # A is positive definite: its pivots need no exchanges
        log_det += np.log(both[k, k])
        both[k] /= both[k, k]
        others = np.arange(n) != k
        both[others] -= both[others, k, None] * both[k]
    return both[:, n:], log_det


def oracle(X, y, s=None, fit_intercept=True):
    """theta (n + 1,), or (n,), and the penalized log-likelihood there: half steps of Fisher's scoring, in long double."""
    X = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
    X, y, s = X.astype(REAL), np.asarray(y, float).astype(REAL), np.ones(len(X), REAL) if s is None else s.astype(REAL)
    theta = np.zeros(X.shape[1], REAL)
    for _ in range(2000):
        score, inverse, value = modified_score(X, y, s, theta)
        step = inverse @ score / 2
        theta += step * min(REAL(1), 1 / np.abs(X @ step).max())
        if np.abs(step).max() < 1e-16 * (1 + np.abs(theta).max()):
            return theta.astype(float), float(value)
    raise AssertionError("the oracle did not converge")


def separated(m=40, n=4, seed=1):
    X = np.random.default_rng(seed).standard_normal((m, n))
    return X, X[:, 0] + 0.1 * X[:, 1] > 0


def test_endometrial():
    """logistf(HG ~ NV + PI + EH)."""
    data = np.array([row.split(",") for row in ENDOMETRIAL.split()], float)
    model = fastlr.train(data[:, :3], data[:, 3], firth=True, tol=1e-10)
    assert model.converged
    assert model.w == pytest.approx([2.92927330, -.03475175, -2.60416387], rel=5e-7)
    assert model.b == pytest.approx(3.77455951, rel=5e-7)
    assert model.profile_interval("x0") == pytest.approx((.6097244, 7.85463171), rel=2e-7)
    assert model.profile_interval("x1") == pytest.approx((-.1244587, .04045547), rel=5e-7)
    assert model.profile_interval("x2") == pytest.approx((-4.3651832, -1.23272106), rel=5e-8)
    assert model.profile_interval("(intercept)") == pytest.approx((1.0825371, 7.20928050), rel=5e-8)


def test_sex2():
    """logistf(case ~ age + oc + vic + vicl + vis + dia)."""
    factors, counts = sex2()
    model = fastlr.train(factors, counts, firth=True, tol=1e-10)
    assert model.w == pytest.approx([-1.10598131, -.06881673, 2.26887464, -2.11140817, -.78831694, 3.09601166], rel=2e-7)
    assert model.b == pytest.approx(.12025405, rel=2e-7)
    assert model.profile_interval("x4") == pytest.approx((-1.6080879, .01518468), rel=5e-7)
    assert model.profile_interval("x5") == pytest.approx((.7745682, 8.03029352), rel=5e-8)


DATA = [problem(60, 5)[:2], separated(), separated(12, 2), problem(300, 8)[:2]]


@functools.cache
def known(case, fit_intercept):
    return oracle(*DATA[case], fit_intercept=fit_intercept)


@pytest.mark.parametrize("case", range(len(DATA)))
@pytest.mark.parametrize(("fit_intercept", "kernel"), [(True, "numpy"), (False, "numpy"), (True, "fused")])
def test_the_oracle(case, fit_intercept, kernel):
    X, y = DATA[case]
    model = fastlr.train(X, y, firth=True, tol=1e-12, fit_intercept=fit_intercept, backend=kernel)
    theta, value = known(case, fit_intercept)
    np.testing.assert_allclose(np.append(model.w, model.b)[:theta.size], theta, rtol=1e-8, atol=1e-9)
    assert model.cost == pytest.approx(-value / len(y), rel=1e-12)
    assert model.converged and model.gap_kind == "estimate" and model.solver == "firth"
    assert model.b != 0.0 or not fit_intercept


def test_the_oracle_is_the_penalized_likelihoods_maximum():
    X, y = separated(20, 2)
    X = np.column_stack([X, np.ones(20)]).astype(REAL)
    theta = np.array([0.5, -1.0, 0.25], REAL)
    s, e = np.linspace(0.5, 3.0, 20).astype(REAL), REAL(1e-6)
    score = modified_score(X, y.astype(REAL), s, theta)[0]
    for j, unit in enumerate(np.eye(3, dtype=REAL)):
        above, below = (modified_score(X, y.astype(REAL), s, theta + sign * e * unit)[2] for sign in (1, -1))
        assert float((above - below) / (2 * e)) == pytest.approx(float(score[j]), rel=1e-9)


def test_a_table_of_two_by_two():
    """In a saturated model half a case is added to every cell."""
    model = fastlr.train([[0.0]] * 10 + [[1.0]] * 7, [1] * 4 + [0] * 6 + [1] * 7, firth=True, tol=1e-12)
    assert model.b == pytest.approx(np.log(4.5 / 6.5), rel=1e-9)
    assert model.b + model.w[0] == pytest.approx(np.log(7.5 / 0.5), rel=1e-9)


def test_weights_count_examples():
    X, y, *_ = problem(50, 3)
    s = np.random.default_rng(2).integers(0, 4, 50).astype(float)
    repeated = np.repeat(np.arange(50), s.astype(int))
    weighed, plain = (fastlr.train(X[rows], y[rows], sample_weight=w, firth=True, tol=1e-12)
                      for rows, w in ((slice(None), s), (repeated, None)))
    np.testing.assert_allclose(weighed.w, plain.w, rtol=1e-9)
    assert weighed.cost == pytest.approx(plain.cost, rel=1e-12)
    huge = fastlr.train(X, y, sample_weight=s * 2.0 ** 40, firth=True, tol=1e-12)     # next to which a prior is nothing
    np.testing.assert_allclose(huge.w, fastlr.train(X, y, sample_weight=s, tol=1e-12).w, rtol=1e-8)


def test_the_sum_is_the_mean_times_the_examples():
    X, y = separated()
    mean, total = (fastlr.train(X, y, firth=True, tol=1e-12, reduction=reduction) for reduction in ("mean", "sum"))
    np.testing.assert_allclose(mean.w, total.w, rtol=1e-9)
    assert total.cost == pytest.approx(40 * mean.cost, rel=1e-12)


def test_units_and_origins_of_columns():
    X, y = separated()
    scale, shift = np.array([1e-6, 1.0, 1e5, 3.0]), np.array([0.0, 1e4, 1e9, -5.0])
    model = fastlr.train(X, y, firth=True, tol=1e-11)
    moved = fastlr.train(X * scale + shift, y, firth=True, tol=1e-11)
    np.testing.assert_allclose(moved.w * scale, model.w, rtol=1e-6)
    assert moved.cost == pytest.approx(model.cost - np.log(scale).sum() / 40, rel=1e-9)
    assert moved.converged


@pytest.mark.sparse
@pytest.mark.slow
def test_every_kind_of_rows(tmp_path, backend):
    import scipy.sparse

    X, y = separated(1500, 3)
    o = weights(1500)[1]
    known = fastlr.train(X, y, offset=o, firth=True, tol=1e-10)
    np.save(tmp_path / "X.npy", X)
    kinds = (scipy.sparse.csr_array(X), fastlr.stream(tmp_path / "X.npy", memory=33_000), np.asfortranarray(X))
    for kind in kinds if backend in ("numpy", "fused") else kinds[1:2]:
        model = fastlr.train(kind, y, offset=o, firth=True, tol=1e-10, backend=backend)
        np.testing.assert_allclose(model.w, known.w, rtol=1e-7)
        assert model.has_offset


@pytest.mark.slow
def test_dask():
    da = pytest.importorskip("dask.array")
    import dask

    X, y, *_ = problem(300, 3)
    with dask.config.set(scheduler="synchronous"):
        model = fastlr.train(da.from_array(X, chunks=(130, 3)), y, firth=True, tol=1e-6, backend="numpy")
    np.testing.assert_allclose(model.w, fastlr.train(X, y, firth=True, tol=1e-6).w, rtol=1e-10)


@pytest.mark.parametrize("options", [{"l2": 0.1}, {"solver": "newton"}, {"learning_rate": 0.1},
                                     {"penalty_factors": np.ones(2)}])
def test_what_does_not_go_with_it(options):
    with pytest.raises(ValueError, match=f"takes no {next(iter(options))}="):
        fastlr.train(*separated(), firth=True, **options)
    with pytest.raises(TypeError, match="firth must be True or False"):
        fastlr.train(*separated(), firth="yes")


def test_columns_that_depend_on_each_other():
    X, y = separated()
    with pytest.raises(ValueError, match=r"these do: column 1, column 4\.  Drop"):
        fastlr.train(np.column_stack([X, 2.0 * X[:, 1]]), y, firth=True)
    with pytest.raises(ValueError, match="these do: column 4"):
        fastlr.train(np.column_stack([X, np.ones(40)]), y, firth=True)
    with pytest.raises(ValueError, match="infinite at the start"):
        fastlr.train(X, y, firth=True, init=(np.full(4, 1e6), 0.0))


def test_too_many_features(threshold):
    threshold("side", 3)
    with pytest.raises(ValueError, match="which 4 features make too large"):
        fastlr.train(*separated(), firth=True)


def test_few_updates_are_no_convergence():
    X, y = separated()
    with pytest.warns(fastlr.ConvergenceWarning, match="after 2 updates.*max_iter=2"):
        model = fastlr.train(X, y, firth=True, max_iter=2)
    assert not model.converged and model.n_iter == 2 and model.costs.size == 2
    assert not fastlr.train(X, y, firth=True, max_iter=2, tol=0).converged


def test_callback_and_start():
    X, y = separated()
    seen = []
    model = fastlr.train(X, y, firth=True, callback=lambda state: seen.append(state) or len(seen) == 3)
    assert model.n_iter == 3 and model.stop_reason == "the callback asked to stop" and not model.converged
    np.testing.assert_array_equal([state.cost for state in seen], model.costs)
    again = fastlr.train(X, y, firth=True, init=fastlr.train(X, y, firth=True, tol=1e-10))
    assert again.n_iter == 0 and again.converged


def test_summary():
    X, y = separated()
    model = fastlr.train(X, y, firth=True, tol=1e-10)
    summary = model.summary()
    A = np.column_stack([np.ones(40), X])
    p = model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(summary.covariance, np.linalg.inv((A.T * (p * (1 - p))) @ A), rtol=1e-9)
    assert np.isfinite(summary.p_value).all() and np.isnan(summary.log_likelihood) and np.isnan(summary.aic)
    assert "Firth's penalty" in str(summary) and "deviance  " not in str(summary)
