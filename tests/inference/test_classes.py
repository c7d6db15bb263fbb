"""Inference of K classes beyond the summary: sandwiches, intervals, contrasts, marginal effects; by statsmodels and formulas."""

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power
from scipy.sparse import csr_array

import fastlr
from fastlr.inference.distributions import normal_quantile
from tests.inference.test_class_summary import anes96, mnlogit
from tests.inference.test_covariance import assert_agree, rows_of
from tests.solvers.test_softmax import classes

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("form", "weighted"), [
    ("dense", False), ("dense", True), pytest.param("sparse", True, marks=pytest.mark.sparse), ("stream", False)])
def test_sandwiches(form, weighted, tmp_path):
    from statsmodels.stats import sandwich_covariance as sandwich

    X, y = anes96()
    m = len(y)
    s = np.random.default_rng(0).integers(1, 4, m) if weighted else np.ones(m, int)
    result, first, second = mnlogit(X, y, s), np.arange(m) % 37, np.arange(m) // 30
    one, two = np.repeat(first, s), np.repeat(second, s)
    rows = csr_array(X.to_numpy()) if form == "sparse" else rows_of(form, X.to_numpy(), tmp_path)
    model = fastlr.train(rows, y.to_numpy(), sample_weight=s if weighted else None, tol=1e-12, backend="numpy")
    for kind, right in (("HC0", sandwich.cov_white_simple(result, use_correction=False)),
                        ("HC1", sandwich.cov_white_simple(result)),
                        (("cluster", first), sandwich.cov_cluster(result, one)),
                        (("cluster", (first, second)), sandwich.cov_cluster_2groups(result, one, two)[0])):
        table = model.summary(kind)
        assert_agree(table.covariance, right)
        assert "standard errors" in table.head


@pytest.mark.parametrize("form", ["dense", pytest.param("sparse", marks=pytest.mark.sparse), "stream"])
def test_leverages_by_dense_formulas(form, tmp_path):
    """HC2, HC3, leverages and Cook's distances against those of the parameters less the first class's, row by row."""
    X, y, *_ = classes(60, spread=(1.0,))
    s = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    rows = csr_array(X) if form == "sparse" else rows_of(form, X, tmp_path)
    model = fastlr.train(rows, y, sample_weight=s, tol=1e-12, backend="numpy")
    p, design = model.predict_proba(X)[:, 1:], np.column_stack([X, np.ones(len(X))])
    scores = np.einsum("ik,ij->ikj", p - np.eye(3)[y][:, 1:], design).reshape(len(X), -1)
    W = p[:, :, None] * np.eye(2) - p[:, :, None] * p[:, None]
    of_rows = np.einsum("ikl,ia,ib->ikalb", W, design, design).reshape(len(X), 10, 10)
    H = np.einsum("i,iab->ab", s, of_rows)
    V = np.linalg.inv(H)
    v = np.stack([np.kron(np.eye(2), row[:, None]) for row in design])                   # (m, 10, 2)
    shares = W @ v.transpose(0, 2, 1) @ V @ v
    differences = np.kron([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]], np.eye(5))
    for kind, power in (("HC2", -0.5), ("HC3", -1.0)):
        moved = np.stack([each_v @ fractional_matrix_power(np.eye(2) - share, power) @ r for each_v, share, r in
                          zip(v, shares, p - np.eye(3)[y][:, 1:], strict=True)])
        right = V @ (moved.T * s) @ moved @ V
        np.testing.assert_allclose(differences @ model.covariance(kind) @ differences.T, right, rtol=1e-8, atol=1e-12)
    moves = [np.linalg.solve(H - s_i * of_row, s_i * score) for s_i, of_row, score in zip(s, of_rows, scores, strict=True)]
    np.testing.assert_allclose(model.cooks_distances(), [d @ H @ d / 10 for d in moves], rtol=1e-8)
    np.testing.assert_allclose(model.leverages(), s * shares.trace(axis1=1, axis2=2), rtol=1e-8)
    assert model.leverages().sum() == pytest.approx(10.0, rel=1e-10)


