"""LogisticRegression.partial_fit: the rule against plain NumPy, the optimum after one pass, and what people do with streams."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.multiclass import OneVsRestClassifier

import fastlr
from fastlr import LogisticRegression
from fastlr.sklearn import in_batches
from tests.problems import problem, weights

pytestmark = pytest.mark.slow


def classifier(**options):
    return LogisticRegression(backend="numpy", **options)


def stream(m, n, seed=0):
    """X of correlated columns and labels from a logistic model."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n)) @ (np.eye(n) + 0.5 * rng.standard_normal((n, n)) / np.sqrt(n)) + rng.standard_normal(n)
    w = 1.5 * rng.standard_normal(n) / np.sqrt(n)
    return X, (rng.random(m) < 1.0 / (1.0 + np.exp(0.5 - X @ w))).astype(int)


def learn(estimator, X, y, size, sample_weight=None):
    """One pass, in batches of a size."""
    for start in range(0, len(y), size):
        batch = slice(start, start + size)
        s = None if sample_weight is None else sample_weight[batch]
        estimator.partial_fit(X[batch], y[batch], classes=[0, 1], sample_weight=s)
    return estimator


def cost(estimator, X, y):
    """The sum of the losses, and the penalty."""
    z = estimator.decision_function(X)
    return np.logaddexp(0.0, z).sum() - y @ z + np.square(estimator.coef_).sum() / (2.0 * estimator.C)


def parameters(estimator):
    return np.append(estimator.coef_, estimator.intercept_)


# ---- the rule ---------------------------------------------------------------------------------------------------------

def rule(batches, l2, fit_intercept, diagonal):
    """theta after each batch by the definition: Newton's method with whole matrices, in the coordinates of X."""
    X, _, s = batches[0]
    n = X.shape[1]
    center = np.average(X, axis=0, weights=s) if fit_intercept else np.zeros(n)
    theta, curvature, seen = np.zeros(n + 1), np.zeros((n + 1, n + 1)), []
    for X, y, s in batches:
        seen.append((X, s))
        rows, weight = (np.concatenate(part) for part in zip(*seen, strict=True))
        mean = np.average(rows, axis=0, weights=weight) if fit_intercept else 0.0
        variance = np.average((rows - mean) ** 2, axis=0, weights=weight)
        P = curvature + np.diag(np.append(np.maximum(l2, 0.01 * variance), 0.01))
        V = np.column_stack([X - center, np.full(len(X), float(fit_intercept))])
        before = theta
        for _ in range(30):
            a = 1.0 / (1.0 + np.exp(-V @ theta))
            H = (V * (s * a * (1.0 - a))[:, None]).T @ V
            theta = theta - np.linalg.solve(H + P, V.T @ (s * (a - y)) + P @ (theta - before))
        curvature = curvature + (np.diag(np.diag(H)) if diagonal else H)
        yield np.append(theta[:-1], theta[-1] - center @ theta[:-1])


