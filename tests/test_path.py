"""fastlr.path: the grid, the early end, cross-validation, files and pictures."""

import math

import numpy as np
import pytest
import scipy.sparse

import fastlr
from fastlr.inference.scores import auc
from fastlr.problem.problem import Problem

pytestmark = pytest.mark.slow

CHOSEN = 4


def table(m=150, n=30, seed=0):
    """Rows whose label depends on the first columns."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, (X[:, :CHOSEN] @ [2.0, -2.0, 1.0, -1.0] + rng.logistic(size=m) > 0.3).astype(int)


@pytest.fixture(scope="module")
def with_folds():
    X, y = table()
    return fastlr.path(X, y, lambdas=12, folds=5, backend="numpy")


@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_models_are_those_of_train(l1_ratio):
    X, y = table()
    path = fastlr.path(X, y, l1_ratio=l1_ratio, lambdas=8, smallest=0.01, backend="numpy", tol=1e-9)
    assert len(path) == 8 and path.w.shape == (8, 30) and path.b.shape == (8,)
    for lambda_, model in zip(path.lambdas, path, strict=True):
        alone = fastlr.train(X, y, l1=lambda_ * l1_ratio, l2=lambda_ * (1.0 - l1_ratio), backend="numpy", tol=1e-9)
        np.testing.assert_allclose(model.w, alone.w, atol=1e-7)
        assert model.converged and model.cost == pytest.approx(alone.cost) and model.gap <= 1e-9 * model.cost


def test_the_grid_is_glmnets():
    X, y = table()
    path = fastlr.path(X, y, lambdas=10, smallest=1e-3, backend="numpy")
    largest = np.max(np.abs(X.T @ (y - y.mean()))) / 150
    np.testing.assert_allclose(path.lambdas, largest * 1e-3 ** (np.arange(10) / 9))
    assert path.n_nonzero[0] == 0 and path.n_nonzero[1] > 0
    assert (np.diff(path.deviance_explained) > 0.0).all() and path.deviance_explained[0] == pytest.approx(0.0)
    wide = fastlr.path(X.T[:20], y[:20], lambdas=4, backend="numpy")
    assert wide.lambdas[-1] == pytest.approx(0.01 * wide.lambdas[0])


def test_the_deviance_explained():
    X, y = table()
    path = fastlr.path(X, y, lambdas=10, backend="numpy")
    for model, explained in zip(path, path.deviance_explained, strict=True):
        assert explained == pytest.approx(model.summary().pseudo_r2)


def test_a_separable_table_ends_its_path_early():
    X, y = table(40, 60)
    path = fastlr.path(X, y, backend="numpy", smallest=1e-6)
    assert len(path) < 100 and path.deviance_explained[-1] > 0.999 >= path.deviance_explained[-2]
    assert all(model.converged for model in path)


def test_penalties_that_are_given_are_all_kept_in_falling_order():
    X, y = table()
    path = fastlr.path(X, y, lambdas=[0.01, 0.1, 1.0, 1e-7], backend="numpy")
    np.testing.assert_array_equal(path.lambdas, [1.0, 0.1, 0.01, 1e-7])
    assert path.n_nonzero[0] == 0 and path.n_nonzero[-1] == 30


def test_factors_offset_and_weights():
    X, y = table()
    factors, offset, s = np.ones(30), np.linspace(-1.0, 1.0, 150), np.arange(150) % 3 + 0.5
    factors[[5, 6]] = 0.0, np.inf
    path = fastlr.path(X, y, lambdas=6, penalty_factors=factors, offset=offset, sample_weight=s, backend="numpy", tol=1e-9)
    assert path.w[0, 5] != 0.0 and path.n_nonzero[0] == 1 and not path.w[:, 6].any() and path.deviance_explained[0] > 0.0
    alone = fastlr.train(X, y, l1=path.lambdas[3], penalty_factors=factors, offset=offset, sample_weight=s, backend="numpy")
    np.testing.assert_allclose(path.w[3], alone.w, atol=1e-6)


def test_a_small_set_is_done_before_all_columns_are_read_again(monkeypatch):
    reads, evaluate = [], Problem.evaluate

    def noted(problem, *arguments, **named):
        reads.append(problem.data.shape[1])
        return evaluate(problem, *arguments, **named)

    monkeypatch.setattr(Problem, "evaluate", noted)
    X, y = table(60, 1000)
    path = fastlr.path(X, y, lambdas=20, smallest=1e-3, backend="numpy")
    assert len(path) == 20 and all(model.converged for model in path) and reads.count(1000) <= 1.4 * len(path)


def test_ridge_paths():
    X, y = table()
    path = fastlr.path(X, y, l1_ratio=0.0, lambdas=5, backend="numpy")
    assert (path.n_nonzero == 30).all() and path[-1].converged
    np.testing.assert_allclose(path.w[-1], fastlr.train(X, y, l2=path.lambdas[-1], backend="numpy").w, atol=1e-5)


def test_a_ridge_that_leaves_out_what_separates_has_no_standard_errors():
    X, y = table()
    X[:, 0] = np.where(y == 1, 1.0, -1.0) * (1.0 + np.abs(X[:, 0]))
    with pytest.warns(fastlr.SeparationWarning):
        path = fastlr.path(X, y, l1_ratio=0.0, lambdas=[0.1], penalty_factors=np.arange(30) > 0, backend="numpy")
    assert "the likelihood has no maximum" in str(path[0].summary()) and np.isnan(path[0].summary().standard_error).all()


def test_sparse_is_dense():
    X, y = table()
    X[np.abs(X) < 0.7] = 0.0
    dense, sparse = (fastlr.path(A, y, lambdas=6, folds=3, backend="numpy") for A in (X, scipy.sparse.csr_matrix(X)))
    np.testing.assert_allclose(sparse.w, dense.w, atol=1e-6)
    np.testing.assert_allclose(sparse.score_mean, dense.score_mean, rtol=1e-6)


def test_places_and_penalties(with_folds):
    path = with_folds
    assert path[-1] is path.models[-1] and len(list(path)) == len(path)
    assert path.at(path.lambdas[3]) is path[3] and path.at(math.sqrt(path.lambdas[3] * path.lambdas[4]) * 1.01) is path[3]
    with pytest.raises(ValueError, match="lambda_ is 1e-09, and the path goes from"):
        path.at(1e-9)
    assert repr(path).startswith(f"<fastlr.Path: {len(path)} penalties from ")


# ---- cross-validation -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("score", ["deviance", "accuracy", "auc"])
def test_scores_are_those_of_models_of_the_other_rows(score):
    metrics = pytest.importorskip("sklearn.metrics")
    of_probabilities = {"deviance": lambda y, p, sample_weight: 2.0 * metrics.log_loss(y, p, sample_weight=sample_weight),
                        "accuracy": lambda y, p, sample_weight: metrics.accuracy_score(y, p > 0.5, sample_weight=sample_weight),
                        "auc": metrics.roc_auc_score}[score]
    X, y = table()
    s, offset = np.arange(150) % 4 + 0.5, np.linspace(-1.0, 1.0, 150)
    folds = [(np.flatnonzero(np.arange(150) % 3 != k), np.flatnonzero(np.arange(150) % 3 == k)) for k in range(3)]
    path = fastlr.path(X, y, lambdas=[0.05, 0.01], folds=folds, score=score, sample_weight=s, offset=offset, backend="numpy",
                       tol=1e-9)
    for k, (train, test) in enumerate(folds):
        for i, lambda_ in enumerate(path.lambdas):
            model = fastlr.train(X[train], y[train], l1=lambda_, sample_weight=s[train], offset=offset[train], backend="numpy")
            given = y[test], model.predict_proba(X[test], offset[test])[:, 1]
            expected = of_probabilities(*given, sample_weight=s[test])
            assert path.scores.of_folds[k, i] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(path.score_se, path.scores.of_folds.std(axis=0, ddof=1) / math.sqrt(3))


def test_the_best_penalties(with_folds):
    path = with_folds
    mean, error = path.score_mean, path.score_se
    assert mean[path.best] == mean.min() and path.best_1se <= path.best
    assert mean[path.best_1se] <= mean[path.best] + error[path.best] < mean[path.best_1se - 1]
    assert set(range(CHOSEN)) <= set(np.flatnonzero(path[path.best].w))


def test_a_seed_deals_rows_to_folds_of_both_classes(with_folds):
    X, y = table()
    same, other = (fastlr.path(X, y, lambdas=with_folds.lambdas[:10], folds=5, seed=seed, backend="numpy") for seed in (0, 1))
    np.testing.assert_array_equal(same.score_mean, with_folds.score_mean[:10])
    assert (other.score_mean != same.score_mean).any()


def test_splitters_of_scikit_learn():
    selection = pytest.importorskip("sklearn.model_selection")
    X, y = table()
    splitter = selection.StratifiedKFold(4)
    path, same = (fastlr.path(X, y, lambdas=[0.01], folds=folds, backend="numpy") for folds in (splitter, splitter.split(X, y)))
    np.testing.assert_array_equal(path.scores.of_folds, same.scores.of_folds)
    groups = selection.GroupKFold(3).split(X, y, np.arange(150) % 7)
    assert fastlr.path(X, y, lambdas=[0.01], folds=groups, backend="numpy").scores.of_folds.shape == (3, 1)
    with pytest.raises(ValueError, match=r"^folds=GroupKFold\(.* can't split the examples: .*  Pass its pairs \(train, test\)"):
        fastlr.path(X, y, folds=selection.GroupKFold(3), backend="numpy")


def test_a_single_fold(tmp_path):
    selection = pytest.importorskip("sklearn.model_selection")
    X, y = table()
    splitter = selection.ShuffleSplit(1, random_state=0)
    path = fastlr.path(X, y, lambdas=3, folds=splitter, backend="numpy")
    (train, test), = splitter.split(X)
    for lambda_, score in zip(path.lambdas, path.score_mean, strict=True):
        p = fastlr.train(X[train], y[train], l1=lambda_, backend="numpy").predict_proba(X[test])[np.arange(test.size), y[test]]
        assert score == pytest.approx(-2.0 * np.log(p).mean(), abs=1e-5)
    assert path.best == np.argmin(path.score_mean) and np.isnan(path.score_se).all()
    with pytest.raises(ValueError, match="best_1se needs a standard error, and there is a single fold"):
        _ = path.best_1se
    ax = pytest.importorskip("matplotlib.figure").Figure().add_subplot()
    assert [text.get_text().split(":")[0] for text in path.plot_scores(ax).get_legend().get_texts()] == ["best"]
    path.save(tmp_path / "path.json")
    assert np.isnan(fastlr.Path.load(tmp_path / "path.json").score_se).all()
    with pytest.raises(ValueError, match=r"folds must hold one pair \(train, test\) at least"):
        fastlr.path(X, y, folds=[], backend="numpy")


def test_counts_of_trials_stay_in_one_fold():
    X, y = table(40, 5)
    counts = np.column_stack([y + 1, 2 - y])
    path = fastlr.path(X, counts, lambdas=[0.01], folds=4, backend="numpy")
    assert path.scores.of_folds.shape == (4, 1) and np.isfinite(path.scores.of_folds).all()
    selection = pytest.importorskip("sklearn.model_selection")
    assert fastlr.path(X, counts, lambdas=[0.01], folds=selection.KFold(3), backend="numpy").scores.of_folds.shape == (3, 1)
    with pytest.raises(ValueError, match=r"^folds=StratifiedKFold\(.*whose y counts trials.*  Pass the number of folds"):
        fastlr.path(X, counts, folds=selection.StratifiedKFold(3), backend="numpy")


def test_ties_count_half():
    y, z, s = np.array([0, 0, 1, 1]), np.array([0.0, 1.0, 1.0, 2.0]), np.array([1.0, 3.0, 1.0, 1.0])
    assert auc(y, z, s) == pytest.approx((1.0 + 0.5 * 3.0 + 4.0) / 8.0)


@pytest.mark.parametrize(("options", "text"), [
    ({"l1_ratio": 1.5}, "l1_ratio must be between 0 and 1, not 1.5"),
    ({"lambdas": 0}, "lambdas must be at least 1"),
    ({"lambdas": [0.1, 0.0]}, r"lambdas must be finite and above 0, and lambdas\[1\] is 0"),
    ({"smallest": 2.0}, "smallest must be a share of the first penalty, below 1, not 2.0"),
    ({"score": "loss"}, "score must be one of 'deviance', 'accuracy', 'auc', not 'loss'"),
    ({"folds": 1}, "folds must be at least 2"),
    ({"folds": 1000}, "folds must be at most"),
    ({"folds": [([0, 1], [1, 2]), ([0], [1])]}, r"folds\[0\] has example 1 on both sides"),
    ({"folds": [([0, 1], [400]), ([0], [1])]}, r"folds\[0\]\[1\] has the index 400, and there are 150 examples"),
    ({"folds": [([0, 1, 2, 1], [3])]}, r"folds\[0\]\[0\] has the index 1 more than once, .*; pass np\.unique of the indices"),
    ({"folds": [([0], [3]), ([0], [1])]}, r"folds\[0\] has examples of one class only to train"),
    ({"folds": [(range(100), []), (range(100), [100])]}, r"folds\[0\] has no example to test"),
    ({"folds": [(range(100), [100]), (range(100), [101])], "score": "auc", "lambdas": 1}, "held-out examples of one class only"),
    ({"penalty_factors": np.zeros(30)}, "no column with a penalty tells anything about y; for no penalty call train"),
    ({"penalty_factors": [0.0, np.inf] * 15}, "no column with a penalty tells anything about y; for no penalty call train"),
])
def test_what_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        fastlr.path(*table(), backend="numpy", **options)


def test_text_is_no_folds():
    with pytest.raises(TypeError, match=r"folds must be a number, a splitter, or pairs \(train, test\), not '5'"):
        fastlr.path(*table(), folds="5", backend="numpy")


@pytest.mark.parametrize(("m", "value"), [(7, 0.3), (50, 0.1), (100, 1e3)])
def test_constant_columns_have_no_path(m, value):
    """Their gradient is rounding."""
    with pytest.raises(ValueError, match="no column with a penalty tells anything about y"):
        fastlr.path(np.full((m, 2), value), np.arange(m) % 3 == 0, backend="numpy")


def test_scores_need_folds(tmp_path):
    path = fastlr.path(*table(), lambdas=2, backend="numpy")
    for what in ("score_mean", "best", "best_1se"):
        with pytest.raises(ValueError, match=f"{what} needs a cross-validation"):
            getattr(path, what)
    np.save(tmp_path / "X.npy", table()[0])
    with pytest.raises(NotImplementedError, match=r"path needs X in memory, .* or call train once for each l1 and l2"):
        fastlr.path(str(tmp_path / "X.npy"), table()[1])


# ---- K classes ------------------------------------------------------------------------------------------------------

def table_of_classes(m=120, n=12, seed=0):
    """Rows whose label, one of three texts, depends on the first three columns."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, np.array(["a", "b", "c"])[(2.0 * X[:, :3] + rng.gumbel(size=(m, 3))).argmax(axis=1)]


