"""What holds for every backend, whatever it computes with."""

import functools
import math

import numpy as np
import pytest

import fastlr
from fastlr import backends
from fastlr.backends import descent
from fastlr.data import door
from tests.problems import problem, weights

# What all kernels are compiled for; each kind costs seconds.
KINDS = [(np.float64, "C"), (np.float64, "F"), (np.float32, "C")]


def sums(backend, X, y, w, b, s=None, o=None, grad=None, n_threads=1):
    """The kernel itself: the sum of losses and the sum of gradients."""
    kernel = backends.load(backend)
    data = door.data_as_given(X, y, s, o)
    grad = np.full(X.shape[1] + 1, np.nan) if grad is None else grad
    with backends.threads(kernel, n_threads, data.size) as count:
        return kernel.cost_gradient(*data.with_backend(kernel, count).prepared, np.append(w, b).astype(float), grad), grad


def by_formula(X, y, w, b, s=None, o=None):
    """Sums by the formulas, in long double, for moderate margins."""
    X, w = X.astype(np.longdouble), np.asarray(w, np.longdouble)
    z = X @ w + b + (0 if o is None else o)
    s = np.ones(len(y)) if s is None else s
    a = 1 / (1 + np.exp(-z))
    loss = -(y * np.log(a) + (1 - y) * np.log(1 - a))
    dz = s * (a - y)
    return float(s @ loss), np.append(X.T @ dz, dz.sum()).astype(float)


@pytest.mark.parametrize(("dtype", "order"), KINDS)
def test_equals_the_formula(backend, dtype, order):
    check_formula(backend, dtype, order)


@pytest.mark.parametrize("kernel", ["python", "numpy", "fused"])
@pytest.mark.parametrize(("dtype", "order"), [(np.float32, "F"), (np.uint8, "C")])
def test_other_kinds_equal_the_formula(kernel, dtype, order):
    check_formula(kernel, dtype, order)


@pytest.mark.parametrize("kernel", ["python", "numpy", pytest.param("fused", marks=pytest.mark.long)])
def test_a_kind_that_is_compiled_on_demand_equals_the_formula(kernel):
    check_formula(kernel, np.int8, "F")


def check_formula(backend, dtype, order):
    for shape in ((1, 1), (1, 5), (2, 1), (7, 3), (8, 8), (9, 17), (64, 4), (200, 13), (700, 2), (33, 300)):
        X, y, w, b = problem(*shape, dtype=dtype, order=order)
        s, o = weights(shape[0])
        for args in ((), (s,), (None, o), (s, o)):
            J, grad = sums(backend, X, y, w, b, *args)
            J_formula, grad_formula = by_formula(X, y, w, b, *args)
            assert J == pytest.approx(J_formula, rel=1e-13), shape
            np.testing.assert_allclose(grad, grad_formula, rtol=1e-12, atol=1e-12 * shape[0], err_msg=str(shape))


@pytest.mark.parametrize("kind", KINDS)
def test_split_rows_add_up(backend, kind):
    X, y, w, b = problem(203, 5, *kind)
    s, o = weights(203)
    J, grad = sums(backend, X, y, w, b, s, o)
    parts = [sums(backend, X[rows], y[rows], w, b, s[rows], o[rows]) for rows in (slice(0, 1), slice(1, 100), slice(100, 203))]
    assert J == pytest.approx(sum(part[0] for part in parts), rel=1e-13)
    np.testing.assert_allclose(grad, sum(part[1] for part in parts), rtol=1e-11, atol=1e-13)


def test_order_of_rows_does_not_matter(backend):
    X, y, w, b = problem(203, 5)
    J, grad = sums(backend, X, y, w, b)
    turned = np.random.default_rng(3).permutation(203)
    J_turned, grad_turned = sums(backend, X[turned], y[turned], w, b)
    assert J == pytest.approx(J_turned, rel=1e-13)
    np.testing.assert_allclose(grad, grad_turned, rtol=1e-11, atol=1e-13)