@pytest.mark.parametrize("options", [{}, {"C": np.inf}, {"C": 0.1, "fit_intercept": False}], ids=repr)
@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_rule_is_that_of_plain_numpy(options, diagonal, weighted, monkeypatch):
    if diagonal:
        monkeypatch.setattr(in_batches, "MOST_FEATURES", 3)
    X, y = stream(120, 4)
    s = weights(120)[0] if weighted else np.ones(120)
    cuts = [slice(0, 40), slice(40, 41), slice(41, 50), slice(50, 120)]
    ours = classifier(**options)
    batches = [(X[cut], y[cut], s[cut]) for cut in cuts]
    for cut, expected in zip(cuts, rule(batches, 1.0 / ours.C, ours.fit_intercept, diagonal), strict=True):
        ours.partial_fit(X[cut], y[cut], sample_weight=s[cut] if weighted else None)
        np.testing.assert_allclose(parameters(ours), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("options", [{}, {"C": 0.1, "fit_intercept": False}], ids=repr)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_short_batches_follow_the_rule(options, form, monkeypatch):
    """Their unknowns are as many as their rows; long ones are among them, and the rows apart are put away now and then."""
    monkeypatch.setattr(in_batches, "MOST_FEATURES_SOLVED_FOR", 15)
    X, y = stream(120, 16)
    s = weights(120)[0]
    ends = np.cumsum([4, 1, 3, 4, 2, 4, 40, 3, 4, 4, 4, 1])
    cuts = [slice(first, last) for first, last in zip([0, *ends[:-1]], ends, strict=True)]
    ours = classifier(**options)
    batches = [(X[cut], y[cut], s[cut]) for cut in cuts]
    for cut, expected in zip(cuts, rule(batches, 1.0 / ours.C, ours.fit_intercept, diagonal=False), strict=True):
        ours.partial_fit(form(X[cut]), y[cut], sample_weight=s[cut], classes=[0, 1])
        np.testing.assert_allclose(parameters(ours), expected, rtol=1e-6, atol=1e-7)
        assert ours.model_.converged and ours.model_.n_iter < 20


@pytest.mark.parametrize("C", [1.0, np.inf])
def test_short_batches_come_as_close_to_the_optimum(C, monkeypatch):
    """Also where the penalty follows the deviations of columns whose units differ by powers of ten."""
    X, y = stream(200, 16)
    X = X * 10.0 ** np.linspace(-4.0, 4.0, 16) if C == np.inf else X
    best, long = cost(classifier(C=C).fit(X, y), X, y), cost(learn(classifier(C=C), X, y, 4), X, y)
    monkeypatch.setattr(in_batches, "MOST_FEATURES_SOLVED_FOR", 15)
    assert 0.0 <= cost(learn(classifier(C=C), X, y, 4), X, y) - best <= 1.1 * (long - best)


def test_backends_agree(backend):
    X, y = stream(200, 4)
    expected = learn(classifier(), X, y, 50)
    np.testing.assert_allclose(parameters(learn(LogisticRegression(backend=backend), X, y, 50)), parameters(expected), rtol=1e-9)


@pytest.mark.parametrize("options", [{"C": 0.1}, {"C": 1.0}, {"C": 1.0, "class_weight": {0: 3.0, 1: 0.5}}, {"C": 10.0}], ids=repr)
def test_the_first_batch_gives_what_fit_gives(options):
    X, y = stream(1000, 6)
    s = weights(1000)[0]
    once, fitted = classifier(**options).partial_fit(X, y, sample_weight=s), classifier(**options).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(parameters(once), parameters(fitted), rtol=3e-4, atol=3e-5)
    options["fit_intercept"] = False                # then the penalty is that of fit to the last digit
    once, fitted = classifier(**options).partial_fit(X, y), classifier(**options).fit(X, y)
    np.testing.assert_allclose(parameters(once), parameters(fitted), rtol=1e-7)


# ---- how good it is ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("C", "m", "size"), [(np.inf, 150, 1), (1.0, 1000, 20), (np.inf, 4000, 100), (1.0, 8000, 1000)])
def test_one_pass_comes_close_to_the_optimum(C, m, size):
    """J - J* is a fifth at most of what J* itself lies below J at the truth, by chance: half the number of parameters."""
    X, y = stream(m, 6)
    ours, best = learn(classifier(C=C), X, y, size), classifier(C=C).fit(X, y)
    assert 0.0 <= cost(ours, X, y) - cost(best, X, y) <= 0.2 * 7 / 2
    assert (ours.n_samples_seen_, ours.n_features_in_) == (m, 6)


def test_the_diagonal_comes_less_close(monkeypatch):
    X, y = stream(8000, 6)
    best, full = cost(classifier().fit(X, y), X, y), cost(learn(classifier(), X, y, 100), X, y)
    monkeypatch.setattr(in_batches, "MOST_FEATURES", 5)
    ours = learn(classifier(), X, y, 100)
    assert ours._memory_.curvature.shape == (7,) and ours.model_.solver == "lbfgs"
    assert full < cost(ours, X, y) <= best + 0.02 * 8000


def test_more_passes_come_closer():
    X, y = stream(2000, 6)
    ours, best = classifier(C=np.inf), cost(classifier(C=np.inf).fit(X, y), X, y)
    gaps = [cost(learn(ours, X, y, 50), X, y) - best for _ in range(3)]
    assert 0.0 <= gaps[2] < 0.5 * gaps[0] and gaps[1] < gaps[0]


@pytest.mark.parametrize("size", [1, 50])
def test_units_of_columns_do_not_matter(size):
    X, y = stream(60 if size == 1 else 400, 5)
    scales, shifts = 10.0 ** np.array([-6.0, -3.0, 0.0, 3.0, 6.0]), np.array([0.0, 1.0, -10.0, 1e4, 1e6])
    other = X * scales + shifts
    expected = learn(classifier(C=np.inf), X, y, size).decision_function(X)
    np.testing.assert_allclose(learn(classifier(C=np.inf), other, y, size).decision_function(other), expected, rtol=1e-5,
                               atol=1e-5)


def test_separable_streams_stay_finite():
    X, _ = stream(100, 5)
    y = (X[:, 0] > X[:, 0].mean()).astype(int)
    for size in (1, 10, 100):
        ours = learn(classifier(C=np.inf), X, y, size)
        assert np.isfinite(parameters(ours)).all() and ours.score(X, y) > 0.97
        assert np.abs(ours.decision_function(X)).max() < 1e4


def test_batches_of_one_class():
    X, y = stream(2000, 4)
    ours, best = classifier(), classifier().fit(X, y)
    for start in range(0, 2000, 40):
        for label in (0, 1):                        # the first knows nothing of the other class
            chosen = np.arange(start, start + 40)[y[start:start + 40] == label]
            ours.partial_fit(X[chosen], y[chosen], classes=[0, 1])
            assert np.isfinite(parameters(ours)).all() and ours.classes_.tolist() == [0, 1]
    assert cost(ours, X, y) < 1.02 * cost(best, X, y)


def test_what_is_constant_at_first_is_learnt_later():
    X, y = stream(2000, 3)
    X[:200, 0] = 0.5
    X[:, 1] = -5.0                                  # and this for ever
    ours = learn(classifier(), X, y, 100)
    assert abs(ours.coef_[0, 1]) < 1e-9
    expected = classifier().fit(X, y).coef_[0, 0]
    assert abs(ours.coef_[0, 0] - expected) < 0.05 * expected


# ---- rows -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix])
def test_sparse(form, diagonal, monkeypatch):
    if diagonal:
        monkeypatch.setattr(in_batches, "MOST_FEATURES", 3)
    X, y = stream(300, 6)
    X[np.abs(X) < 1.0] = 0.0
    expected, ours = learn(classifier(), X, y, 60), classifier()
    for start in range(0, 300, 60):
        ours.partial_fit(form(X[start:start + 60]), y[start:start + 60])
    np.testing.assert_allclose(parameters(ours), parameters(expected), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_other_numbers(dtype):
    X, y, *_ = problem(200, 5, dtype)
    expected, ours = (learn(classifier(), A, y, 50) for A in (X.astype(float), X))
    assert ours.coef_.dtype == np.float64
    np.testing.assert_allclose(parameters(ours), parameters(expected), rtol=1e-6)


def test_weights_count_rows():
    X, y = stream(300, 4)
    s = np.random.default_rng(0).integers(0, 3, 300)
    weighted, repeated = learn(classifier(), X, y, 100, s), classifier()
    for start in range(0, 300, 100):
        rows = np.repeat(np.arange(start, start + 100), s[start:start + 100])
        repeated.partial_fit(X[rows], y[rows])
    np.testing.assert_allclose(parameters(weighted), parameters(repeated), rtol=1e-6, atol=1e-8)


def test_labels_of_any_kind():
    X, y = stream(200, 3)
    text = np.where(y == 1, "yes", "no")
    ours = classifier().partial_fit(X[:100], text[:100]).partial_fit(X[100:], text[100:], classes=["yes", "no"])
    assert ours.classes_.tolist() == ["no", "yes"] and set(ours.predict(X)) == {"no", "yes"}
    assert np.array_equal(parameters(ours), parameters(learn(classifier(), X, y, 100)))


# ---- life of an estimator ---------------------------------------------------------------------------------------------

def test_copies_go_on_with_the_same_bits():
    X, y = stream(300, 4)
    straight = learn(classifier(), X, y, 50)
    ours = learn(classifier(), X[:150], y[:150], 50)
    before = parameters(ours)
    for other in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours), copy.copy(ours)):
        assert np.array_equal(other.predict_proba(X), ours.predict_proba(X))
        assert np.array_equal(parameters(learn(other, X[150:], y[150:], 50)), parameters(straight))
    assert np.array_equal(parameters(learn(clone(ours), X, y, 50)), parameters(straight))
    assert np.array_equal(parameters(ours), before)
    assert np.array_equal(parameters(learn(ours, X[150:], y[150:], 50)), parameters(straight))