@pytest.fixture(scope="module")
def of_classes():
    X, y = table_of_classes()
    return fastlr.path(X, y, lambdas=10, folds=3, backend="numpy")


@pytest.mark.parametrize("l1_ratio", [1.0, 0.3, 0.0])
def test_models_of_classes_are_those_of_train(l1_ratio):
    X, y = table_of_classes()
    s, factors, offset = np.arange(120) % 3 + 0.5, np.linspace(0.5, 2.0, 12), np.sin(np.arange(360)).reshape(120, 3)
    given = {"penalty_factors": factors, "sample_weight": s, "offset": offset, "backend": "numpy", "tol": 1e-9}
    path = fastlr.path(X, y, l1_ratio=l1_ratio, lambdas=5, **given)
    assert path.w.shape == (5, 3, 12) and path.b.shape == (5, 3)
    onehot = y[:, None] == np.unique(y)
    for lambda_, model in zip(path.lambdas, path, strict=True):
        l1, l2 = lambda_ * l1_ratio, lambda_ * (1.0 - l1_ratio)
        alone = fastlr.train(X, y, l1=l1, l2=l2, **given)
        np.testing.assert_allclose(model.w, alone.w, atol=1e-7)
        np.testing.assert_allclose(model.b, alone.b, atol=1e-7)
        slope = (s[:, None] * (model.predict_proba(X, offset) - onehot)).T / s.sum()
        grad = slope @ X + l2 * factors * model.w
        off = np.where(model.w == 0.0, np.maximum(np.abs(grad) - l1 * factors, 0.0), grad + l1 * factors * np.sign(model.w))
        assert max(np.abs(off).max(), np.abs(slope.sum(axis=1)).max()) < 1e-8 and model.converged


