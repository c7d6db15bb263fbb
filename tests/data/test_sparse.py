"""SciPy's sparse matrices: laws for every backend, pairs with the dense array, and scikit-learn as an oracle."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

import fastlr
from fastlr import backends
from fastlr.backends.compiled import self_test
from fastlr.backends.compiled.header import Kind
from fastlr.backends.csr import Csr
from fastlr.data import arrays, door, gram
from fastlr.problem.problem import Problem
from tests.backends.test_laws import sums
from tests.problems import weights


def sparse_problem(m=203, n=30, density=0.1, dtype=np.float64, index=np.int32, seed=0):
    """CSR with an empty row, an empty column and a full one, labels of both classes, and parameters."""
    rng = np.random.default_rng(seed)
    D = np.where(rng.random((m, n)) < density, rng.standard_normal((m, n)), 0.0)
    D[m // 2] = D[:, n // 2] = 0.0
    if n > 2:
        D[:, 0] = 5.0 + rng.standard_normal(m)
    X = sp.csr_array(D.astype(dtype))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    y = (D @ rng.standard_normal(n) + 2.0 * rng.logistic(size=m) > np.median(D[:, 0])).astype(float)
    y[:2] = 0.0, 1.0
    return X, y, 0.3 * rng.standard_normal(n), -0.3


pytestmark = pytest.mark.sparse
KINDS = [(np.float64, np.int32), (np.float32, np.int64)]


# ---- laws ------------------------------------------------------------------------------------------------------------

def test_sums_are_those_of_the_dense_array(backend):
    check_sums(backend, *KINDS[0])


@pytest.mark.parametrize("kernel", ["python", "numpy", pytest.param("fused", marks=pytest.mark.long)])
def test_sums_of_a_kind_that_is_compiled_on_demand(kernel):
    check_sums(kernel, *KINDS[1])


def check_sums(backend, dtype, index):
    for shape in ((2, 1), (203, 30), (5, 90)):
        X, y, w, b = sparse_problem(*shape, dtype=dtype, index=index)
        s, o = weights(shape[0])
        for rest in ((), (s,), (None, o), (s, o)):
            J, grad = sums(backend, X, y, w, b, *rest)
            J_dense, grad_dense = sums("python", X.toarray(), y, w, b, *rest)
            assert J == pytest.approx(J_dense, rel=1e-13)
            np.testing.assert_allclose(grad, grad_dense, rtol=1e-11, atol=1e-12)


def test_gradient_is_overwritten(backend):
    X, y, w, b = sparse_problem()
    assert (sums(backend, X, y, w, b)[1] == sums(backend, X, y, w, b, grad=np.full(31, 1e300))[1]).all()


def test_margins_of_every_size(backend):
    for z in (0.0, 1e-300, 37.0, 746.0, 1e4, -746.0, -1e4):
        J, grad = sums(backend, sp.csr_array([[z, 0.0]]), [1], [1.0, 0.0], 0.0)
        assert J == pytest.approx(max(-z, 0.0) + np.log1p(np.exp(-abs(z))), rel=1e-15)
        assert np.isfinite(grad).all()


@pytest.mark.parametrize("kernel", ["fused", pytest.param("parallel", marks=pytest.mark.long)])        # compiled for 5 s
def test_same_bits_for_any_number_of_threads(kernel):
    for shape in ((20_000, 40), (3_000, 700)):
        X, y, w, b = sparse_problem(*shape)
        s, o = weights(shape[0])
        J, grad = sums(kernel, X, y, w, b, s, o, n_threads=1)
        for n_threads in (2, 3, 7):
            J_threads, grad_threads = sums(kernel, X, y, w, b, s, o, n_threads=n_threads)
            assert J == J_threads
            assert (grad == grad_threads).all()


def test_a_chunk_has_four_values_a_column():
    from fastlr.backends.compiled import chunks

    for shape, density, of_all, of_half in (((5_000, 10), 0.5, 64, 64), ((5_000, 2_000), 0.01, 8, 4), ((50, 5_000), 0.001, 1, 1)):
        X = arrays.matrix(sp.random_array(shape, density=density, format="csr", rng=np.random.default_rng(0)))[0]
        assert chunks.gradient_chunks(X, shape[0], 8) == of_all
        assert chunks.gradient_chunks(X, shape[0] // 2, 8) == of_half


def test_moments_and_hessian_are_those_of_the_dense_array(backend):
    X, y, w, b = sparse_problem(700, 40)
    s, o = weights(700)
    results = []
    for given in (X, X.toarray()):
        kernel = backends.load(backend)
        with backends.threads(kernel, 2, 10 ** 6) as count:
            J = Problem.of_theta(door.data(given, y, s, None, o).with_backend(kernel, count), 0.0, "mean", True).standardised()
            coordinates = J.coordinates
            results.append((coordinates.center, coordinates.spread, J.loss_hessian(coordinates.u_of(np.append(w, b)))))
    for value, known in zip(*results, strict=True):
        np.testing.assert_allclose(value, known, rtol=1e-11, atol=1e-13)


def test_moments_of_a_full_column_far_from_zero(backend):
    rng = np.random.default_rng(0)
    D = np.column_stack([1e8 + rng.standard_normal(3_000), np.full(3_000, 0.1), rng.random(3_000) < 0.01])
    for s in (None, rng.random(3_000)):
        data = door.data(sp.csr_array(D), np.arange(3_000) % 2, s)
        center, spread = Problem.of_theta(data, 0.0, "mean", True).standardisation
        expected = np.average(D, axis=0, weights=s)
        np.testing.assert_allclose(center, expected, rtol=1e-12)
        deviation = np.sqrt(np.average((D - expected) ** 2, axis=0, weights=s))
        np.testing.assert_allclose(spread, [deviation[0], 1.0, deviation[2]], rtol=1e-7)


# ---- pairs -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kernel", ["numpy", "fused"])
@pytest.mark.parametrize(("options", "weighted"), [
    ({}, False), ({}, True), ({"l2": 0.1, "fit_intercept": False}, True), ({"solver": "newton", "l2": 0.01}, False),
    ({"solver": "lbfgs", "reduction": "sum", "l2": 3.0}, True), ({"learning_rate": 0.1, "max_iter": 30}, False)])
@pytest.mark.slow
def test_training_is_that_of_the_dense_array(kernel, options, weighted):
    check_training(kernel, options, weighted)


@pytest.mark.slow
def test_training_by_every_backend_is_that_of_the_dense_array(backend):
    check_training(backend, {"solver": "lbfgs", "l2": 0.1}, True)
    check_training(backend, {"solver": "gd", "max_iter": 9, "tol": 0.0}, True)


def check_training(backend, options, weighted):
    if "max_iter" not in options:
        options = options | {"tol": 1e-11}
    X, y, *_ = sparse_problem(400, 12, density=0.3)
    given = dict(zip(("sample_weight", "offset"), weights(400), strict=True)) if weighted else {}
    model, dense = (fastlr.train(A, y, backend=backend, **options, **given) for A in (X, X.toarray()))
    np.testing.assert_allclose(model.w, dense.w, rtol=1e-8, atol=1e-9)
    assert model.b == pytest.approx(dense.b, rel=1e-8, abs=1e-8)
    assert model.cost == pytest.approx(dense.cost, rel=1e-12)
    assert model.converged == dense.converged


@pytest.mark.compiles
def test_wide_x_and_large_x():
    for m, n in ((60, 400), (1_200, 3_500)):
        X, y, *_ = sparse_problem(m, n, density=0.02)
        for solver in ("auto", "lbfgs", "gd"):
            limits = {"max_iter": 20, "tol": 0.0} if solver == "gd" else {"tol": 1e-10}
            model = fastlr.train(X, y, l2=0.05, solver=solver, backend="fused", **limits)
            dense = fastlr.train(X.toarray(), y, l2=0.05, solver=solver, backend="fused", **limits)
            if solver == "gd":
                assert (np.diff(model.costs) < 0.0).all()
            else:
                assert model.converged
                assert model.cost == pytest.approx(dense.cost, rel=1e-12)
                np.testing.assert_allclose(model.w, dense.w, atol=1e-7)


@pytest.mark.parametrize("shape", [(50, 3), (3, 50), (1_500, 3), (1_100, 1_200)])
@pytest.mark.parametrize("intercept", [False, True])
def test_largest_eigenvalue(shape, intercept):
    X, y, *_ = sparse_problem(*shape)
    s = weights(shape[0])[0]
    for weight in (np.empty(0), s):
        data = (door.data_as_given(A, y).with_weights(weight) for A in (X, X.toarray()))
        sparse, dense = (gram.largest_eigenvalue(each, intercept) for each in data)
        assert sparse == pytest.approx(dense, rel=1e-9)


def test_samples_are_rows():
    X, y, *_ = sparse_problem(3_000, 30)
    s, o = weights(3_000)
    parts = [door.data(A, y, s, None, o).samples([500])[0] for A in (X, X.toarray())]
    assert (parts[0].X.scipy().toarray() == parts[1].X).all()
    assert all((a == b).all() for a, b in zip(parts[0].rows[1:], parts[1].rows[1:], strict=True))
    with pytest.raises(ValueError, match="read-only"):
        parts[0].X.values[0] = 1.0


def test_separated_classes():
    D = np.zeros((40, 5))
    D[np.arange(40), np.arange(40) % 5] = 1.0
    y = np.arange(40) % 5 == 0
    with pytest.warns(fastlr.SeparationWarning):
        model = fastlr.train(sp.csr_array(D), y, backend="numpy")
    assert not model.converged
    assert model.score(sp.csr_array(D), y) == 1.0


@pytest.mark.parametrize("D", [np.zeros((6, 3)), np.pad([[2.0]], ((0, 5), (1, 1)))])
def test_nothing_or_one_number_stored(backend, D):
    y = np.array([1, 0, 0, 1, 0, 0])
    model, dense = (fastlr.train(A, y, l2=0.1, backend=backend) for A in (sp.csr_array(D), D))
    np.testing.assert_allclose(model.w, dense.w, atol=1e-7)
    assert model.b == pytest.approx(dense.b, abs=1e-7)


def test_predictions_on_either_kind():
    X, y, *_ = sparse_problem()
    for trained_on in (X, X.toarray()):
        model = fastlr.train(trained_on, y, l2=0.1, backend="numpy")
        np.testing.assert_allclose(model.decision_function(X), model.decision_function(X.toarray()), atol=1e-13)
        np.testing.assert_allclose(model.predict_proba(X), model.predict_proba(X.toarray()), atol=1e-14)
        assert (model.predict(X.tocsc()) == model.predict(X.toarray())).all()
        assert model.score(X, y) == model.score(X.toarray(), y)
        with pytest.raises(ValueError, match=r"^X has 29 features, and the model was trained on 30$"):
            model.predict(X[:, :29])
    offsets = weights(203)[1]
    model = fastlr.train(X, y, l2=0.1, offset=offsets, backend="numpy")
    np.testing.assert_allclose(model.decision_function(X, offsets), model.decision_function(X.toarray(), offsets), atol=1e-13)


# ---- the gate --------------------------------------------------------------------------------------------------------

def test_csr_is_taken_as_it_is():
    for dtype, index in KINDS:
        X, *_ = sparse_problem(dtype=dtype, index=index)
        taken, names = arrays.matrix(X)
        assert names is None
        assert isinstance(taken, Csr)
        for part, given in ((taken.values, X.data), (taken.indices, X.indices), (taken.indptr, X.indptr)):
            assert np.shares_memory(part, given)
            assert part.dtype == given.dtype
            assert not part.flags.writeable
            assert given.flags.writeable


@pytest.mark.parametrize("convert", ["csc", "coo", "bsr", "lil", "dok", "dia", "csr_matrix"])
def test_other_formats_are_converted(convert):
    X, y, w, b = sparse_problem(60, 8)
    other = sp.csr_matrix(X) if convert == "csr_matrix" else X.asformat(convert)
    J, dw, db = fastlr.cost_and_gradient(other, y, w, b, backend="numpy")
    J_dense, dw_dense, db_dense = fastlr.cost_and_gradient(X.toarray(), y, w, b, backend="numpy")
    assert J == pytest.approx(J_dense, rel=1e-14)
    np.testing.assert_allclose(np.append(dw, db), np.append(dw_dense, db_dense), atol=1e-14)


@pytest.mark.parametrize(("dtype", "kept"), [
    ("uint8", "float32"), ("bool", "float32"), ("int16", "float32"), ("uint16", "float32"),
    ("int32", "float64"), ("int64", "float64"), (">f8", "float64"), (">f4", "float32")])
def test_other_numbers_become_floats(dtype, kept):
    D = np.array([[1, 0, 3], [0, 2, 0]]).astype(dtype)
    X = sp.csr_array(D.astype(np.dtype(dtype).newbyteorder("=")))
    X.data = X.data.astype(dtype)
    taken = arrays.matrix(X)[0]
    assert taken.dtype == kept
    assert (taken.scipy().toarray() == D.astype(float)).all()


def test_duplicates_and_disorder_are_mended_in_a_copy():
    values, indices, indptr = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array([2, 0, 2, 1, 0]), np.array([0, 3, 3, 5])
    X = sp.csr_array((values, indices, indptr), shape=(3, 3))
    X.has_canonical_format = True               # which is not so
    before = [part.copy() for part in (X.data, X.indices, X.indptr)]
    taken = arrays.matrix(X)[0]
    assert (taken.scipy().toarray() == [[2.0, 0.0, 5.0], [0.0, 0.0, 0.0], [16.0, 8.0, 0.0]]).all()
    assert taken.indices.tolist() == [0, 2, 0, 1]
    assert all((a == b).all() for a, b in zip(before, (X.data, X.indices, X.indptr), strict=True))


@pytest.mark.parametrize("at", [0, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_disorder_is_seen_wherever_it_is(at):
    size = (1 << 20) + 3
    indices = np.arange(size, dtype=np.int32)
    indices[[at, at + 1]] = indices[[at + 1, at]]
    X = sp.csr_array((np.ones(size, np.float32), indices, np.array([0, size], np.int32)), shape=(1, size))
    assert (np.diff(arrays.matrix(X)[0].indices) == 1).all()
    halves = sp.csr_array((np.ones(size, np.float32), indices, np.array([0, at + 1, at + 1, size], np.int32)), shape=(3, size))
    assert np.shares_memory(arrays.matrix(halves)[0].indices, halves.indices)


def damaged(**parts):
    X = sp.csr_array(np.array([[1.0, 2.0], [0.0, 3.0]]))
    for name, part in parts.items():
        setattr(X, name, np.asarray(part))
    return X


def damaged_coo():
    X = sp.coo_array(np.eye(2))
    X.coords = (np.array([0, 5]), np.array([0, 1]))
    return X


def damaged_csc():
    X = sp.csc_array(np.eye(3))
    X.indices = np.array([0, 1, 9], np.int32)
    return X


@pytest.mark.parametrize(("X", "error", "text"), [
    (damaged(indices=[0, 1, 2]), ValueError, r"^X is damaged: index 2 of value 2 is out of range; there are 2$"),
    (damaged(indices=[0, -1, 1]), ValueError, r"^X is damaged: index -1 of value 1 is out of range; there are 2$"),
    (damaged(indptr=[0, 3, 2]), ValueError, r"^X is a damaged csr_array: indptr falls from 3 to 2 at 1$"),
    (damaged(indptr=[1, 2, 3]), ValueError, r"indptr must begin with 0 and have 3 values; it has 3, from 1 on$"),
    (damaged(indptr=[0, 3]), ValueError, r"indptr must begin with 0 and have 3 values; it has 2, from 0 on$"),
    (damaged(indptr=[0, 2, 9]), ValueError, r"indptr ends at 9, and there are 3 values and 3 indices$"),
    (damaged(data=[1.0, 2.0]), ValueError, r"indptr ends at 3, and there are 2 values and 3 indices$"),
    (damaged(indices=[0.0, 1.0, 1.0]), ValueError, r"indptr and indices must be integers in one dimension$"),
    (damaged(data=[1.0, np.nan, np.inf]), ValueError, r"^X has 2 value\(s\) that are NaN, .* nan at row 0, column 1\."),
    (damaged(data=[1.0, 2.0, 1e200]), ValueError, r"^X has 1 value\(s\) beyond 1e\+150 .* 1e\+200 at row 1, column 1\."),
    (damaged(data=[1.0, 2.0, 1j]), TypeError, r"^X must hold real numbers, not complex128$"),
    (damaged_coo(), ValueError, r"^X is damaged: row 5 of value 1 is out of range; there are 2$"),
    (damaged_csc(), ValueError, r"^X is damaged: index 9 of value 2 is out of range; there are 3$"),
    (sp.csr_array((0, 3)), ValueError, r"^X is empty: it has shape \(0, 3\)$"),
    (sp.coo_array(np.ones(3)), ValueError, r"^X must have two dimensions.*shape \(3,\)")])
def test_what_is_refused(X, error, text):
    with pytest.raises(error, match=text):
        fastlr.train(X, [0, 1], backend="numpy")


# ---- known answers ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("layout", ["csr32", "csr64"])
def test_known_answers_are_of_the_same_x(layout):
    X = self_test.problem(np.dtype("float32"), layout)
    assert X.indices.dtype == X.indptr.dtype == f"int{layout[3:]}"
    assert (X.scipy().toarray() == self_test.problem(np.dtype("float32"), "C")).all()
    assert 0 < X.size < X.shape[0] * X.shape[1]


def test_products_in_a_hessian_are_counted():
    A = sp.random_array((50, 30), density=0.1, format="csr", rng=np.random.default_rng(0))
    assert arrays.matrix(A)[0].squares() == (A.count_nonzero(axis=1) ** 2).sum()


def test_wrong_sparse_code_is_refused():
    def wrong(X, flat, sample_weight, pivot, ranges, sums, scratch):
        return lambda *numbers: sums.fill(1.0)

    assert not self_test.is_right("moments", Kind("float64", "csr32"), lambda kernel, kind: wrong)


# ---- oracles ---------------------------------------------------------------------------------------------------------

def test_optimum_is_scikit_learns():
    from sklearn.linear_model import LogisticRegression

    X, y, *_ = sparse_problem(900, 40)
    model = fastlr.train(X, y, l2=1 / 900, tol=1e-11)
    oracle = LogisticRegression(C=1.0, solver="newton-cg", tol=1e-12, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(model.w, oracle.coef_[0], atol=1e-7)
    assert model.b == pytest.approx(oracle.intercept_[0], abs=1e-6)


@pytest.mark.slow
def test_real_data(shared_data):
    from sklearn.datasets import load_svmlight_file

    X, y = load_svmlight_file(str(shared_data / "libsvm" / "a9a.svm"))
    X, y = X[:8000], y[:8000]
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)         # for which there is a library
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastlr.ConvergenceWarning)
        costs = [fastlr.train(X, y, l2=1 / len(y), solver=solver, backend=backend).cost
                 for solver, backend in (("auto", "fused"), ("lbfgs", "numpy"))]
    assert costs[0] == pytest.approx(costs[1], rel=1e-9)