@pytest.mark.parametrize("options", [{"C": 2.0}, {"C": np.inf}, {"C": 2.0, "fit_intercept": False}])
def test_it_goes_on_from_fit_without_its_rows(options):
    X, y = stream(600, 4)
    expected = parameters(classifier(**options).partial_fit(X[:400], y[:400]).partial_fit(X[400:], y[400:]))
    ours = classifier(**options)
    first, labels = X[:400].copy(), y[:400].copy()
    ours.fit(first, labels).set_params(C=0.1, fit_intercept=False)
    first[:], labels[:] = np.nan, 0             # the caller's arrays, for something else
    for each in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours), ours):
        np.testing.assert_allclose(parameters(each.partial_fit(X[400:], y[400:])), expected, rtol=1e-6)
        assert each.n_samples_seen_ == 600


def test_it_goes_on_from_a_fit_of_many_rows():
    """The Hessian is that of 2048: closer than sampling error by far."""
    X, y = stream(20_000, 5)
    s = weights(20_000)[0]
    one = classifier().fit(X[:15_000], y[:15_000], s[:15_000]).partial_fit(X[15_000:], y[15_000:], sample_weight=s[15_000:])
    other = fastlr.train(X, y, sample_weight=s, l2=1.0, reduction="sum", backend="numpy")
    errors = fastlr.train(X, y, sample_weight=np.where(s > 0.0, 1.0, 0.0), backend="numpy").summary().standard_error
    distance = (parameters(one) - np.append(other.w, other.b)) / np.roll(errors, -1)
    assert np.abs(distance).max() < 0.2


