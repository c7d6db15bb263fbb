"""What holds for the sums of K classes, whatever computes them."""

import math

import numpy as np
import pytest
import scipy.sparse

from fastlr import backends
from fastlr.backends import numpy_passes
from fastlr.data import passes, sparse
from fastlr.data.dataset import InMemory
from tests.backends.test_laws import sums as sums_of_two_classes
from tests.problems import problem, weights

NONE = np.empty(0)
# The backends for kinds of X beside float64 in C order; the compiled loops would compile for seconds.
QUICK_TO_COMPILE = ["python", "numpy", "fused"]


def classes(m=57, n=7, K=4, dtype=np.float64, order="C", seed=0):
    """X, y 0 .. K - 1 and Theta (K, n + 1), for margins of a few units."""
    X, _, w, _ = problem(m, n, dtype, order, seed)
    rng = np.random.default_rng(seed)
    return X, rng.integers(0, K, m).astype(np.int32), rng.standard_normal((K, n + 1)) * np.append(np.abs(w) + 0.1, 1.0)


def offsets(m, K, seed=2):
    return np.random.default_rng(seed).standard_normal((m, K))


def call(backend, name, X, y, s, o, *rest, n_threads=1):
    """What the backend's function of that name returns, or NumPy's where it has none."""
    module = backends.load(backend)
    if not hasattr(module, name):
        return getattr(numpy_passes, name)(X, y, s, o, *rest)
    with backends.threads(module, n_threads, X.size) as count:
        prepared = module.prepare(X, y, s, o, count) if hasattr(module, "prepare") else (X, y, s, o)
        return getattr(module, name)(*prepared, *rest)


def class_hessians(backend, X, y, s, o, Theta, center, share=1.0):
    """The second derivatives by the parameters of each class, which the backend's Hessian of two classes gives."""
    part = InMemory(X, y, s, o, np.arange(len(Theta)), backend=backends.load(backend))
    return passes.softmax_class_hessians(part, Theta, center, share)


def sums(backend, X, y, Theta, s=NONE, o=NONE, n_threads=1):
    """The sum of the losses, and that of their gradients."""
    Grad = np.full(Theta.shape, np.nan)
    return call(backend, "softmax_cost_gradient", X, y, s, o, Theta, Grad, n_threads=n_threads), Grad


def by_formula(X, y, Theta, s=NONE, o=NONE):
    """Sums by the formulas, in long double, for moderate margins."""
    V = np.column_stack([X, np.ones(len(y))]).astype(np.longdouble)
    z = V @ Theta.T + (o if o.size else 0.0)
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    s = s if s.size else np.ones(len(y))
    slope = s[:, None] * (p - np.eye(len(Theta))[y])
    return float(-s @ np.log(p[np.arange(len(y)), y])), (slope.T @ V).astype(float)


def test_equals_the_formula(backend):
    check_formula(backend, np.float64, "C")


@pytest.mark.parametrize("kernel", QUICK_TO_COMPILE)
@pytest.mark.parametrize(("dtype", "order"), [(np.float64, "F"), (np.uint8, "C"), (np.float32, "C"), (np.float32, "F")])
def test_other_kinds_equal_the_formula(kernel, dtype, order):
    check_formula(kernel, dtype, order)


def check_formula(backend, dtype, order):
    for m, n, K in ((1, 1, 2), (1, 5, 3), (2, 1, 3), (9, 8, 2), (33, 17, 5), (130, 3, 11), (21, 130, 4), (70, 6, 100)):
        X, y, Theta = classes(m, n, K, dtype, order)
        s, o = weights(m)[0], offsets(m, K)
        for given in ((NONE, NONE), (s, NONE), (NONE, o), (s, o)):
            J, Grad = sums(backend, X, y, Theta, *given)
            J_formula, Grad_formula = by_formula(X, y, Theta, *given)
            assert J == pytest.approx(J_formula, rel=1e-13), (m, n, K)
            size = np.abs(X, dtype=np.float64).max() * m
            np.testing.assert_allclose(Grad, Grad_formula, rtol=1e-12, atol=1e-13 * size, err_msg=str((m, n, K)))


