"""Training on a stream: the same sums, block by block, and so the same model."""

import functools
import os
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
import scipy.sparse

import fastlr
from fastlr import solvers
from fastlr.backends import ranges
from fastlr.data import door, sparse
from fastlr.data.dataset import Count
from fastlr.data.stream import blocks
from tests.problems import problem, weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("samples_of_few_rows")]
M, N = 5_000, 4
ROW = 8 * N


@pytest.fixture
def short_pieces(threshold):
    """Pieces of 1024 rows, five of them, in memory as in a stream, and no problem so small that all of it is compiled."""
    threshold("range", 1024 * ROW)
    threshold("small problem", 0)


def saved(folder, X):
    path = os.path.join(folder, "X.npy")
    np.save(path, X)
    return path


def same_model(a, b):
    for name in ("w", "b", "cost", "costs", "n_iter", "converged", "grad_norm", "gap", "solver", "stop_reason"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@pytest.mark.parametrize("solver", solvers.NAMES)
@pytest.mark.parametrize(("name", "order"), [("parallel", "C"), ("fused", "C"), ("fused", "F")])
def test_the_same_bits_as_in_memory(name, solver, order, short_pieces, tmp_path):
    X, y, *_ = problem(M, N, order=order)
    s, o = weights(M)
    for given in ({}, {"sample_weight": s, "offset": o, "l2": 1e-3, "tol": 1e-5}):
        given = {"solver": solver, "backend": name, "learning_rate": 1.0 if solver == "gd" else None, "tol": 1e-6} | given
        in_memory = fastlr.train(X, y, **given)
        stream = fastlr.stream(saved(tmp_path, X), memory=6 * 1024 * ROW)
        same_model(fastlr.train(stream, y, **given), in_memory)
        assert len(stream.ranges) == 5
        assert in_memory.converged


def test_every_backend_in_blocks(backend, tmp_path):
    check_blocks(backend, "float64", 3, tmp_path)


@pytest.mark.parametrize("kernel", ["numpy", "fused"])
@pytest.mark.parametrize(("dtype", "memory"), [("float32", 5), ("float64", 40)])
def test_other_blocks(kernel, dtype, memory, tmp_path):
    check_blocks(kernel, dtype, memory, tmp_path)


def check_blocks(backend, dtype, memory, tmp_path):
    m = 1_100 if backend == "python" else M
    X, y, *_ = problem(m, N, dtype=dtype)
    s, o = weights(m)
    path = saved(tmp_path, X)
    for given in ({"l2": 0.01}, {"sample_weight": s * 1e12, "reduction": "sum", "l2": 1e9, "fit_intercept": False},
                  {"offset": o, "class_weight": "balanced"}, {"learning_rate": 0.1, "max_iter": 3, "init": (np.ones(N), -1.0)}):
        given = {"backend": backend, "tol": None if "learning_rate" in given else 1e-12} | given
        model = fastlr.train(fastlr.stream(path, memory=memory * 512 * X.itemsize * N), y, **given)
        in_memory = fastlr.train(X, y, **given)
        np.testing.assert_allclose(np.append(model.w, model.b), np.append(in_memory.w, in_memory.b), rtol=1e-7, atol=1e-9)
        assert model.cost == pytest.approx(in_memory.cost, rel=1e-12)
        assert model.converged == in_memory.converged


def sparse_problem():
    """One number in three is not 0, and one column never is."""
    X, y, *_ = problem(M, 30)
    X[:, 1:] *= np.random.default_rng(1).random((M, 29)) < 0.3
    return scipy.sparse.csr_array(X), y


@pytest.mark.parametrize(("name", "dtype"), [("numpy", "f8"), ("numpy", "f4"), ("fused", "f8")])
def test_sparse_blocks_have_the_bits_of_memory(name, dtype, short_pieces):
    """A kept block and one that is read in every pass are cut as an X in memory is; its numbers may lie anywhere in memory."""
    A, y = sparse_problem()
    A = A.astype(dtype)
    rows = ranges.pieces(sparse.csr(A))
    assert len(rows) > 5
    given = {"learning_rate": 0.5, "max_iter": 4, "backend": name, "sample_weight": weights(M)[0]}
    in_memory = fastlr.train(A, y, **given)
    for memory in (1_000_000, 250_000):
        stream = fastlr.stream(lambda: (A[first:last] for first, last in rows), memory=memory)
        model = fastlr.train(stream, y, **given)
        assert len(stream._kept.blocks) == (len(rows) if memory == 1_000_000 else 0)
        if name == "fused":
            same_model(model, in_memory)
        np.testing.assert_allclose(model.w, in_memory.w, rtol=1e-12)


@pytest.mark.parametrize("given", [{}, {"solver": "lbfgs", "l2": 0.01}, {"solver": "newton", "sample_weight": weights(M)[0]}])
def test_sparse_blocks_have_the_optimum_of_memory(given):
    A, y = sparse_problem()
    blocks = [(A[i:i + 1000], y[i:i + 1000]) for i in range(0, M, 1000)]
    blocks[2] = blocks[2][0].tocoo(), blocks[2][1]              # the format is of no account
    given = {"tol": 1e-10, "backend": "numpy"} | given
    in_memory = fastlr.train(A, y, **given)
    model = fastlr.train(fastlr.stream(blocks, memory=1_000_000), None, **given)
    np.testing.assert_allclose(np.append(model.w, model.b), np.append(in_memory.w, in_memory.b), rtol=1e-8)
    assert (model.converged, model.gap_kind, model.n_iter) == (True, in_memory.gap_kind, in_memory.n_iter)
    data, whole = model._training.data, in_memory._training.data
    assert (data.size, data.pairs, data.bytes_a_row, data.is_sparse) == (whole.size, whole.pairs, whole.bytes_a_row, True)
    np.testing.assert_allclose(model.summary().standard_error, in_memory.summary().standard_error, rtol=1e-9)


def test_samples_of_sparse_blocks():
    A, y = sparse_problem()
    s, o = weights(M)
    blocks = [A[i:i + 1100] for i in range(0, M, 1100)]
    data, whole = (door.data(X, y, s, None, o) for X in (fastlr.stream(blocks, memory=1_000_000), A))
    for found, right in zip(data.samples([3, 700]), whole.samples([3, 700]), strict=True):
        for a, b in zip((*found.X[:3], *found.rows[1:]), (*right.X[:3], *right.rows[1:]), strict=True):
            assert a.dtype == b.dtype and np.array_equal(a, b)


def test_files_of_scipy(tmp_path):
    A, y = sparse_problem()
    paths = [tmp_path / f"{i}.npz" for i in range(5)]
    for i, path in enumerate(paths):
        scipy.sparse.save_npz(path, A[1000 * i:1000 * (i + 1)])
    model = fastlr.train(fastlr.stream(lambda: map(scipy.sparse.load_npz, paths)), y, backend="numpy")
    np.testing.assert_allclose(model.w, fastlr.train(A, y, backend="numpy").w, rtol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient_descent_without_a_learning_rate_never_rises(fit_intercept, tmp_path):
    """Its step is 1/L; offsets make the curvature at any one point smaller than L."""
    X, y, *_ = problem(M, N, scale=3.0)
    given = {"solver": "gd", "offset": np.full(M, 6.0), "max_iter": 30, "tol": 0.0, "fit_intercept": fit_intercept,
             "backend": "numpy"}
    model = fastlr.train(fastlr.stream(saved(tmp_path, X), memory=4 * 512 * ROW), y, **given)
    in_memory = fastlr.train(X, y, **given)
    assert (np.diff([*model.costs, model.cost]) < 0.0).all()
    np.testing.assert_allclose(model.w, in_memory.w, rtol=1e-9)


def test_what_else_is_asked_of_a_stream(tmp_path):
    """The summary, one gradient, a callback, and names."""
    X, y, w, b = problem(M, N)
    stream = fastlr.stream(saved(tmp_path, X), memory=4 * 512 * ROW)
    J, dw, db = fastlr.cost_and_gradient(stream, y, w, b, backend="numpy")
    expected = fastlr.cost_and_gradient(X, y, w, b, backend="numpy")
    assert (J, db) == pytest.approx((expected[0], expected[2]), rel=1e-12)
    np.testing.assert_allclose(dw, expected[1], rtol=1e-12)

    seen = []
    model = fastlr.train(stream, y, backend="numpy", callback=lambda state: seen.append(state.cost) or len(seen) == 2)
    assert len(seen) == model.n_iter == 2

    model, in_memory = (fastlr.train(given, y, tol=1e-10, backend="numpy") for given in (stream, X))
    ours, theirs = model.summary().to_dict(), in_memory.summary().to_dict()
    assert ours.pop("training", 0) == theirs.pop("training", 0)
    np.testing.assert_allclose(model.summary().standard_error, in_memory.summary().standard_error, rtol=1e-9)
    assert model.summary().log_likelihood == pytest.approx(in_memory.summary().log_likelihood, rel=1e-12)

    frames = [pd.DataFrame(X[i:i + 1000], columns=list("abcd")) for i in range(0, M, 1000)]
    named = fastlr.train(fastlr.stream(list(zip(frames, np.split(y, 5), strict=True)), memory=5 * 1000 * ROW), None, tol=1e-10,
                         backend="numpy")
    assert named.feature_names == ("a", "b", "c", "d")
    np.testing.assert_allclose(named.w, in_memory.w, rtol=1e-7)


def same_predictions(model, X, given, o=None, offset=None):
    for name in ("predict", "predict_proba", "decision_function"):
        right, found = getattr(model, name)(X, o), getattr(model, name)(given, offset)
        assert (found.shape, found.dtype) == (right.shape, right.dtype)
        if name == "predict":
            np.testing.assert_array_equal(found, right)
        else:
            np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)


def test_predictions_of_files(tmp_path):
    """And a stream that was trained on keeps what it knows of the training."""
    X, y, *_ = problem(M, N)
    s, o = weights(M)
    path = saved(tmp_path, X)
    stream = fastlr.stream(path, memory=4 * 512 * ROW)
    model = fastlr.train(stream, y, sample_weight=s, offset=o, max_iter=2, tol=0.0, backend="numpy")
    for given in (stream, path, tmp_path / "X.npy", fastlr.stream(path, memory=4 * 512 * ROW)):
        same_predictions(model, X, given, o, o)
        assert model.score(given, y, s, o) == model.score(X, y, s, o)
    assert not fastlr.stream(path).is_scanned
    with pytest.raises(ValueError, match=r"predicting needs one too"):
        model.predict(stream)
    with pytest.raises(ValueError, match=r"^offset has 5001 values, and X has 5000 rows"):
        model.predict(stream, np.zeros(M + 1))
    with pytest.raises(ValueError, match=r"^offset is 'late', and Stream.*X\.npy.* has no column of that name; pass an array"):
        model.predict(stream, "late")
    with pytest.raises(ValueError, match=r"^y is missing, and .*X\.npy holds X alone"):
        model.score(stream, None, s, o)
    np.load(path, mmap_mode="r+")[4_321, 2] = np.nan
    with pytest.raises(ValueError, match=r"X\.npy, block 8 \(rows 4096 to 4607\), whose row 0 is row 4096 of .*nan at row 225"):
        model.predict(stream, o)


def test_predictions_of_tables(tmp_path):
    """The model's columns are found in any order, beside others; y, weights and offset may be columns."""
    X, y, *_ = problem(M, N)
    s, o = weights(M)
    text = np.where(y, "yes", "no")
    pa.parquet.write_table(pa.table({"c": X[:, 2], "o": o, "b": X[:, 1], "y": text, "s": s, "a": X[:, 0], "d": X[:, 3]}),
                           tmp_path / "X.parquet", row_group_size=700)
    stream = fastlr.stream(tmp_path / "X.parquet", memory=100_000)
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = fastlr.train(frame, text, offset=o, sample_weight=s, backend="numpy")
    for offset in ("o", o):
        same_predictions(model, frame, stream, o, offset)
        assert model.score(stream, "y", "s", offset) == model.score(frame, text, s, o)
    without = fastlr.train(X, text, offset=o, backend="numpy")
    np.testing.assert_allclose(without.decision_function(fastlr.stream(pa.dataset.dataset(pa.table(frame).append_column(
        "o", pa.array(o)))), "o"), without.decision_function(X, o), rtol=1e-9)

    trained = fastlr.train(stream, "y", sample_weight="s", offset="o", backend="numpy")         # with c before a
    before = trained._training.data.stream.form
    same_predictions(trained, frame[list("cbad")], stream, o, "o")
    assert stream.form == before and stream.names == tuple("cbad")
    assert trained.summary().names == ("(intercept)", *"cbad")
    with pytest.raises(ValueError, match=r"column is missing: 'e'; "):
        fastlr.train(frame.assign(e=1.0 * y), text, max_iter=1, tol=0.0, backend="numpy").predict(stream)


def test_predictions_keep_no_block():
    """Though there is memory for all: what is returned, twice, and two blocks."""
    block = np.zeros((5_000, N))
    model = fastlr.train(*problem(50, N)[:2], max_iter=1, tol=0.0, backend="numpy")
    tracemalloc.start()
    try:
        predicted = model.decision_function(fastlr.stream([block] * 40, memory=10 ** 9))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert predicted.size == 200_000
    assert peak < 2 * predicted.nbytes + 10 * block.nbytes


@pytest.mark.parametrize("brings_y", [True, False])
def test_predictions_of_blocks(brings_y):
    X, y, *_ = problem(M, N)
    model = fastlr.train(X, y, backend="numpy")
    blocks = [(A, own) if brings_y else A for A, own in zip(np.array_split(X, 3), np.array_split(y, 3), strict=True)]
    stream = fastlr.stream(lambda: iter(blocks), memory=500_000)
    same_predictions(model, X, stream)
    assert model.score(stream, None if brings_y else y) == model.score(X, y)
    A, _ = sparse_problem()
    same_predictions(fastlr.train(A, y, backend="numpy"), A, fastlr.stream([A[:3000], A[3000:]]))
    frames = [pd.DataFrame(part, columns=list("abcd")) for part in np.array_split(X, 3)]
    named = fastlr.train(pd.concat(frames), y, backend="numpy")
    same_predictions(named, X, fastlr.stream(frames))
    with pytest.raises(ValueError, match=r"^source, block 0 .*X has the model's columns in another order"):
        named.predict(fastlr.stream([frame[list("dcba")] for frame in frames]))


def test_separated_classes_in_blocks(tmp_path):
    X, _, w, b = problem(M, N)
    with pytest.warns(fastlr.SeparationWarning):
        model = fastlr.train(fastlr.stream(saved(tmp_path, X), memory=4 * 512 * ROW), X @ w + b > 0.0, backend="numpy")
    assert not model.converged
    with pytest.warns(fastlr.SeparationWarning):            # by the last column alone, that is seldom there
        X[:, 3], y = np.arange(M) % 1000 == 0, (np.arange(M) % 7 == 0) | (np.arange(M) % 1000 == 0)
        fastlr.train(fastlr.stream(saved(tmp_path, X), memory=4 * 512 * ROW), y, backend="numpy")


@pytest.mark.parametrize(("change", "message"), [
    (lambda X: X.__setitem__((4_321, 2), np.nan), r"block 8 \(rows 4096 to 4607\) has changed.*nan at row 4321, column 2"),
    (lambda X: X.__setitem__((1, 0), np.inf), r"block 0 \(rows 0 to 511\) has changed.*inf at row 1, column 0"),
])
@pytest.mark.parametrize("solver", solvers.NAMES)
def test_values_that_change_in_the_middle(solver, change, message, tmp_path):
    X, y, *_ = problem(M, N)
    path = saved(tmp_path, X)

    def spoil(state):
        change(np.load(path, mmap_mode="r+"))

    with pytest.raises(ValueError, match=message):
        fastlr.train(fastlr.stream(path, memory=4 * 512 * ROW), y, solver=solver, backend="numpy", callback=spoil)


def test_values_that_change_before_samples_are_taken(tmp_path):
    X, y, *_ = problem(M, N)
    path = saved(tmp_path, X)
    data = door.data(fastlr.stream(path, memory=4 * 512 * ROW), y, None, None, None)
    assert [sample.shape for sample in data.samples([300, 700])] == [(300, N), (700, N)]
    np.load(path, mmap_mode="r+")[4_321, 2] = np.nan
    with pytest.raises(ValueError, match=r"block 8 .* has changed.*nan at row 4321"):
        data.samples([300])


def test_counts_of_parts_add_up():
    _, y, *_ = problem(M, N)
    s, _ = weights(M)
    rows = [slice(0, 1000), slice(1000, 1010), slice(1010, M)]
    s[1000:1005], s[3000] = 0.0, 9.0
    for weight in (s, np.empty(0)):
        parts, whole = [Count.of(y[part], weight[part], 2) for part in rows], Count.of(y, weight, 2)
        for found, right in zip(functools.reduce(Count.merge, parts), whole, strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-12)
        assert Count.of(y[:3], np.zeros(3), 2).merge(whole).lightest == whole.lightest


def test_a_file_that_shrinks_in_the_middle(tmp_path):
    X, y, *_ = problem(M, N)
    path = saved(tmp_path, X)
    with pytest.raises(ValueError, match=r"X.npy, block 8 \(rows 4096 to 4607\): .*row 4300"):
        fastlr.train(fastlr.stream(path, memory=4 * 512 * ROW), y, backend="numpy",
                     callback=lambda state: os.truncate(path, 128 + 4_300 * ROW))


def test_memory_maps(tmp_path, monkeypatch):
    """One that leaves room is used in place; one that doesn't becomes a stream, and so does a path."""

    X, y, *_ = problem(M, N)
    path = saved(tmp_path, X)
    expected = fastlr.train(X, y, tol=1e-12, backend="numpy")
    same_model(fastlr.train(np.load(path, mmap_mode="r"), y, tol=1e-12, backend="numpy"), expected)
    monkeypatch.setattr(blocks, "available_memory", lambda: X.nbytes)
    same_model(fastlr.train(np.load(path, mmap_mode="c"), y, tol=1e-12, backend="numpy"), expected)   # may differ from its file
    for given in (np.load(path, mmap_mode="r"), path, tmp_path / "X.npy"):
        model = fastlr.train(given, y, tol=1e-12, backend="numpy")
        assert len(model._training.data.stream.ranges) > 1
        np.testing.assert_allclose(model.w, expected.w, rtol=1e-8)