def test_a_fit_of_many_features_is_nothing_to_go_on_from():
    X, y = stream(300, 65)
    fitted = classifier().fit(X, y)
    before = parameters(fitted)
    with pytest.raises(ValueError, match=r"at most 64 features, not of 65: .* call partial_fit in the place of fit"):
        fitted.partial_fit(X.tolist(), y)
    assert np.array_equal(parameters(fitted), before)


def test_fit_starts_anew():
    X, y = stream(600, 4)
    ours = classifier(C=2.0).partial_fit(X[400:], y[400:]).fit(X[:400], y[:400])
    assert np.array_equal(parameters(ours), parameters(classifier(C=2.0).fit(X[:400], y[:400])))
    assert ours.n_samples_seen_ == 400


def test_batches_that_change_afterwards_are_not_read_again():
    X, y = stream(600, 4)
    expected = parameters(learn(classifier(), X.copy(), y, 200))
    ours = classifier()
    for start in range(0, 600, 200):
        batch, labels = X[start:start + 200], y[start:start + 200].copy()
        ours.partial_fit(batch, labels)
        batch[:], labels[:] = np.nan, 0
    assert np.array_equal(parameters(ours), expected)


def test_the_penalty_and_the_intercept_are_those_of_the_first_batch():
    X, y = stream(200, 4)
    ours = classifier().partial_fit(X[:100], y[:100]).set_params(C=0.1, fit_intercept=False).partial_fit(X[100:], y[100:])
    assert np.array_equal(parameters(ours), parameters(learn(classifier(), X, y, 100)))


def test_the_model_is_there_and_has_no_summary(tmp_path):
    X, y = stream(200, 3)
    ours = learn(classifier(), X, y, 100)
    model = ours.model_
    assert model.converged and model.n_iter == ours.n_iter_[0] > 0 and model.history.cost.size == model.n_iter + 1
    assert np.array_equal(model.decision_function(X), ours.decision_function(X))
    model.save(tmp_path / "model.json")
    assert np.array_equal(fastlr.load(tmp_path / "model.json").predict(X), ours.predict(X))
    with pytest.raises(ValueError, match="or partial_fit, without the training data"):
        model.summary()


def test_column_names():
    X, y = stream(100, 3)
    frame = pd.DataFrame(X, columns=[*"abc"])
    ours = classifier().partial_fit(frame, y).partial_fit(frame, y)
    assert ours.feature_names_in_.tolist() == [*"abc"] and ours.model_.feature_names == ("a", "b", "c")
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        ours.partial_fit(frame[[*"cba"]], y)
    with pytest.raises(ValueError, match="X has 2 features, but LogisticRegression is expecting 3"):
        classifier().partial_fit(X, y).partial_fit(X[:, :2], y)


def test_one_against_the_rest():
    X, _ = stream(600, 4)
    y = np.digitize(X[:, 0] + X[:, 1], [-1.0, 1.0])
    ours = OneVsRestClassifier(classifier())
    for start in range(0, 600, 100):
        ours.partial_fit(X[start:start + 100], y[start:start + 100], classes=[0, 1, 2])
    assert ours.score(X, y) > 0.9 * OneVsRestClassifier(classifier()).fit(X, y).score(X, y)


def test_too_few_updates_are_a_warning():
    X, y = stream(200, 3)
    with pytest.warns(fastlr.ConvergenceWarning, match="after 1 updates on this batch the gradient is .*, above tol=1e-09"):
        ours = classifier(max_iter=1).partial_fit(X, y)
    assert ours.n_iter_[0] == 1 and not ours.model_.converged