def test_integer_weights_equal_repeated_rows(backend):
    X, y, w, b = problem(40, 3)
    s = np.random.default_rng(4).integers(0, 4, 40).astype(float)
    J, grad = sums(backend, X, y, w, b, s)
    times = s.astype(int)
    J_repeated, grad_repeated = sums(backend, np.repeat(X, times, axis=0), np.repeat(y, times), w, b)
    assert J == pytest.approx(J_repeated, rel=1e-13)
    np.testing.assert_allclose(grad, grad_repeated, rtol=1e-11, atol=1e-13)


def test_unit_weights_and_zero_offsets_are_none(backend):
    X, y, w, b = problem()
    J, grad = sums(backend, X, y, w, b)
    J_given, grad_given = sums(backend, X, y, w, b, np.ones(len(y)), np.zeros(len(y)))
    assert (J, grad.tolist()) == (J_given, grad_given.tolist())


def test_column_of_ones_is_the_intercept(backend):
    X, y, w, b = problem()
    J, grad = sums(backend, X, y, w, b)
    J_column, grad_column = sums(backend, np.column_stack([X, np.ones(len(y))]), y, np.append(w, b), 0.0)
    assert J == pytest.approx(J_column, rel=1e-14)
    np.testing.assert_allclose(grad, grad_column[:-1], rtol=1e-11, atol=1e-13)
    assert grad_column[-1] == pytest.approx(grad_column[-2], rel=1e-12)


