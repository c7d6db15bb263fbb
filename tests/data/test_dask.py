"""Dask collections: the answer in memory for any chunking, errors with their place, killed workers."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import fastlr
from fastlr.data import door, passes
from fastlr.machine.limits import processors
from fastlr.problem.problem import Problem
from tests.problems import weights

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

from fastlr.data import cluster  # noqa: E402  (needs dask)
from fastlr.data.trials import Vectors  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("samples_of_few_rows")]
M, N = 3000, 30                 # too large, with that, for all steps in one compiled call, which only data in memory have
NAMES = [f"f{j}" for j in range(N)]
_random = np.random.default_rng(0)
X = _random.standard_normal((M, N))
Y = (X @ (_random.standard_normal(N) / 3) + _random.logistic(size=M) > 0.5).astype(np.int64)
WEIGHT, OFFSET = weights(M)


@pytest.fixture(autouse=True)
def scheduler():
    with dask.config.set(scheduler="synchronous"):
        yield


def theta(model):
    return np.append(model.w, model.b)


def assert_same(found, right, tolerance=1e-10):
    assert np.abs(theta(found) - theta(right)).max() <= tolerance * np.abs(theta(right)).max()
    assert abs(found.cost - right.cost) <= tolerance * abs(right.cost)
    assert (found.n_iter, found.solver, found.converged) == (right.n_iter, right.solver, right.converged)
    assert found.classes.tolist() == right.classes.tolist()


# ---- the same answer ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("kernel", "chunks", "options"), [
    ("numpy", (M, N), {}), ("numpy", (M // 2, N), {"solver": "newton"}), ("fused", (1000, 7), {}),
    ("numpy", (700, N), {"solver": "lbfgs"}), ("fused", (1000, 7), {"solver": "gd", "max_iter": 30, "tol": 0}),
    ("numpy", ((1, 0, 1700, 0, 1299), 11), {}), ("fused", ((1, 0, 1700, 0, 1299), 11), {"learning_rate": 0.5, "max_iter": 10}),
], ids=str)
def test_any_chunking(kernel, chunks, options):
    found = fastlr.train(da.from_array(X, chunks=chunks), da.from_array(Y, chunks=500), backend=kernel, **options)
    assert_same(found, fastlr.train(X, Y, backend=kernel, **options))
    assert found.backend == kernel


def test_every_backend(backend):
    options = {"backend": backend, "learning_rate": 0.5, "max_iter": 2}
    assert_same(fastlr.train(da.from_array(X, chunks=(1300, N)), Y, **options), fastlr.train(X, Y, **options))


OPTIONS = {
    "weights without a unit": {"sample_weight": 1e12 * WEIGHT, "reduction": "sum"},
    "weights and offset": {"sample_weight": WEIGHT, "offset": OFFSET},
    "balanced": {"class_weight": "balanced"},
    "class weights": {"class_weight": {0: 0.5, 1: 2.0}, "sample_weight": WEIGHT},
    "no intercept": {"fit_intercept": False, "l2": 0.1},
    "sum": {"l2": 3.0, "reduction": "sum"},
    "start": {"init": (np.full(N, 0.1), -0.3)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_what_train_is_told(options):
    right = fastlr.train(X, Y, backend="numpy", **options)
    cut = {name: da.from_array(options[name], chunks=271) for name in {"sample_weight", "offset"} & options.keys()}
    for each in (options, options | cut)[:2 if cut else 1]:
        assert_same(fastlr.train(da.from_array(X, chunks=(700, N)), Y, backend="numpy", **each), right)


KINDS = {
    "float32": X.astype(np.float32),
    "Fortran": np.asfortranarray(X),
    "uint8": np.clip(np.rint(20.0 * X + 100.0), 0, 255).astype(np.uint8),
    "int64": np.rint(10.0 * X).astype(np.int64),
    "bool": X > 0.0,
    "big-endian": X.astype(">f8"),
    "objects": X[:600].astype(object),
}


@pytest.mark.parametrize("A", KINDS.values(), ids=KINDS)
def test_kinds_of_numbers(A):
    right = fastlr.train(A, Y[:len(A)], backend="numpy", solver="newton")
    found = fastlr.train(da.from_array(A, chunks=(700, N), asarray=False), Y[:len(A)], backend="numpy", solver="newton")
    assert np.abs(theta(found) - theta(right)).max() <= 1e-10 * np.abs(theta(right)).max()


LABELS = {
    "text": np.where(Y, "yes", "no"),
    "texts of two lengths": np.where(Y, "b", "bb"),
    "floats": np.where(Y, 1.5, -2.0),
    "booleans": Y.astype(bool),
    "objects": np.where(Y, "yes", "no").astype(object),
    "one column": Y[:, None],
}


@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS)
def test_labels(y):
    right = fastlr.train(X, y, backend="numpy")
    for each in (y, da.from_array(y, chunks=250)):
        assert_same(fastlr.train(da.from_array(X, chunks=(1000, N)), each, backend="numpy"), right)


def test_parts_of_one_class_and_of_no_weight():
    order = np.argsort(Y, kind="stable")
    weight = np.repeat([0.0, 1.0, 2.0, 0.0, 1.0, 1.0], M // 6)
    right = fastlr.train(X[order], Y[order], sample_weight=weight, class_weight="balanced", backend="numpy")
    found = fastlr.train(da.from_array(X[order], chunks=(M // 6, N)), da.from_array(Y[order], chunks=M // 6),
                         sample_weight=weight, class_weight="balanced", backend="numpy")
    assert_same(found, right)


@pytest.mark.filterwarnings("error")
def test_separated_classes():
    y = X[:, 0] > 0.0
    with pytest.warns(fastlr.SeparationWarning, match="separates the classes"):
        found = fastlr.train(da.from_array(X, chunks=(400, N)), y, backend="numpy")
    assert not found.converged


def frame(**more):
    return pd.DataFrame(X, columns=NAMES).assign(is_large=X[:, 1] > 0.3, count=np.rint(X[:, 2] ** 2).astype(int), **more)


@pytest.mark.parametrize("persisted", [False, True])
def test_data_frames(persisted):
    whole = frame(y=np.where(Y, "yes", "no"), weight=WEIGHT)
    parts = dd.from_pandas(whole, npartitions=7, sort=False)
    parts = parts.persist() if persisted else parts
    names = [*NAMES, "is_large", "count"]
    found = fastlr.train(parts[names], parts["y"], sample_weight=parts["weight"], backend="numpy")
    assert_same(found, fastlr.train(whole[names], whole["y"], sample_weight=WEIGHT, backend="numpy"))
    assert found.feature_names == tuple(names)
    assert_same(fastlr.train(parts[names], da.from_array(Y, chunks=400), backend="numpy"),
                fastlr.train(whole[names], Y, backend="numpy"))


def test_sizes_that_dask_does_not_know():
    known = da.from_array(X, chunks=(700, N))
    some = known[known[:, 0] > -0.5]
    keep = X[:, 0] > -0.5
    right = fastlr.train(X[keep], Y[keep], offset=OFFSET[keep], backend="numpy")
    same_parts = da.from_array(Y, chunks=700)[known[:, 0] > -0.5]
    other_parts = da.from_array(Y, chunks=900)[da.from_array(X[:, 0], chunks=900) > -0.5]
    for y in (same_parts, other_parts, Y[keep]):
        assert_same(fastlr.train(some, y, offset=OFFSET[keep], backend="numpy"), right)
    assert np.isnan(some.shape[0])                              # the caller's collections are as they were
    assert np.isnan(other_parts.shape[0])


def test_cost_and_gradient():
    w, b = np.full(N, 0.2), 0.1
    options = {"sample_weight": WEIGHT, "offset": OFFSET, "l2": 0.3, "backend": "numpy"}
    found = fastlr.cost_and_gradient(da.from_array(X, chunks=(900, N)), da.from_array(Y, chunks=100), w, b, **options)
    for value, right in zip(found, fastlr.cost_and_gradient(X, Y, w, b, **options), strict=True):
        np.testing.assert_allclose(value, right, rtol=1e-12, atol=1e-15)
    ones = fastlr.cost_and_gradient(da.from_array(X, chunks=(900, N)), np.ones(M), w, b, backend="numpy")
    np.testing.assert_allclose(ones[0], fastlr.cost_and_gradient(X, np.ones(M), w, b, backend="numpy")[0], rtol=1e-12)


def test_conjugate_gradients(monkeypatch, threshold):
    """Where a Hessian would be too large."""
    threshold("side", 0)
    monkeypatch.setattr(Problem, "hessian", None)
    options = {"backend": "numpy", "solver": "newton", "l2": 0.01, "sample_weight": WEIGHT}
    assert_same(fastlr.train(da.from_array(X, chunks=(700, N)), Y, **options), fastlr.train(X, Y, **options))


def test_samples_are_those_of_the_whole():
    weight = np.tile([0.0, 1.0, 2.0, 1.0], M // 4)
    data, whole = (door.data(A, Y, weight, None, OFFSET) for A in (da.from_array(X, chunks=(170, 7)), X))
    for sizes in ([2], [3, 100, 1500]):
        for found, right in zip(data.samples(sizes), whole.samples(sizes), strict=True):
            for a, b in zip(found.rows, right.rows, strict=True):
                assert a.dtype == b.dtype
                assert np.array_equal(a, b)


# ---- what else a model can do ---------------------------------------------------------------------------------------

def test_the_bits_depend_on_no_scheduler():
    """Twenty parts: a tree of three levels."""
    parts = da.from_array(X[:, :5], chunks=(150, 5))
    models = []
    for setting in ({"scheduler": "synchronous"}, {"scheduler": "threads", "num_workers": 2}):
        with dask.config.set(**setting):
            models += [fastlr.train(parts, Y, backend=backend, solver="newton", max_iter=2, tol=0.0)
                       for backend in ("numpy", "fused")]
    for model, right in zip(models, models[:2] * 2, strict=True):
        assert theta(model).tobytes() == theta(right).tobytes()


def test_summary_until_it_is_pickled():
    model = fastlr.train(da.from_array(X, chunks=(800, N)), Y, backend="numpy", sample_weight=4.0 * WEIGHT)
    with pytest.raises(ValueError, match="without the training data"):
        pickle.loads(pickle.dumps(model)).summary()
    found = model.summary()
    right = fastlr.train(X, Y, backend="numpy", sample_weight=4.0 * WEIGHT).summary()
    np.testing.assert_allclose(found.covariance, right.covariance, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.null_log_likelihood, right.null_log_likelihood, rtol=1e-10)
    assert pickle.loads(pickle.dumps(model)).summary().aic == found.aic


def test_callback_and_warm_start():
    seen = []
    parts = da.from_array(X, chunks=(800, N))
    model = fastlr.train(parts, Y, backend="numpy", callback=lambda state: seen.append(state.n_iter) or state.n_iter == 2)
    assert seen == [1, 2]
    assert model.stop_reason == "the callback asked to stop"
    best = fastlr.train(parts, Y, backend="numpy")
    assert fastlr.train(parts, Y, backend="numpy", init=best).n_iter == 0


@pytest.mark.parametrize("name", ["decision_function", "predict_proba", "predict"])
def test_predictions_are_dask_arrays(name):
    y = np.where(Y, "yes", "no")
    model = fastlr.train(X, y, backend="numpy", offset=OFFSET)
    predict = getattr(model, name)
    for offset in (OFFSET, da.from_array(OFFSET, chunks=99)):
        found = predict(da.from_array(X, chunks=((1000, 0, 2000), 7)), offset)
        assert isinstance(found, da.Array)
        right = predict(X, OFFSET)
        assert (found.shape, found.dtype) == (right.shape, right.dtype)
        if name == "predict":
            assert np.array_equal(found.compute(), right)
        else:                                       # short parts are NumPy's, and long ones compiled
            np.testing.assert_allclose(found.compute(), right, rtol=1e-12)
    with pytest.raises(ValueError, match="X has 29 features, and the model was trained on 30"):
        predict(da.from_array(X[:, 1:], chunks=1000), OFFSET)
    with pytest.raises(ValueError, match="predicting needs one too"):
        predict(da.from_array(X, chunks=1000))


def test_predictions_of_data_frames():
    whole = frame()
    model = fastlr.train(whole, Y, backend="numpy")
    parts = dd.from_pandas(whole, npartitions=4)
    np.testing.assert_allclose(model.predict_proba(parts).compute(), model.predict_proba(whole), rtol=1e-12)
    with pytest.raises(ValueError, match="in another order"):
        model.predict(parts[[*reversed(whole.columns)]]).compute()


# ---- refusals -------------------------------------------------------------------------------------------------------

def put(value, row, A=X):
    A = A.astype(object if isinstance(value, str) else A.dtype)
    A[row] = value
    return A


def cut(A, rows=700):
    return da.from_array(A, chunks=(rows, *A.shape[1:]), asarray=False)


_FRAME = pd.DataFrame(X, columns=NAMES)
_SWAPPED = [*range(1003), 1004, 1003, *range(1005, M)]

REFUSED = {
    "NaN": (lambda: fastlr.train(cut(put(np.nan, (1500, 4))), Y), ValueError,
            r"^partition 2, whose row 0 is row 1400 of the whole: X has 1 value.*nan at row 100, column 4"),
    "infinity in a frame": (
        lambda: fastlr.train(dd.from_pandas(pd.DataFrame(put(np.inf, (1500, 4)), columns=NAMES), npartitions=3), Y), ValueError,
        r"^partition 1, whose row 0 is row 1000 of .*inf at row 500, column 4 \('f4'\)"),
    "the index in another order": (
        lambda: fastlr.train(dd.from_pandas(_FRAME, npartitions=3, sort=False),
                             dd.from_pandas(_FRAME["f0"].iloc[_SWAPPED] > 0.0, npartitions=3, sort=False)), ValueError,
        r"^partition 1, whose row 0 is row 1000 of .*y has the index of X in another order: row 3 is 1003 in X, and 1004 in y"),
    "text": (lambda: fastlr.train(cut(put("many", (800, 1))), Y), ValueError,
             r"^partition 1, whose row 0 is row 700 of the whole: X holds 'many' at row 100, column 1, which is not a number"),
    "label": (lambda: fastlr.train(cut(X), cut(put(np.nan, 2999, Y.astype(float)))), ValueError,
              r"^partition 4, whose row 0 is row 2800 of the whole: y has 1 missing or infinite.*nan at row 199"),
    "weight": (lambda: fastlr.train(cut(X), Y, sample_weight=cut(put(-1.0, 701, WEIGHT), 100)), ValueError,
               r"^partition 1, whose row 0 is row 700 of the whole: sample_weight must be .*-1\.0 at row 1$"),
    "offset": (lambda: fastlr.train(cut(X), Y, offset=put(np.inf, 701, OFFSET)), ValueError,
               r"^partition 1, whose row 0 is row 700 of the whole: offset must be .*inf at row 1$"),
    "0 or 1": (lambda: fastlr.cost_and_gradient(cut(X), put(2, 1401, Y), np.zeros(N), 0.0), ValueError,
               r"^partition 2, whose row 0 is row 1400 of the whole: y must be 0 or 1; it is 2 at row 1$"),
    "the first of several": (lambda: fastlr.train(cut(put(np.nan, (slice(900, 2900, 500), 4))), Y), ValueError,
                             r"^partition 1, whose .*at row 200, column 4"),
    "one class": (lambda: fastlr.train(cut(X), np.ones(M)), ValueError, r"^y has one class only, 1\.0"),
    "an offset of three classes": (lambda: fastlr.train(cut(X), np.repeat([1, 2, 3], M // 3), offset=OFFSET), NotImplementedError,
                                   r"an offset is for two classes, and y has 3; pass X"),
    "real numbers in a part": (lambda: fastlr.train(cut(X), np.linspace(-1.0, 3.0, M)), ValueError, r"^partition 0.*not whole"),
    "labels of two kinds": (
        lambda: fastlr.train(cut(X), dd.from_map(lambda k: pd.Series([["a"] * 700, [1] * 700][k % 2][:M - 700 * k]), range(5),
                                                 meta=pd.Series([], dtype=object))),
        ValueError, r"^y mixes labels that can't be sorted"),
    "text beside numbers": (
        lambda: fastlr.train(cut(X), cut(Y).map_blocks(lambda y, block_id: y.astype(str) if block_id[0] else y, dtype=object)),
        ValueError, r"^y mixes labels that can't be sorted"),
    "no weight": (lambda: fastlr.train(cut(X), Y, sample_weight=np.zeros(M)), ValueError, r"^sample_weight is zero in every row"),
    "a class without weight": (lambda: fastlr.train(cut(X), Y, sample_weight=Y), ValueError, r"^every row of class 0 has"),
    "weights too large": (lambda: fastlr.train(cut(X), Y, sample_weight=np.full(M, 1e120)), ValueError, r"adds up to 3e\+123"),
    "weights too large, as given": (
        lambda: fastlr.cost_and_gradient(cut(X), Y, np.zeros(N), 0.0, sample_weight=np.full(M, 1e120)), ValueError,
        r"adds up to 3e\+123"),
    "class_weight": (lambda: fastlr.train(cut(X), Y, class_weight={2: 1.0}), ValueError, r"^class_weight names 2.*are \[0, 1\]"),
    "rows of y": (lambda: fastlr.train(cut(X), cut(Y[1:])), ValueError, r"^y has 2999 values, and X has 3000 rows"),
    "rows of weights": (lambda: fastlr.train(cut(X), Y, sample_weight=np.ones(5)), ValueError,
                        r"^sample_weight has 5 values, and X has 3000 rows"),
    "rows that Dask doesn't know": (
        lambda: fastlr.train(cut(X)[cut(X)[:, 0] > 0], cut(Y)[cut(X)[:, 1] > 0]), ValueError,
        r"^partition 0, .*: y has \d+ values, and X has \d+ rows"),
    "rows of an empty part": (
        lambda: fastlr.train(cut(X)[cut(np.arange(M)) >= 700], cut(Y)[cut(X)[:, 1] > 0]), ValueError,
        r"^partition 0, .*: y has \d+ values, and X has 0 rows"),
    "one dimension": (lambda: fastlr.train(cut(X[:, 0]), Y), ValueError, r"^X must have two dimensions.*\(3000,\)"),
    "no rows": (lambda: fastlr.train(cut(X)[:0], Y[:0]), ValueError, r"^X is empty: it has shape \(0, 30\)"),
    "no rows after all": (lambda: fastlr.train(cut(X)[cut(X)[:, 0] > 99], Y[:0]), ValueError, r"^X is empty: it has shape \(0"),
    "no columns": (lambda: fastlr.train(cut(X)[:, :0], Y), ValueError, r"^X is empty: it has shape \(\d+, 0\)"),
    "a series": (lambda: fastlr.train(dd.from_pandas(pd.Series(X[:, 0]), npartitions=2), Y), TypeError,
                 r"^X is a Dask Series; pass a Dask array of two dimensions, or"),
    "delayed": (lambda: fastlr.train(dask.delayed(X), Y), TypeError, r"^X is a Dask Delayed.*; pass a Dask array"),
    "delayed y": (lambda: fastlr.train(cut(X), dask.delayed(Y)), TypeError, r"^y is a Dask Delayed.*; pass a Dask array, or"),
    "no y": (lambda: fastlr.train(cut(X), None), ValueError, r"^y must have one dimension"),
    "y alone": (lambda: fastlr.train(X, cut(Y)), TypeError, r"^y is a Dask collection, and X is not; pass y\.compute\(\), or"),
    "score": (lambda: fastlr.train(X, Y, backend="numpy").score(cut(X), Y), TypeError, r"^X is a Dask collection, and score"),
    "the estimator": (lambda: fastlr.LogisticRegression().fit(cut(X), Y), TypeError, r"^X is a Dask collection, and Logistic"),
    "y of the estimator": (lambda: fastlr.LogisticRegression().fit(X, cut(Y)), TypeError, r"^y is a Dask collection, and L"),
    "a batch of the estimator": (lambda: fastlr.LogisticRegression().partial_fit(cut(X), Y), TypeError, r"^X is a Dask coll"),
    "the estimator's predict": (lambda: fastlr.LogisticRegression().fit(X, Y).predict(cut(X)), TypeError,
                                r"^X is a Dask collection, and LogisticRegression takes"),
}


@pytest.mark.parametrize(("call", "error", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(call, error, text):
    with pytest.raises(error, match=text) as raised:
        call()
    assert type(raised.value) is error


@pytest.mark.parametrize("make", [scipy.sparse.csr_array, scipy.sparse.csc_matrix], ids=lambda make: make.__name__)
def test_sparse_blocks(make):
    """Cut in columns too, and with an empty part."""
    A = np.where(np.random.default_rng(1).random(X.shape) < 0.3, X, 0.0)
    parts = da.from_array(A, chunks=((700, 0, 1300, 1000), 11)).map_blocks(make)
    right = fastlr.train(scipy.sparse.csr_array(A), Y, backend="numpy", sample_weight=WEIGHT)
    found = fastlr.train(parts, Y, backend="numpy", sample_weight=WEIGHT)
    assert_same(found, right)
    data, whole = found._training.data, right._training.data
    assert (data.size, data.pairs, data.is_sparse) == (whole.size, whole.pairs, True)
    for sample, other in zip(data.samples([50, 300]), whole.samples([50, 300]), strict=True):
        assert (sample.X.scipy() != other.X.scipy()).nnz == 0
    np.testing.assert_allclose(found.decision_function(parts).compute(), right.decision_function(A), rtol=1e-9)


def test_sparse_and_dense_blocks():
    parts = da.concatenate([cut(X[:1400]), cut(X[1400:]).map_blocks(scipy.sparse.csr_array)])
    with pytest.raises(ValueError, match=r"^partition 2 has another layout than those before: sparse, not dense$"):
        fastlr.train(parts, Y)


def test_frames_of_other_columns_are_refused():
    def part(k):
        return pd.DataFrame(X[k * 1000:(k + 1) * 1000, :2], columns=[["a", "b"], ["a", "c"], ["a", "b"]][k])

    parts = dd.from_map(part, range(3), meta=part(0).iloc[:0], enforce_metadata=False)
    with pytest.raises(ValueError, match=r"^partition 1 has other columns than those before: \('a', 'c'\) against \('a', 'b'\)"):
        fastlr.train(parts, Y)


def test_parts_of_other_dtypes():
    def part(k):
        return pd.DataFrame(X[k * 1000:(k + 1) * 1000, :3] * 10.0).astype([np.int16, np.int64, np.float64][k])

    parts = dd.from_map(part, range(3), meta=part(2).iloc[:0], enforce_metadata=False)
    whole = pd.concat(map(part, range(3)))
    assert cluster._array(frame(), np.dtype(np.float64)).dtype == np.float64        # not objects, a hundred times as slow
    found, right = (fastlr.train(each, Y, backend="numpy", tol=1e-12) for each in (parts, whole))
    assert np.abs(theta(found) - theta(right)).max() <= 1e-10 * np.abs(theta(right)).max()


def test_vectors_that_are_not_aligned():
    """As they come out of a message from another worker."""
    def unaligned(v):
        return np.frombuffer(b"-" + v.tobytes(), v.dtype, offset=1)

    vectors = Vectors(Y.astype(np.int8), WEIGHT, OFFSET)
    assert not unaligned(WEIGHT).flags.aligned
    J, *_ = fastlr.cost_and_gradient(X, Y, np.zeros(N), 0.0, sample_weight=WEIGHT, offset=OFFSET, reduction="sum",
                                     backend="fused", n_threads=1)
    found, _ = cluster._run("fastlr.backends.numba_fused", X.dtype, passes.cost_gradient, (unaligned(np.zeros(N + 1)),), {},
                            unaligned(X.ravel()).reshape(X.shape), Vectors(*map(unaligned, vectors)))
    assert abs(found - J) <= 1e-12 * J


# ---- where things are done ------------------------------------------------------------------------------------------

def test_no_rows_come_here_and_x_is_read_once_a_sum(monkeypatch):
    reads, came = [], []
    computed = cluster.computed

    def count(block, block_info=None):
        reads.append(block_info)
        return block

    def weigh(values):
        found = computed(values)
        came.append(len(pickle.dumps(found)))
        return found

    monkeypatch.setattr(cluster, "computed", weigh)
    parts = da.from_array(X, chunks=(500, N)).map_blocks(count, meta=X[:0])
    reads.clear()
    fastlr.train(parts, da.from_array(Y, chunks=500), sample_weight=da.from_array(WEIGHT, chunks=500), backend="numpy",
                 learning_rate=0.1, max_iter=4)
    assert len(reads) == 6 * (1 + 4 + 1)                        # a first look, four updates, and J at the end
    assert max(came) < 8 * 500


def test_threads_of_a_task(monkeypatch):
    def threads_and_gradient(part, theta):
        return part.n_threads, *passes.cost_gradient(part, theta)

    found = []
    for setting in (None, "2"):
        if setting is None:
            monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
        else:
            monkeypatch.setenv("NUMBA_NUM_THREADS", setting)
        found.append(cluster._run("fastlr.backends.numba_fused", X.dtype, threads_and_gradient, (np.zeros(N + 1),), {}, X,
                                  Vectors(Y.astype(np.int8), WEIGHT, OFFSET)))
    assert [threads for threads, *_ in found] == [1, min(2, processors())]
    assert found[0][2].tobytes() == found[1][2].tobytes()


# ---- on a cluster ---------------------------------------------------------------------------------------------------

CLUSTER = """
import os, signal
import dask, dask.array as da
import numpy as np
from distributed import Client, LocalCluster, wait
import fastlr