def test_gradients_of_all_classes_cancel(backend):
    X, y, Theta = classes()
    _, Grad = sums(backend, X, y, Theta, *(weights(57)[0], offsets(57, 4)))
    np.testing.assert_allclose(Grad.sum(axis=0), 0.0, atol=1e-13)


def test_two_classes_are_the_logistic_loss(backend):
    """With half of w against half of -w."""
    X, y, w, b = problem()
    s, o = weights(57)
    half = 0.5 * np.append(w, b)
    J, Grad = sums(backend, X, y.astype(np.int32), np.stack([-half, half]), s, np.stack([-0.5 * o, 0.5 * o], axis=1))
    J_two, grad_two = sums_of_two_classes(backend, X, y, w, b, s, o)
    assert J == pytest.approx(J_two, rel=1e-14)
    np.testing.assert_allclose(Grad, [-grad_two, grad_two], rtol=1e-11, atol=1e-13)


def test_margins_of_every_size(backend):
    """Up to 1e4 apart: finite, no warning, and nothing cancels where a probability is next to 1."""
    for z in (0.0, 1e-20, 1e-8, 1.0, 30.0, 37.0, 40.0, 700.0, 746.0, 1e4):
        Theta = np.array([[z, 0.0], [0.0, 0.0], [-z, 0.0]])
        total = math.log1p(math.exp(-z) + math.exp(-2 * z))
        for y, loss in enumerate([total, z + total, 2 * z + total]):
            J, Grad = sums(backend, np.ones((1, 1)), np.array([y], np.int32), Theta)
            p = np.exp(np.array([0.0, -z, -2 * z]) - total)
            p[y] = -np.delete(p, y).sum()
            assert J == pytest.approx(loss, rel=5e-16, abs=5e-324)
            np.testing.assert_allclose(Grad, np.stack([p, p], axis=1), rtol=1e-12, atol=1e-320)


def test_a_shift_of_all_classes_changes_nothing(backend):
    X, y, Theta = classes()
    J, Grad = sums(backend, X, y, Theta)
    J_shifted, Grad_shifted = sums(backend, X, y, Theta + np.linspace(-3.0, 3.0, 8))
    assert J == pytest.approx(J_shifted, rel=1e-13)
    np.testing.assert_allclose(Grad, Grad_shifted, rtol=1e-11, atol=1e-12)


def test_classes_in_another_order(backend):
    X, y, Theta = classes()
    o, turned = offsets(57, 4), np.array([2, 0, 3, 1])
    J, Grad = sums(backend, X, y, Theta, o=o)
    J_turned, Grad_turned = sums(backend, X, np.argsort(turned).astype(np.int32)[y], Theta[turned], o=o[:, turned].copy())
    assert J == pytest.approx(J_turned, rel=1e-13)
    np.testing.assert_allclose(Grad[turned], Grad_turned, rtol=1e-11, atol=1e-13)