def test_sandwiches_of_collinear_and_far_columns():
    X, y, *_ = classes(300, spread=(1.0,))
    groups, right = np.arange(300) % 20, fastlr.train(X, y, tol=1e-11, backend="numpy")
    for shape, places in ((np.column_stack([X, X[:, 0]]), [1, 2, 3]), (X + [1e6, 0.0, 0.0, 0.0], [0, 1, 2, 3])):
        model = fastlr.train(shape, y, tol=1e-10, backend="numpy")
        for kind in ("HC0", "HC3", ("cluster", groups)):
            own = model.covariance(kind).reshape(3, shape.shape[1] + 1, 3, -1)[:, places][..., places]
            expected = right.covariance(kind).reshape(3, 5, 3, 5)[:, places][..., places]
            np.testing.assert_allclose(own, expected, rtol=1e-6)


@pytest.mark.parametrize("at", ["average", "mean"])
def test_marginal_effects_are_statsmodels(at):
    X, y = anes96()
    result = mnlogit(X, y)
    model = fastlr.train(X, y, tol=1e-12, backend="numpy")
    table = model.marginal_effects(at=at, discrete=())
    theirs = result.get_margeff(at="overall" if at == "average" else "mean")
    np.testing.assert_allclose(table.estimate.reshape(7, 5), theirs.margeff.T, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(table.standard_error.reshape(7, 5), theirs.margeff_se.T, rtol=1e-7)
    assert np.abs(table.estimate.reshape(7, 5).sum(axis=0)).max() < 1e-12
    some = model.marginal_effects(at=at, columns=["educ", "age"], covariance="HC1")
    np.testing.assert_array_equal(some.estimate.reshape(7, 2), table.estimate.reshape(7, 5)[:, [3, 2]])
    assert some.to_frame().index[3] == (1, "age") and "on the probability of  0, 1, 2, 3, 4, 5, 6" in str(some)
    with pytest.raises(NotImplementedError, match=r"marginal_effects\(at={...}\) is for two classes"):
        model.marginal_effects(at={"age": 40.0})


def test_published_marginal_effects():
    """Stata's margins, dydx(*) predict(outcome(#)) of the voters: the effects on the first class and on the last."""
    X, y = anes96()
    model = fastlr.train(X, y, tol=1e-12, backend="numpy")
    printed = {"average": [[0.00868085993550, -0.09779854015456, 0.00272556969847, -0.01992376579372, -0.00603133322764],
                           [.0038581061, .0080471125, .0007068488, .0082318967, .0020261706],
                           [-0.00741820702809, 0.12459834487569, 0.00063806819375, 0.01766610701188, 0.00539385283759],
                           [.0033641608, .008376629, .0006774697, .0073505286, .0021660086]],
               "mean": [[0.01149887431225, -0.13784207091973, 0.00273313385873, -0.02542974260540, -0.00855346837482],
                        [.0043729758, .0110343353, .0008149907, .0092551389, .0023752071],
                        [-0.00722687818452, 0.12170608820238, 0.00049490419675, 0.01693601418978, 0.00575285798725],
                        [.0027682389, .0113292677, .0005325113, .0061289353, .0017330763]]}
    for at, (first, its_error, last, error_of_last) in printed.items():
        table = model.marginal_effects(at=at, discrete=())
        np.testing.assert_allclose(table.estimate[:5], first, rtol=1e-6)
        np.testing.assert_allclose(table.standard_error[:5], its_error, rtol=1e-6)
        np.testing.assert_allclose(table.estimate[-5:], last, rtol=1e-5)
        np.testing.assert_allclose(table.standard_error[-5:], error_of_last, rtol=1e-6)


@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_discrete_effects_and_the_delta_method(form):
    """Effects as functions of theta, with derivatives by differences."""
    X, y, *_ = classes(200, spread=(1.0,))
    X[:, 1] = X[:, 1] > 0.5
    s = np.random.default_rng(0).integers(1, 3, 200).astype(float)
    offset = np.random.default_rng(1).standard_normal((200, 3))
    model = fastlr.train(form(X), y, sample_weight=s, offset=offset, tol=1e-12, backend="numpy")

    def effects(theta):
        Theta = theta.reshape(3, 5)

        def probabilities(X):
            e = np.exp(X @ Theta[:, :-1].T + Theta[:, -1] + offset)
            return e / e.sum(axis=1, keepdims=True)

        p = probabilities(X)
        rows = p[:, :, None] * (Theta[:, :-1] - (p @ Theta[:, :-1])[:, None])
        one, zero = X.copy(), X.copy()
        one[:, 1], zero[:, 1] = 1.0, 0.0
        rows[:, :, 1] = probabilities(one) - probabilities(zero)
        return np.average(rows, axis=0, weights=s).ravel()

    theta = np.column_stack([model.w, model.b]).ravel()
    J = np.array([(effects(theta + 1e-6 * e) - effects(theta - 1e-6 * e)) / 2e-6 for e in np.eye(15)]).T
    table = model.marginal_effects()
    assert table.is_discrete.tolist() == [False, True, False, False] * 3
    np.testing.assert_allclose(table.estimate, effects(theta), rtol=1e-9)
    np.testing.assert_allclose(table.covariance, J @ model.covariance() @ J.T, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_intervals_are_the_delta_method_for_log_odds(form):
    X, y, *_ = classes(200, spread=(1.0,))
    model = fastlr.train(form(X), y, tol=1e-12, backend="numpy")
    V, theta = model.covariance(), np.column_stack([model.w, model.b])
    bounds = model.intervals(form(X[:20]), level=0.9)
    assert bounds.shape == (20, 3, 2)

    def log_odds(theta, x):
        e = np.exp(theta @ np.append(x, 1.0))
        p = e / e.sum()
        return np.log(p / (1.0 - p))

    for x, own in zip(X[:20], bounds, strict=True):
        J = np.array([(log_odds(theta + 1e-6 * e.reshape(3, 5), x) - log_odds(theta - 1e-6 * e.reshape(3, 5), x)) / 2e-6
                      for e in np.eye(15)]).T
        width = normal_quantile(0.9) * np.sqrt((J @ V @ J.T).diagonal())
        center = log_odds(theta, x)
        np.testing.assert_allclose(own, 1.0 / (1.0 + np.exp(-np.column_stack([center - width, center + width]))), rtol=1e-6)


def test_contrasts():
    """Wald's test of a difference of two classes is the square of z in the table with one as the base."""
    X, y = anes96()
    model = fastlr.train(X, y, tol=1e-12, backend="numpy")
    table = model.summary(base=2)
    R = np.zeros((7, 5))
    R[4, 3], R[2, 3] = 1.0, -1.0
    z, = (z for z, label, name in zip(table.z, table.class_of, table.names, strict=True) if (label, name) == (4, "educ"))
    assert model.contrast(R).chi2 == pytest.approx(z * z, rel=1e-8)
    everywhere = np.zeros((6, 7, 6))
    everywhere[np.arange(6), np.arange(6), 3], everywhere[:, 6, 3] = 1.0, -1.0
    result = mnlogit(X, y)
    constraint = np.kron(np.eye(6), np.eye(6)[[4]])
    assert model.contrast(everywhere).chi2 == pytest.approx(float(result.wald_test(constraint, scalar=True).statistic), rel=1e-7)
    smaller = fastlr.train(X.drop(columns="educ"), y, tol=1e-12, backend="numpy")
    assert model.likelihood_ratio(smaller)[:2] == pytest.approx((2.0 * (result.llf - mnlogit(X.drop(columns="educ"), y).llf), 6))
    R[2, 3] = 0.0
    with pytest.raises(ValueError, match="R must add up to 0 over the classes for each feature"):
        model.contrast(R)
    with pytest.raises(ValueError, match=r"R has shape \(1, 1, 5\); a row has 7 times 5 factors for w, and perhaps"):
        model.contrast([[1.0, 0.0, 0.0, 0.0, 0.0]])