def test_the_grid_of_classes_is_glmnets(of_classes):
    X, y = table_of_classes()
    onehot = y[:, None] == np.unique(y)
    assert of_classes.lambdas[0] == pytest.approx(np.abs(X.T @ (onehot - onehot.mean(axis=0))).max() / 120)
    np.testing.assert_allclose(of_classes.lambdas / of_classes.lambdas[0], 1e-4 ** (np.arange(len(of_classes)) / 9))
    assert of_classes.n_nonzero[0] == 0 < np.count_nonzero(of_classes.w[1])
    np.testing.assert_array_equal(of_classes.n_nonzero, [len(set(model.w.nonzero()[1])) for model in of_classes])
    for model, explained in zip(of_classes, of_classes.deviance_explained, strict=True):
        assert explained == pytest.approx(model.summary().pseudo_r2)


@pytest.mark.parametrize("score", ["deviance", "accuracy"])
def test_scores_of_classes_are_those_of_models_of_the_other_rows(score):
    X, y = table_of_classes()
    X[np.abs(X) < 0.7] = 0.0
    s, offset, place = np.arange(120) % 4 + 0.5, np.sin(np.arange(360)).reshape(120, 3), np.unique(y, return_inverse=True)[1]
    folds = [(np.flatnonzero(np.arange(120) % 3 != k), np.flatnonzero(np.arange(120) % 3 == k)) for k in range(3)]
    path, of_sparse = (fastlr.path(A, y, lambdas=[0.05, 0.01], folds=folds, score=score, sample_weight=s, offset=offset,
                                   backend="numpy", tol=1e-9) for A in (X, scipy.sparse.csr_matrix(X)))
    for k, (train, test) in enumerate(folds):
        for i, lambda_ in enumerate(path.lambdas):
            model = fastlr.train(X[train], y[train], l1=lambda_, sample_weight=s[train], offset=offset[train], backend="numpy")
            P = model.predict_proba(X[test], offset[test])
            each = {"deviance": -2.0 * np.log(P[np.arange(40), place[test]]), "accuracy": P.argmax(axis=1) == place[test]}[score]
            assert path.scores.of_folds[k, i] == pytest.approx(np.average(each, weights=s[test]), abs=1e-6)
    np.testing.assert_allclose(of_sparse.scores.of_folds, path.scores.of_folds, atol=1e-6)