random = np.random.default_rng(0)
X = random.standard_normal((20_000, 20))
y = X @ random.standard_normal(20) / 4 + random.logistic(size=20_000) > 0

def parts():
    return da.from_array(X, chunks=(2000, 20)).persist(), da.from_array(y, chunks=3000).persist()

if __name__ == "__main__":
"""


def run(code, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(CLUSTER + "\n".join("    " + line for line in code.splitlines()))
    result = subprocess.run([sys.executable, "-W", "error", str(script)], capture_output=True, text=True, timeout=240,
                            check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.long
def test_a_cluster_and_a_worker_that_is_killed(tmp_path):
    """At the third update its parts are gone, and the tasks that it is given before anybody notices fail."""
    run("""
with dask.config.set(scheduler="synchronous"):
    alone = fastlr.train(*parts(), backend="numpy")
with (LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
      Client(cluster) as client):
    workers = client.run(os.getpid)
    data = parts()
    wait(data)
    found = fastlr.train(*data, backend="numpy")
    assert found.w.tobytes() == alone.w.tobytes() and found.b == alone.b
    assert np.array_equal(found.decision_function(data[0]).compute(), found.decision_function(X))
    bad = data[0].copy()
    bad[4321, 3] = np.nan
    try:
        fastlr.train(bad, data[1])
    except ValueError as error:
        text = str(error)
    assert text.startswith("partition 2, whose row 0 is row 4000 of the whole: X has 1 value"), text
    assert "at row 321, column 3." in text, text

    victim, process = next(iter(workers.items()))
    assert client.has_what()[victim], "the victim holds nothing"

    def kill(state):
        if state.n_iter == 3:
            os.kill(process, signal.SIGKILL)

    options = {"backend": "fused", "learning_rate": 0.5, "max_iter": 12}
    model, right = fastlr.train(*data, callback=kill, **options), fastlr.train(X, y, **options)
    assert model.n_iter == 12
    assert np.abs(model.w - right.w).max() <= 1e-10 * np.abs(right.w).max(), model.w - right.w
    removed = [event for _, event in client.get_events("all") if event.get("action") == "remove-worker"]
    assert len(removed) == 1 and removed[0]["lost-computed-tasks"], removed
    assert victim not in client.scheduler_info()["workers"]
""", tmp_path)