def test_integer_weights_equal_repeated_rows(backend):
    X, y, Theta = classes()
    times = np.random.default_rng(4).integers(0, 4, 57)
    J, Grad = sums(backend, X, y, Theta, times.astype(float))
    J_repeated, Grad_repeated = sums(backend, np.repeat(X, times, axis=0), np.repeat(y, times), Theta)
    assert J == pytest.approx(J_repeated, rel=1e-13)
    np.testing.assert_allclose(Grad, Grad_repeated, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kernel", [*QUICK_TO_COMPILE, pytest.param("loop", marks=pytest.mark.long)])
def test_sparse_equals_dense(kernel):
    X, y, Theta = classes(300, 40, 5)
    X[np.random.default_rng(1).random(X.shape) < 0.8] = 0.0
    X[7] = 0.0
    A = sparse.csr(scipy.sparse.csr_array(X))
    s, o = weights(300)[0], offsets(300, 5)
    center = np.linspace(-1.0, 1.0, 40)
    for given in ((NONE, NONE), (s, o)):
        J, Grad = sums(kernel, A, y, Theta, *given)
        J_dense, Grad_dense = sums("numpy", X, y, Theta, *given)
        assert J == pytest.approx(J_dense, rel=1e-13)
        np.testing.assert_allclose(Grad, Grad_dense, rtol=1e-10, atol=1e-12)
        for H, H_dense in (
                (class_hessians(kernel, A, y, *given, Theta, center), class_hessians("numpy", X, y, *given, Theta, center)),
                [call(name, "softmax_hessian", Z, y, *given, Theta, center) for name, Z in ((kernel, A), ("numpy", X))]):
            np.testing.assert_allclose(H, H_dense, rtol=1e-9, atol=1e-10)
        HV, HV_dense = (call(*which, y, *given, Theta)(Theta[::-1].copy())
                        for which in ((kernel, "softmax_hessian_product", A), ("numpy", "softmax_hessian_product", X)))
        np.testing.assert_allclose(HV, HV_dense, rtol=1e-10, atol=1e-11)


def test_second_derivatives(backend):
    """The product is the derivative of the gradient, all second derivatives make it, and the blocks are on their diagonal."""
    check_second_derivatives(backend, "C")


@pytest.mark.compiles
def test_second_derivatives_in_fortran_order():
    check_second_derivatives("fused", "F")


def check_second_derivatives(backend, order):
    X, y, Theta = classes(140, 6, 4, order=order)
    s, o = weights(140)[0], offsets(140, 4)
    V, h = np.random.default_rng(6).standard_normal(Theta.shape), 1e-6
    for given in ((NONE, NONE), (s, o)):
        HV = call(backend, "softmax_hessian_product", X, y, *given, Theta)(V)
        above, below = (sums(backend, X, y, Theta + e * V, *given)[1] for e in (h, -h))
        np.testing.assert_allclose((above - below) / (2 * h), HV, rtol=1e-6, atol=1e-6)

        center = np.linspace(-1.0, 1.0, 6)
        H = call(backend, "softmax_hessian", X, y, *given, Theta, center)
        move = np.eye(7)                        # what takes the derivatives by w and b to those for features x - center
        move[:-1, -1] = center
        moved = np.kron(np.eye(4), move)
        np.testing.assert_allclose((moved @ H @ moved.T @ V.ravel()).reshape(4, 7), HV, rtol=1e-10, atol=1e-11)
        np.testing.assert_array_equal(H, H.T)

        blocks = class_hessians(backend, X, y, *given, Theta, center)
        np.testing.assert_allclose(blocks, [H[k:k + 7, k:k + 7] for k in range(0, 28, 7)], rtol=1e-10, atol=1e-11)
        np.testing.assert_array_equal(blocks, blocks.transpose(0, 2, 1))


@pytest.mark.compiles
@pytest.mark.parametrize("order", ["C", "sparse"])
def test_rows_keep_the_classes_that_have_curvature(order):
    """A Gram for each pair of classes, and one product for all, leave out the same; and it is no more than all of it."""
    X, y, Theta = classes(4000, 40, 4)
    A = sparse.csr(scipy.sparse.csr_array(X)) if order == "sparse" else X
    given, center = (weights(4000)[0], offsets(4000, 4)), np.linspace(-1.0, 1.0, 40)
    whole, kept, by_one_product = (call(name, "softmax_hessian", Z, y, *given, Theta, center, floor)
                                   for name, Z, floor in (("fused", A, 0.0), ("fused", A, 0.2), ("numpy", X, 0.2)))
    np.testing.assert_allclose(kept, by_one_product, rtol=1e-10, atol=1e-9)
    left_out = np.linalg.eigvalsh(whole - kept)
    assert left_out[-1] > 1.0 and left_out[0] > -1e-12 * left_out[-1]


def test_rows_that_are_drawn_stand_for_all():
    """Few rows have curvature left, and an even sample would have a tenth of them."""
    X, y, Theta = classes(4000, 7, 4)
    s, o = weights(4000)[0], offsets(4000, 4)
    Theta *= 8.0
    H = class_hessians("numpy", X, y, s, o, Theta, np.zeros(7))
    drawn = class_hessians("numpy", X, y, s, o, Theta, np.zeros(7), 0.1)
    for H_k, drawn_k in zip(H, drawn, strict=True):
        L = np.linalg.cholesky(H_k)
        ratios = np.linalg.eigvalsh(np.linalg.solve(L, np.linalg.solve(L, drawn_k).T))
        assert 0.6 < ratios.min() < ratios.max() < 1.6          # 1 +- 2 sqrt(8 / 400), the range of random matrices, and some


def test_second_derivatives_where_a_probability_is_next_to_1(backend):
    """Where 1 - p is 0 in float64."""
    Theta = np.array([[60.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    given = np.ones((1, 1)), np.zeros(1, np.int32), NONE, NONE
    q = math.exp(-60.0)                         # of each of the other classes; to first order in it:
    H = q * np.array([[2.0, -1.0, -1.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    blocks = class_hessians(backend, *given, Theta, np.zeros(1))
    np.testing.assert_allclose(blocks[:, 1, 1], np.diag(H), rtol=1e-13)
    np.testing.assert_allclose(call(backend, "softmax_hessian", *given, Theta, np.zeros(1))[1::2, 1::2], H, rtol=1e-13,
                               atol=2 * q ** 2)
    V = np.array([[0.0, 3.0], [0.0, 5.0], [0.0, 7.0]])
    np.testing.assert_allclose(call(backend, "softmax_hessian_product", *given, Theta)(V)[:, 1], H @ V[:, 1], rtol=1e-13)


@pytest.mark.parametrize("kernel", ["numpy", "fused"])
def test_predictions(kernel):
    predict = backends.load(kernel).softmax_predict
    X, _, Theta = classes(400)
    o = offsets(400, 4)
    z, is_finite = predict(X, o, Theta, as_probabilities=False)
    p, _ = predict(X, o, Theta, as_probabilities=True)
    assert is_finite
    np.testing.assert_allclose(z, X @ Theta[:, :-1].T + Theta[:, -1] + o, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(p, np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), rtol=1e-12)
    X[5, 3] = np.nan
    assert not predict(X, o, Theta, as_probabilities=True)[1]


@pytest.mark.parametrize(("kernel", "order"), [
    ("fused", "C"), ("fused", "F"), pytest.param("parallel", "C", marks=pytest.mark.long)])        # it is compiled for 5 s
@pytest.mark.parametrize("shape", [(4_001, 10, 3), (601, 200, 10)])
def test_same_bits_for_any_number_of_threads(kernel, order, shape):
    X, y, Theta = classes(*shape, order=order)
    s, o = weights(shape[0])[0], offsets(shape[0], shape[2])
    results = []
    for n_threads in (1, 2, 3):
        product = call(kernel, "softmax_hessian_product", X, y, s, o, Theta, n_threads=n_threads)
        results.append((*sums(kernel, X, y, Theta, s, o, n_threads), product(Theta)))
    for J, Grad, HV in results[1:]:
        assert results[0][0] == J
        np.testing.assert_array_equal(results[0][1], Grad)
        np.testing.assert_array_equal(results[0][2], HV)


def test_rows_of_every_block_remainder(compiled):
    """Every m around the sizes of blocks, in a panel and as rows."""
    for n, K in ((3, 2), (5, 4), (130, 3)):
        X, y, Theta = classes(280, n, K)
        for m in (*range(1, 18), 135, 136, 137, 271, 272, 273):
            J, Grad = sums(compiled, X[:m], y[:m], Theta)
            J_plain, Grad_plain = sums("numpy", X[:m], y[:m], Theta)
            assert J == pytest.approx(J_plain, rel=1e-12)
            np.testing.assert_allclose(Grad, Grad_plain, rtol=1e-10, atol=1e-11)