def test_what_is_refused_of_classes(of_classes):
    X, y = table_of_classes()
    with pytest.raises(NotImplementedError, match="score='auc' is for two classes, and y has 3; choose 'deviance' or 'acc"):
        fastlr.path(X, y, score="auc")
    with pytest.raises(ValueError, match=r"folds\[1\] has examples of 2 of 3 classes only to train"):
        fastlr.path(X, y, folds=[(range(100), [100]), (np.flatnonzero(y != "b"), np.flatnonzero(y == "b"))])
    with pytest.raises(ValueError, match="the number of examples of the rarest class, not 60"):
        fastlr.path(X, y, folds=60)


# ---- files and pictures ---------------------------------------------------------------------------------------------

def test_a_path_of_classes_comes_back_with_every_bit(of_classes, tmp_path):
    of_classes.save(tmp_path / "path.json")
    again = fastlr.Path.load(tmp_path / "path.json")
    for name in ("lambdas", "w", "b", "n_nonzero", "deviance_explained", "gap", "score_mean", "score_se"):
        np.testing.assert_array_equal(getattr(again, name), getattr(of_classes, name))
    assert again.best == of_classes.best and again[0].classes.tolist() == ["a", "b", "c"]


def test_a_path_comes_back_with_every_bit(with_folds, tmp_path):
    with_folds[2].summary()
    with_folds.save(tmp_path / "path.json")
    again = fastlr.Path.load(tmp_path / "path.json")
    for name in ("lambdas", "w", "b", "n_nonzero", "deviance_explained", "gap", "score_mean", "score_se"):
        np.testing.assert_array_equal(getattr(again, name), getattr(with_folds, name))
    assert (again.best, again.elapsed, again.l1_ratio) == (with_folds.best, with_folds.elapsed, 1.0)
    assert again[2].summary().notes == with_folds[2].summary().notes
    with pytest.raises(ValueError, match=r"is not a model file that fastlr can read: it has no .*; fastlr\.Path\.load reads it"):
        fastlr.load(tmp_path / "path.json")
    (tmp_path / "path.json").write_text((tmp_path / "path.json").read_text().replace('"lambdas": [', '"lambdas": [3.0, '))
    with pytest.raises(ValueError, match="is not a file of a path that fastlr can read: lambdas has"):
        fastlr.Path.load(tmp_path / "path.json")


