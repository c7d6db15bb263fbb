"""Sandwich covariances: against statsmodels, its formulas, repeated rows, and wherever the rows lie."""

import copy
import functools
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import fastlr
from tests.inference.data_sets import data_set, each_data_set, logit
from tests.problems import problem

pytestmark = pytest.mark.slow

KINDS = ("HC0", "HC1", "HC2", "HC3")


def of_statsmodels(result, kind, *groups):
    """statsmodels' own for HC0, HC1 and clusters; HC2 and HC3 from its scores and leverages (it gives HC0 for these)."""
    from statsmodels.stats import sandwich_covariance as sandwich

    if kind in ("HC0", "HC1"):
        return sandwich.cov_white_simple(result, use_correction=kind == "HC1")
    if kind == "cluster":
        return sandwich.cov_cluster(result, *groups) if len(groups) == 1 else sandwich.cov_cluster_2groups(result, *groups)[0]
    rest = 1.0 - result.get_influence().hat_matrix_diag
    S = result.model.score_obs(result.params) / rest[:, None] ** {"HC2": 0.5, "HC3": 1.0}[kind]
    V = result.cov_params()
    return V @ (S.T @ S) @ V


def assert_agree(own, theirs, rtol=1e-8):
    size = np.sqrt(np.abs(np.diagonal(theirs)))
    np.testing.assert_allclose(own / np.outer(size, size), theirs / np.outer(size, size), rtol=rtol, atol=rtol)


@pytest.mark.parametrize(*each_data_set)
@pytest.mark.parametrize("weighted", [False, True])
def test_statsmodels(name, weighted):
    X, y, s, first, second = data_set(name)
    s = s if weighted else np.ones(len(y))
    result, n = logit(X, y, s), s.astype(int)
    model = fastlr.train(X, y, sample_weight=s if weighted else None, tol=1e-12, backend="numpy")
    assert_agree(model.covariance(), result.cov_params())
    for kind in KINDS:
        assert_agree(model.covariance(kind), of_statsmodels(result, kind))
    one, two = np.repeat(first, n), np.repeat(second, n)
    assert_agree(model.covariance(("cluster", first)), of_statsmodels(result, "cluster", one))
    assert_agree(model.covariance(("cluster", (first, second))), of_statsmodels(result, "cluster", one, two))
    table = model.summary(covariance="HC1", level=0.9)
    V = of_statsmodels(result, "HC1")
    np.testing.assert_allclose(table.standard_error, np.sqrt(np.roll(V.diagonal(), 1)), rtol=1e-8)
    np.testing.assert_allclose(table.upper - table.estimate, 1.6448536269514722 * table.standard_error, rtol=1e-8)


def test_published():
    """Spector's data: the robust standard errors of Stata's glm are HC0 times N / (N - 1)."""
    X, y, *_ = data_set("spector")
    V = fastlr.train(X, y, tol=1e-12, backend="numpy").covariance("HC0") * 32 / 31
    assert np.sqrt(V.diagonal()) == pytest.approx([1.287827879216, 0.1198091371814, 0.97985082470462, 5.2807513766642], rel=1e-6)


def rows_of(kind, X, tmp_path):
    if kind == "sparse":
        return csr_array(X)
    if kind == "stream":
        np.save(tmp_path / "X.npy", X)
        return fastlr.stream(tmp_path / "X.npy", memory=4 * 512 * X.itemsize * X.shape[1])
    if kind == "dask":
        return pytest.importorskip("dask.array").from_array(X, chunks=(700, X.shape[1]))
    return np.asfortranarray(X, np.float32) if kind == "float32" else X


@pytest.mark.parametrize(("kind", "fit_intercept"), [
    ("dense", True), ("dense", False), ("float32", True), pytest.param("sparse", False, marks=pytest.mark.sparse),
    ("stream", True), ("dask", False)])
def test_wherever_the_rows_lie(kind, fit_intercept, tmp_path):
    X, y, *_ = problem(1500, 4, dtype=np.float32)
    rng = np.random.default_rng(3)
    s, offset = rng.integers(0, 3, 1500).astype(float), rng.standard_normal(1500)
    groups = rng.integers(0, 50, 1500)
    groups[s == 0.0] = 99                                           # no example, no group
    options = {"sample_weight": s, "offset": offset, "fit_intercept": fit_intercept, "tol": 1e-11, "backend": "numpy"}
    model = fastlr.train(rows_of(kind, X.astype(float), tmp_path), y, **options)
    n = s.astype(int)
    repeated = fastlr.train(np.repeat(X, n, axis=0), np.repeat(y, n), **options | {
        "sample_weight": None, "offset": np.repeat(offset, n)})
    for name in KINDS:
        assert_agree(model.covariance(name)[:4, :4], repeated.covariance(name)[:4, :4], rtol=1e-7)
    many = np.repeat(groups, n)
    for own, theirs in ((groups, many), ((groups, groups % 7), (many, many % 7))):
        assert_agree(model.covariance(("cluster", own))[:4, :4], repeated.covariance(("cluster", theirs))[:4, :4], rtol=1e-7)
    if not fit_intercept:
        assert not model.covariance("HC2")[4].any()