def test_batches_of_three_classes():
    """The first batch is nearly what fit finds, and many batches come close to the optimum of all rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 4)) * [1.0, 100.0, 0.01, 1.0]
    z = X / [1.0, 100.0, 0.01, 1.0] @ rng.standard_normal((4, 3))
    y = np.array(["a", "b", "c"])[(z + rng.gumbel(size=z.shape)).argmax(axis=1)]
    first, whole = classifier().partial_fit(X[:300], y[:300]), classifier().fit(X, y)
    np.testing.assert_allclose(first.predict_proba(X), classifier().fit(X[:300], y[:300]).predict_proba(X), atol=3e-4)
    for start in range(300, 3000, 100):
        first.partial_fit(X[start:start + 100], y[start:start + 100])
    assert first.coef_.shape == (3, 4) and first.n_samples_seen_ == 3000
    np.testing.assert_allclose(first.predict_proba(X), whole.predict_proba(X), atol=0.01)
    np.testing.assert_allclose(first.coef_.sum(axis=0) * X.std(axis=0), 0.0, atol=1e-12)
    goes_on = classifier().fit(X[:2000], y[:2000]).partial_fit(X[2000:], y[2000:])
    np.testing.assert_allclose(goes_on.predict_proba(X), whole.predict_proba(X), atol=2e-3)


# ---- refusals ---------------------------------------------------------------------------------------------------------

X, y = stream(20, 3)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda new: new.partial_fit(X, np.zeros(20, int)), ValueError, "y holds one label only, 0, .*pass classes= on the first"),
    (lambda new: new.partial_fit(X, y, classes=[0]), ValueError, r"classes must hold two labels or more, .* not \[0\]"),
    (lambda new: new.partial_fit(X, y, classes=[]), ValueError, r"classes must hold two labels or more, .* not \[\]"),
    (lambda new: new.partial_fit(X, y, classes=[0, 1, np.nan]), ValueError, r"none of which is missing, not \[0.0, 1.0, nan\]"),
    (lambda new: new.partial_fit(X, y, classes=[0, 1, None]), ValueError, r"none of which is missing, not \[0, 1, None\]"),
    (lambda new: new.partial_fit(X, y + 1, classes=[0, 1]), ValueError, r"y holds 2 at row \d+, which is none of"),
    (lambda new: new.partial_fit(X, y.astype(str), classes=[0, 1]), ValueError, r"y holds '.' at row 0, which is none of"),
    (lambda new: new.partial_fit(X, y).partial_fit(X, y, classes=[0, 2]), ValueError, r"classes=\[0, 2\], and those of the"),
    (lambda new: new.set_params(class_weight="balanced").partial_fit(X, y), AttributeError, "has no attribute 'partial_fit'"),
    (lambda new: new.set_params(class_weight={3: 1.0}).partial_fit(X, y), ValueError, "class_weight names 3, which is not"),
    (lambda new: new.set_params(fit_intercept=1).partial_fit(X, y), TypeError, "fit_intercept must be True or False"),
    (lambda new: new.partial_fit(X, y, sample_weight=-np.ones(20)), ValueError, "sample_weight must be finite, at least 0"),
    (lambda new: new.partial_fit(X, y, sample_weight=np.zeros(20)), ValueError, "sample_weight is zero in every row"),
    (lambda new: new.partial_fit(np.where(X > 1, np.nan, X), y), ValueError, "X has .* NaN, infinite or too large; the first"),
    (lambda new: new.partial_fit(1e140 * X, y, sample_weight=np.full(20, 1e90)), ValueError, "too large for float64"),
], ids=range(15))
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(classifier())


def test_a_refused_batch_leaves_everything_as_it_was():
    X, y = stream(300, 3)
    ours = learn(classifier(), X[:200], y[:200], 100)
    with pytest.raises(ValueError, match="none of the classes"):
        ours.partial_fit(X[200:], y[200:] + 5)
    with pytest.raises(ValueError, match="NaN"):
        ours.partial_fit(np.full((5, 3), np.nan), y[:5])
    with pytest.raises(ValueError, match="too large for float64"):
        ours.partial_fit(1e140 * X[:5], y[:5], sample_weight=np.full(5, 1e90))
    ours.partial_fit(X[200:], y[200:])
    assert np.array_equal(parameters(ours), parameters(learn(classifier(), X, y, 100)))