def test_pictures(with_folds):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    ax = with_folds.plot(labels=3)
    assert len(ax.texts) == 3 and ax.get_xscale() == "log" and ax.xaxis_inverted()
    assert {text.get_text() for text in ax.texts} == {f"x{j}" for j in np.argsort(-np.abs(with_folds.w[-1]))[:3]}
    ax = with_folds.plot_scores()
    assert ax.get_ylabel() == "deviance, mean over folds"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        f"{name}: {with_folds.n_nonzero[getattr(with_folds, name)]} columns" for name in ("best", "best_1se")]
    plt.close("all")


def test_pictures_of_classes(of_classes, with_folds):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    axes = of_classes.plot(labels=12)
    assert [ax.get_ylabel() for ax in axes] == [f"coefficient of class {label!r}" for label in "abc"]
    for k, ax in enumerate(axes):
        w = of_classes.w[-1, k]
        assert [text.get_text() for text in ax.texts[:2]] == [f"x{j}" for j in np.argsort(-np.abs(w))[:2]]
        assert len(ax.lines) == np.count_nonzero(of_classes.w[:, k].any(axis=0)) + 1        # and the line at 0
    colors = {(text.get_text(), text.get_color()) for ax in axes for text in ax.texts}
    assert len(colors) == len(dict(colors)) == of_classes.n_nonzero.max()                       # one color a column
    assert of_classes.plot(axes[0], class_label="b") is axes[0] and axes[0].get_ylabel() == "coefficient of class 'b'"
    for path, options, text in ((of_classes, {"class_label": "x"}, r"class_label must be one of \['a', 'b', 'c'\], not 'x'"),
                                (of_classes, {"ax": axes[:2]}, "ax must be 3 Axes, one for each class, not 2; or choose one"),
                                (with_folds, {"class_label": 1}, "class_label is for three classes or more")):
        with pytest.raises(ValueError, match=text):
            path.plot(**options)
    plt.close("all")