def test_swapped_labels_mirror(backend):
    X, y, w, b = problem()
    J, grad = sums(backend, X, y, w, b)
    J_mirror, grad_mirror = sums(backend, X, 1 - y, -w, -b)
    assert J == pytest.approx(J_mirror, rel=1e-13)
    np.testing.assert_allclose(grad, -grad_mirror, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_the_derivative_of_the_cost(backend, kind):
    """Central differences along random directions."""
    X, y, w, b = problem(50, 6, *kind)
    _, dw, db = fastlr.cost_and_gradient(X, y, w, b, backend=backend, l2=0.3)
    rng, h = np.random.default_rng(5), 1e-5
    for _ in range(5):
        v, vb = rng.standard_normal(6), rng.standard_normal()
        above, below = (fastlr.cost_and_gradient(X, y, w + e * v, b + e * vb, backend=backend, l2=0.3)[0] for e in (h, -h))
        assert (above - below) / (2 * h) == pytest.approx(dw @ v + db * vb, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_margins_of_every_size(backend, kind):
    """From 1e-300 to 1e4 on both sides: finite, no warning, and right where it can be checked."""
    margins = np.array([0.0, 1e-300, 1e-20, 1e-8, 1.0, 30.0, 37.0, 40.0, 700.0, 709.0, 745.0, 746.0, 1e4])
    margins = np.concatenate([margins, -margins])
    for z in margins.astype(kind[0]).astype(float):
        X = np.asarray([[z]], dtype=kind[0], order=kind[1])
        for y in (0, 1):
            J, grad = sums(backend, X, [y], [1.0], 0.0)
            signed = z if y == 0 else -z                    # loss = log(1 + e^signed), dz = +- sigma(signed)
            loss = signed + math.log1p(math.exp(-signed)) if signed > 0 else math.log1p(math.exp(signed))
            sigma = 1 / (1 + math.exp(-signed)) if signed > -700 else math.exp(signed)
            assert J == pytest.approx(loss, rel=5e-16, abs=5e-324)
            dz = sigma if y == 0 else -sigma
            # a - y cancels where a is next to y, as in the definition: absolute precision there
            assert grad[1] == pytest.approx(dz, rel=5e-16, abs=1.2e-16)
            assert grad[0] == pytest.approx(grad[1] * z, rel=1e-15, abs=1e-300)


def test_gradient_is_overwritten_not_added(backend):
    X, y, w, b = problem()
    _, grad = sums(backend, X, y, w, b)
    again = sums(backend, X, y, w, b, grad=np.full(8, 1e300))[1]
    assert np.isfinite(grad).all()
    assert (grad == again).all()


def test_input_is_left_alone(backend):
    X, y, w, b = problem()
    s, o = weights(len(y))
    given = [X, y, w, s, o]
    before = [A.copy() for A in given]
    fastlr.train(X, y, sample_weight=s, offset=o, init=(w, b), learning_rate=0.1, max_iter=3, backend=backend)
    assert all((A == B).all() for A, B in zip(given, before, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_read_only_and_memory_mapped_input(backend, kind, tmp_path):
    X, y, *_ = problem(60, 4, *kind)
    options = {"learning_rate": 0.1, "max_iter": 3, "backend": backend}
    model = fastlr.train(X, y, **options)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    X.flags.writeable = y.flags.writeable = False
    for given in (X, mapped):
        again = fastlr.train(given, y, **options)
        assert (again.w == model.w).all()
        assert (again.costs == model.costs).all()


@pytest.mark.parametrize("shape", [(40_000, 10), (3_001, 100)])
def test_same_bits_for_any_number_of_threads(compiled, shape):
    check_threads(compiled, shape, "C")


@pytest.mark.compiles
def test_same_bits_for_any_number_of_threads_in_fortran_order():
    """Only `fused` has code for it; `parallel` would compile the same loop again."""
    check_threads("fused", (999, 301), "F")


def check_threads(compiled, shape, order):
    X, y, w, b = problem(*shape, order=order)
    s, o = weights(shape[0])
    J, grad = sums(compiled, X, y, w, b, s, o, n_threads=1)
    for n_threads in (2, 3, 7):
        J_threads, grad_threads = sums(compiled, X, y, w, b, s, o, n_threads=n_threads)
        assert J == J_threads
        assert (grad == grad_threads).all()


def test_same_bits_in_training(compiled):
    X, y, *_ = problem(30_000, 8)
    one, two, default = (fastlr.train(X, y, learning_rate=0.5, max_iter=20, backend=compiled, n_threads=n_threads)
                         for n_threads in (1, 2, None))
    for other in (two, default):
        assert (one.w == other.w).all()
        assert (one.costs == other.costs).all()


def test_rows_of_every_block_remainder(compiled):
    """Every m around the block sizes, where the last block is short."""
    for n in (1, 3, 4, 5, 64, 300):
        X, y, w, b = problem(530, n)
        for m in (*range(1, 20), 63, 64, 65, 511, 512, 513, 529):
            for order in ("C", "F"):
                J, grad = sums(compiled, np.asarray(X[:m], order=order), y[:m], w, b)
                J_plain, grad_plain = sums("numpy", X[:m], y[:m], w, b)
                assert J == pytest.approx(J_plain, rel=1e-12)
                np.testing.assert_allclose(grad, grad_plain, rtol=1e-10, atol=1e-11)


def test_kernel_descent_equals_plain_descent(compiled):
    """The compiled rule against `_descent.descend` with the same kernel: same updates, same status, to rounding."""
    X, y, *_ = problem(80, 3)
    kernel = backends.load(compiled)
    data = door.data(X, y)
    rule = descent.Rule(alpha=0.4, intercept=1.0, scale=1 / 80, l2=0.2, tol=0.0, ceiling=10.0, to_mean=1.0,
                         center=X.mean(0), spread=X.std(0))
    prepared = data.with_backend(kernel, 1).prepared
    ways = (functools.partial(kernel.descend, *prepared),
            functools.partial(descent.descend, functools.partial(kernel.cost_gradient, *prepared)))
    cases = [({}, descent.GOING), ({"tol": 1e-3}, descent.CONVERGED), ({"intercept": 0.0}, descent.GOING),
             ({"ceiling": 0.5, "alpha": 1e-9}, descent.DIVERGED), ({"alpha": 1e200, "l2": 1e200}, descent.DIVERGED)]
    for change, status in cases:
        changed = rule._replace(**change)
        results = []
        for descend in ways:
            theta, previous, record = np.zeros(4), np.zeros(4), np.full((100, 2), np.nan)
            with np.errstate(over="ignore", invalid="ignore"):      # which NUMBA_DISABLE_JIT leaves to NumPy
                updates, code = descend(theta, previous, changed, record)
            results.append((updates, code, theta, previous, record[:updates]))
        (updates, code, *arrays), (updates_plain, code_plain, *arrays_plain) = results
        assert (updates, code) == (updates_plain, code_plain)
        assert code == status
        for A, B in zip(arrays, arrays_plain, strict=True):
            np.testing.assert_allclose(A, B, rtol=1e-12, atol=1e-15)