@pytest.mark.parametrize(("shift", "rtol"), [(10.0, 1e-10), (1e6, 1e-6)], ids=["as they are", "centered"])
def test_columns_that_are_far_from_zero(shift, rtol):
    X, y, *_ = problem(500, 3)
    near, far = (fastlr.train(each, y, tol=1e-12, backend="numpy") for each in (X, X + shift))
    for kind in (*KINDS, ("cluster", np.arange(500) // 10)):
        assert_agree(far.covariance(kind)[:3, :3], near.covariance(kind)[:3, :3], rtol=rtol)


@pytest.mark.parametrize("kind", ["frame", "dask", "array"])
def test_groups_of_a_column(kind):
    X, y, *_ = data_set("fair")
    model = fastlr.train(X, y, backend="numpy")
    right = model.covariance(("cluster", (X["age"], X["children"])))
    if kind == "dask":
        X = pytest.importorskip("dask.dataframe").from_pandas(X, npartitions=3)
        model = fastlr.train(X, y, backend="numpy")
    names = ("age", "children")
    if kind == "array":
        names = tuple(f"x{X.columns.get_loc(name)}" for name in names)
        model = fastlr.train(X.to_numpy(), y, backend="numpy")
    assert_agree(model.covariance(("cluster", names)), right)


def test_groups_of_any_kind():
    X, y, _, groups, _ = data_set("spector")
    model = fastlr.train(X, y, backend="numpy")
    right = model.covariance(("cluster", groups))
    for same in (groups.astype(str), groups.astype(str).astype(object), pd.Series(groups, dtype="category"), groups.tolist(),
                 groups[:, None], pd.to_datetime(groups, unit="D"), groups - 4, groups.astype(np.uint8),
                 groups.astype(np.uint64) << 60, (groups.astype(int) * 31 - 124).astype(np.int8)):
        assert_agree(model.covariance(("cluster", same)), right)


def test_groups_in_another_order_are_refused():
    """Where X was a frame, whether its rows are labels or counts; an index of other rows says nothing."""
    X, y, *_ = problem(60, 2)
    X, groups = pd.DataFrame(X, index=np.arange(60) + 7), pd.Series(np.arange(60) // 4, index=np.arange(60) + 7)
    for labels in (y, np.column_stack([y + 1, 2 - y])):
        model = fastlr.train(X, labels, backend="numpy")
        right = model.covariance(("cluster", groups))
        for kind in (groups[::-1], (groups.to_numpy(), groups[::-1])):
            with pytest.raises(ValueError, match="groups has the index of X in another order: row 0 is 7 in X, and 66 in groups"):
                model.covariance(("cluster", kind))
        np.testing.assert_array_equal(model.covariance(("cluster", groups.reset_index(drop=True))), right)


@pytest.mark.parametrize("K", [2, 3])
def test_clusters_by_numpy_alone(K, monkeypatch):
    X, y, s, offset = problem(300, 4)[0], np.arange(300) * 7 % 11 % K, np.arange(300.0) % 3, np.linspace(-1, 1, 300)
    groups = np.arange(300) % 13, np.arange(300) % 7
    model = fastlr.train(X + 5.0, y, sample_weight=s, offset=offset if K == 2 else None, backend="numpy")
    by_scipy = model.covariance(("cluster", groups))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert_agree(model.covariance(("cluster", groups)), by_scipy, rtol=1e-12)


@pytest.mark.parametrize("K", [2, 3])
def test_parts_without_a_row_that_counts(K, tmp_path):
    X, y, groups = problem(3000, 4)[0], np.arange(3000) * 7 % 11 % K, np.arange(3000) % 13
    s = np.repeat([0.0, 1.0], 1500)
    in_memory, stream = (fastlr.train(rows_of(kind, X, tmp_path), y, sample_weight=s, tol=1e-12, backend="numpy")
                         for kind in ("dense", "stream"))
    assert_agree(stream.covariance(("cluster", groups)), in_memory.covariance(("cluster", groups)))


def test_rows_that_are_groups_are_hc0_of_probability_weights():
    X, y, s, *_ = data_set("fair")
    model, m = fastlr.train(X, y, sample_weight=s, tol=1e-12, backend="numpy"), len(y)
    a, Z = model.predict_proba(X)[:, 1], np.column_stack([X, np.ones(m)])
    S, V, N = Z * (s * (a - y))[:, None], model.covariance(), s.sum()
    assert_agree(model.covariance(("cluster", np.arange(m))), m / (m - 1) * (N - 1) / (N - Z.shape[1]) * (V @ S.T @ S @ V))


def test_backends(backend):
    X, y, s, groups, _ = data_set("cancer")
    own, numpy = (fastlr.train(X, y, sample_weight=s, tol=1e-12, backend=name) for name in (backend, "numpy"))
    for kind in (*KINDS, ("cluster", groups)):
        assert_agree(own.covariance(kind), numpy.covariance(kind))


def test_summary_says_which():
    X, y, _, groups, _ = data_set("spector")
    model = fastlr.train(X, y, backend="numpy")
    table = model.summary(covariance=("cluster", groups), level=0.99)
    for text in (str(table), table._repr_html_()):
        assert f"clustered, by {np.unique(groups).size} groups" in text and "99 % from" in text
    assert "99 % from" in table.to_frame() and table.to_dict()["level"] == 0.99
    assert "standard errors" not in str(model.summary())
    assert model.summary().deviance == table.deviance


def test_where_there_is_none(recwarn):
    X, y, *_ = problem(100, 3)
    weighted = fastlr.train(X, y, class_weight="balanced", backend="numpy")
    assert np.isnan(weighted.covariance("HC0")).all() and "none: HC0 needs the model's" in str(weighted.summary("HC0"))
    rng = np.random.default_rng(0)
    model, kind = fastlr.train(X, y, backend="numpy"), ("cluster", (rng.integers(0, 3, 100), rng.integers(0, 3, 100)))
    two = model.summary(kind)
    assert np.isnan(two.standard_error).any() and "the variance is below 0" in str(two)
    for method in (functools.partial(model.intervals, X), model.marginal_effects):
        with pytest.raises(ValueError, match=r"nothing computed from them has one: clustered, by .* the variance is below 0$"):
            method(covariance=kind)
    assert not recwarn


def test_as_many_parameters_as_examples():
    model = fastlr.train([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0, 1, 1], firth=True, backend="numpy")
    assert np.isfinite(model.covariance("HC0")).all()
    for kind in ("HC1", "HC3", ("cluster", [0, 1, 2])):
        with pytest.raises(ValueError, match=r"covariance='.*' needs more examples than parameters, and there are 3 and 3; take"):
            model.covariance(kind)


@pytest.mark.parametrize("form", [np.asarray, csr_array])
@pytest.mark.parametrize("kind", ["HC0", "HC3", ("cluster", np.arange(300) % 11)])
def test_collinear_columns(kind, form):
    """All levels of a factor are left open; the other columns have what they have without one of the levels."""
    X, y, *_ = problem(300, 2)
    levels = np.arange(300)[:, None] % 3 == np.arange(3)
    all_of_them, right = (fastlr.train(form(np.column_stack([X, some])), y, tol=1e-12, backend="numpy").covariance(kind)
                          for some in (levels, levels[:, 1:]))
    assert_agree(all_of_them[:2, :2], right[:2, :2], rtol=1e-7)
    assert np.isnan(all_of_them[2:]).all() and np.isnan(all_of_them[:, 2:]).all()


def test_it_is_not_what_the_model_keeps():
    X, y, *_ = problem(100, 3)
    model = fastlr.train(X, y, backend="numpy")
    model.covariance()[:] = 0.0
    assert model.covariance().any()
    again = pickle.loads(pickle.dumps(model))
    assert (again.covariance() == model.covariance()).all() and again.summary(level=0.5).level == 0.5
    with pytest.raises(ValueError, match=r"without the training data, which covariance='HC0' reads; train with fastlr\.train"):
        again.covariance("HC0")
    assert (copy.copy(model).covariance("HC0") == model.covariance("HC0")).all()


@pytest.mark.parametrize(("kind", "what"), [
    ("HC4", r"^covariance must be 'model', 'HC0', .* or \('cluster', groups\), not 'HC4'"),
    (("cluster",), "covariance must be"),
    (("cluster", np.zeros(100)), "groups are all the same"),
    (("cluster", np.zeros(99)), "groups has 99 values, and X has 100 rows"),
    (("cluster", [1.0] * 99 + [np.nan]), r"groups has 1 missing value\(s\); the first is at row 99"),
    (("cluster", ["a"] * 99 + [None]), "the first is at row 99"),
    (("cluster", np.array(["a", 1] * 50, object)), "groups mixes values"),
    (("cluster", "x3"), "groups is 'x3', which is not a column of X: 'x0', 'x1', 'x2'; pass the groups as a vector"),
    (("cluster", (1, 2, 3)), "not a tuple of 3"),
])
def test_refusals(kind, what):
    X, y, *_ = problem(100, 3)
    with pytest.raises(ValueError, match=what):
        fastlr.train(X, y, backend="numpy").covariance(kind)


@pytest.mark.parametrize("kind", ["HC0", "HC3", ("cluster", np.arange(100) % 7)])
def test_changed_data_are_noticed(kind):
    X, y, *_ = problem(100, 3)
    model = fastlr.train(X, y, backend="numpy")
    model.summary()
    X[0] += 1.0
    with pytest.raises(ValueError, match=r"the data have changed since training: the sum of the losses was .*Train again"):
        model.covariance(kind)


def test_a_penalty_is_refused():
    X, y, *_ = problem(100, 3)
    with pytest.raises(ValueError, match=r"^covariance='HC1' .* l2 is 0.1; train with l2=0, or take covariance='model'"):
        fastlr.train(X, y, l2=0.1, backend="numpy").summary("HC1")


@pytest.mark.parametrize("level", [0.0, 1.0, 95, "a"])
def test_levels(level):
    X, y, *_ = problem(100, 3)
    with pytest.raises((ValueError, TypeError), match="level must be"):
        fastlr.train(X, y, backend="numpy").summary(level=level)


def test_each_is_one_more_read_beyond_two_for_the_summary(tmp_path, monkeypatch):
    """Reads of a stream's blocks."""
    from fastlr.data.stream.blocks import Stream

    X, y, *_ = problem(3000, 4)
    model = fastlr.train(rows_of("stream", X, tmp_path), y, backend="numpy")
    reads, blocks = [], Stream.blocks
    monkeypatch.setattr(Stream, "blocks", lambda self: reads.append(1) or blocks(self))
    model.summary()
    assert len(reads) <= 4                  # with a sample and, for the pivot, one row
    for call in (*(functools.partial(model.covariance, kind) for kind in (*KINDS, ("cluster", np.arange(3000) % 9))),
                 functools.partial(model.marginal_effects, discrete=()), model.leverages, model.cooks_distances):
        reads.clear()
        call()
        assert len(reads) == 1
    for call in (model.covariance, functools.partial(model.intervals, X), functools.partial(model.contrast, np.eye(4))):
        call()
    assert len(reads) == 1                  # that of the last one


def test_counts_of_trials():
    """Rows of counts as groups have the scores of statsmodels' binomial model of these rows."""
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 3))
    counts = rng.integers(1, 9, (80, 2)).astype(float)
    result = sm.GLM(counts, np.column_stack([X, np.ones(80)]), family=sm.families.Binomial()).fit(tol=1e-14)
    model, N = fastlr.train(X, counts, tol=1e-12, backend="numpy"), counts.sum()
    scores = result.model.score_obs(result.params)
    V = result.cov_params()
    assert_agree(model.covariance(), V)
    assert_agree(model.covariance(("cluster", np.arange(80))), 80 / 79 * (N - 1) / (N - 4) * (V @ (scores.T @ scores) @ V))


@pytest.mark.parametrize("K", [2, 3])
def test_a_leverage_of_one_trial_above_one(K):
    """With weight 0 the row doesn't count; with a small weight HC2 and HC3 have no value, and say why."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    y = np.argmax(X[:, :K] + rng.gumbel(size=(60, K)), axis=1)
    twice = np.full(60, 2.0)
    model = fastlr.train(X, y, sample_weight=twice, backend="numpy")
    far = 20.0 * np.linalg.svd(np.atleast_2d(model.w))[2][-1]           # where no class is far more probable than the others
    without, light = (fastlr.train(np.vstack([X, far]), np.append(y, 1), sample_weight=np.append(twice, s), backend="numpy")
                      for s in (0.0, 0.01))
    for kind in KINDS:
        assert_agree(without.covariance(kind), model.covariance(kind), 1e-6)
    assert np.isfinite(light.covariance("HC1")).all()
    for kind in ("HC2", "HC3"):
        table = light.summary(covariance=kind)
        assert np.isnan(table.standard_error).all()
        assert table.head["standard errors"].startswith(f"none: {kind} divides by 1 - h, and the leverage h of one trial is ")


def test_a_row_that_alone_determines_a_parameter():
    """Its leverage is 1, which Firth's penalty allows."""
    X, y, *_ = problem(60, 2)
    model = fastlr.train(np.column_stack([X, np.arange(60) == 7]), y, firth=True, backend="numpy")
    assert np.isfinite(model.covariance("HC0")).all()
    assert np.isnan(model.covariance("HC3")).all()
